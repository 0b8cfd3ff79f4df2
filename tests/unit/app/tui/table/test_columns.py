"""The table's arithmetic: every width is filled exactly, what matters stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from app.text.rows import Row
from app.tui.table.columns import columns, texts, titles

rows = st.builds(
    lambda **fields: Row(**fields),  # noqa: PLW0108 - hypothesis would read its annotations
    kind=st.sampled_from(["building", "failed", "waiting", "queued", "built"]), name=st.text(), word=st.text(), detail=st.text(),
    time=st.text(max_size=9), memory=st.text(max_size=8), peak=st.text(max_size=8),
    last=st.text(), part=st.none() | st.integers(0, 80),
)  # fmt: skip


@given(rows, st.integers(20, 250), st.booleans())
def test_cells_are_as_wide_as_their_columns(row: Row, width: int, plain: bool) -> None:
    cells = texts(row, width, ascii_only=plain)
    assert cell_len(cells[1]) == columns(width)[0].width + 1
    if row.kind == "building":
        wide = [cell_len(cell) for cell in cells[1:]]
        assert wide == [column.width + 1 for column in columns(width)]
    else:
        assert len(cells) <= 4, "glyph, name, word, and the reason in all other columns"
    assert sum(map(cell_len, cells)) <= width + 1


@given(st.integers(20, 250))
def test_name_and_reason_are_always_there(width: int) -> None:
    names = [column.name for column in columns(width)]
    assert (names[0], names[-1]) == ("name", "doing")
    assert width < 80 or len(names) == 5, "80 columns keep the bar, the times and the memory"
    assert len(titles(width)) == width


def test_running_row_has_a_bar_its_time_and_its_output() -> None:
    row = Row(
        kind="building", name="fast-math 2.8", word="building", detail="build_wheel",
        time="0:19 / 2:39", memory="109 MiB", peak="", last="g++ -c kernel_00.cpp", part=10,
    )  # fmt: skip
    assert "".join(texts(row, 80, ascii_only=False)).rstrip() == (
        " ● fast-math 2.8       ▊░░░░░ 0:19 / 2:39  109 MiB g++ -c kernel_00.cpp"
    )
    assert "".join(texts(row, 120, ascii_only=True)).rstrip() == (
        " > fast-math 2.8          #---------   0:19 / 2:39  109 MiB build_wheel  g++ -c kernel_00.cpp"
    )


def test_waiting_row_has_its_reason_in_all_columns() -> None:
    row = Row(
        kind="waiting", name="my-core 2.1.0", word="locked", time="0:19", memory="-", peak="",
        detail="held by uv build (pid 11974), running 0:21", last="",
    )  # fmt: skip
    assert "".join(texts(row, 80, ascii_only=False)).rstrip() == (
        " ◌ my-core 2.1.0       locked         0:19  held by uv build (pid 11974), runni…"
    )


def test_failed_row_at_80_columns_has_its_state_the_cause_and_the_begin_of_the_fix() -> None:
    row = Row(
        kind="failed", name="broken-helper 0.1", word="failed", detail="no module 'numpy'",
        time="0.5 s", memory="-", peak="-",
        last="add numpy to [build-system] requires in ./broken-helper/pyproject.toml",
    )  # fmt: skip
    line = "".join(texts(row, 80, ascii_only=False))
    assert line.rstrip() == (
        " ✗ broken-helper 0.1   failed     no module 'numpy'  → add numpy to [build-syst…"
    )
    assert "no module 'numpy'  > add numpy" in "".join(texts(row, 80, ascii_only=True))
