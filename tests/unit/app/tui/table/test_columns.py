"""The table's arithmetic: every width is filled exactly, what matters stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from app.text.rows import Row
from app.tui.table.columns import columns, texts, titles

rows = st.builds(
    lambda **fields: Row(**fields),  # noqa: PLW0108 - hypothesis would read its annotations
    kind=st.sampled_from(["building", "failed"]), name=st.text(), word=st.text(), detail=st.text(),
    time=st.text(max_size=9), memory=st.text(max_size=8), peak=st.text(max_size=8), jobs=st.text(),
    last=st.text(),
)  # fmt: skip


@given(rows, st.integers(20, 250), st.booleans())
def test_cells_are_as_wide_as_their_columns(row: Row, width: int, plain: bool) -> None:
    cells = texts(row, width, ascii_only=plain)
    assert [cell_len(cell) for cell in cells[1:]] == [column.width + 1 for column in columns(width)]
    assert sum(map(cell_len, cells)) <= width + 1


@given(st.integers(20, 250))
def test_name_and_state_are_always_there(width: int) -> None:
    names = [column.name for column in columns(width)]
    assert names[:2] == ["name", "state"]
    assert ("last" in names) == (width >= 104)
    assert "memory" in names or width < 56, "80 columns keep build, state, time and memory"
    assert len(titles(width)) == width
