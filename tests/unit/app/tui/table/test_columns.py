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
    if row.kind == "failed":
        assert len(cells) == 3, "glyph, name, and the reason in all other columns"
        assert cell_len(cells[1]) == columns(width)[0].width + 1
    else:
        wide = [cell_len(cell) for cell in cells[1:]]
        assert wide == [column.width + 1 for column in columns(width)]
    assert sum(map(cell_len, cells)) <= width + 1


@given(st.integers(20, 250))
def test_name_and_state_are_always_there(width: int) -> None:
    names = [column.name for column in columns(width)]
    assert names[:2] == ["name", "state"]
    assert ("last" in names) == (width >= 104)
    assert "memory" in names or width < 56, "80 columns keep build, state, time and memory"
    assert len(titles(width)) == width


def test_failed_row_at_80_columns_has_its_state_the_cause_and_the_begin_of_the_fix() -> None:
    row = Row(
        kind="failed", name="broken-helper 0.1", word="failed", detail="no module 'numpy'",
        time="0.5 s", memory="-", peak="-", jobs="-",
        last="add numpy to [build-system] requires in ./broken-helper/pyproject.toml",
    )  # fmt: skip
    line = "".join(texts(row, 80, ascii_only=False))
    assert line.rstrip() == (
        " ✗ broken-helper 0.1      failed     no module 'numpy'  → add numpy to [build-s…"
    )
    assert "no module 'numpy'  > add numpy" in "".join(texts(row, 80, ascii_only=True))
