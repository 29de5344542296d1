"""The drawing of the process tree: no box on another, text inside its box, every process shown or counted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.facts.process import Gap, GapKind, KnownFrom, Lineage, Process
from playbooks.report.process_nodes import FULL_COMMAND, ProcessTree, Role, process_tree
from playbooks.report.svg_text import cut, width_of, wrap
from playbooks.report.svg_tree import WIDTH, Box, Picture, Size, TextLine, picture
from tests.report_cases import at, malicious, process, stealer_lineage

_TEXT_SIZE = {"rr-n": 13.0, "rr-m": 11.5}


def some_process(pid: int, *, command: str | None = "x.exe /a", name: str = "x.exe") -> Process:
    return process(pid, rf"C:\dir\{name}", command, "08:00:00", pid)


texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["W" * 700, "a b " * 200, "\u65e5\u672c" * 300, "\u202e" * 90, "", "x", "i" * 900]),
)
processes = st.builds(
    lambda pid, command, name: some_process(pid, command=command, name=name or "n"),
    st.integers(min_value=0, max_value=2**32 - 1),
    st.one_of(st.none(), texts),
    texts,
)
gaps = st.builds(
    lambda kind, at_, detail: Gap(kind=kind, at=at_, detail=detail),
    st.sampled_from(GapKind),
    st.sampled_from(["x.exe (pid 1)", "nowhere", ""]),
    texts,
)
lineages = st.builds(
    lambda target, ancestors, siblings, children, holes: Lineage(
        target=target,
        ancestors=tuple(ancestors),
        siblings=tuple(siblings),
        children=tuple(children),
        gaps=tuple(holes),
    ),
    processes,
    st.lists(processes, max_size=40),
    st.lists(processes, max_size=12),
    st.lists(processes, max_size=30),
    st.lists(gaps, max_size=4),
)


@given(lineages, st.sampled_from(Size))
@settings(max_examples=40)
def test_no_box_lies_on_another_and_none_leaves_the_picture(lineage: Lineage, size: Size) -> None:
    tree = process_tree(lineage)
    drawn = picture(tree, size)
    assert drawn.width == WIDTH[size]
    for above, below in zip(drawn.boxes, drawn.boxes[1:], strict=False):
        assert above.y + above.height < below.y
    for box in drawn.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= drawn.width
        assert box.y + box.height <= drawn.height
        assert box.width >= 0.6 * drawn.width


@given(lineages, st.sampled_from(Size))
@settings(max_examples=40)
def test_text_stays_inside_its_box(lineage: Lineage, size: Size) -> None:
    for box in picture(process_tree(lineage), size).boxes:
        for line in box.lines:
            assert box.y < line.y < box.y + box.height
            assert line.x + used(line) <= box.x + box.width + 1


def used(line: TextLine) -> float:
    pieces = [*line.pieces, *([line.end] if line.end else [])]
    return sum(
        width_of(each.text, _TEXT_SIZE.get(each.css, 12.0), mono=each.css == "rr-m") for each in pieces
    )


@given(lineages)
@settings(max_examples=40)
def test_every_process_is_shown_or_counted(lineage: Lineage) -> None:
    tree = process_tree(lineage)
    total = 1 + len(lineage.ancestors) + len(lineage.siblings) + len(lineage.children)
    assert shown(tree) + counted(tree) == total
    assert [node.role for node in tree.nodes].count(Role.TARGET) == 1
    assert len(picture(tree, Size.WIDE).boxes) == len(tree.nodes)


def shown(tree: ProcessTree) -> int:
    return sum(node.is_process for node in tree.nodes)


def counted(tree: ProcessTree) -> int:
    left_out = [node.name for node in tree.nodes if node.role is Role.LEFT_OUT]
    return sum(int(name.partition(" more ")[0]) for name in left_out)


@given(lineages)
@settings(max_examples=40)
def test_every_node_hangs_on_one_above_it(lineage: Lineage) -> None:
    tree = process_tree(lineage)
    for number, node in enumerate(tree.nodes):
        if node.parent is not None:
            assert node.parent < number
            above = tree.nodes[node.parent]
            assert node.depth == (above.depth if above.role is Role.END else above.depth + 1)


@given(lineages)
@settings(max_examples=40)
def test_every_gap_is_told(lineage: Lineage) -> None:
    tree = process_tree(lineage)
    ends = sum(node.role is Role.END for node in tree.nodes)
    above = {GapKind.PARENT_NOT_RECORDED, GapKind.PARENT_ID_MISSING, GapKind.DEPTH_CAP, GapKind.CYCLE}
    assert ends == sum(gap.kind in above for gap in lineage.gaps)
    told = [node.unknown for node in tree.nodes]
    others = [gap for gap in lineage.gaps if gap.kind not in above]
    assert len(tree.gaps) <= len(others)
    if len(tree.gaps) < len(others):
        assert any(told)


class TestStealer:
    def test_order_depth_and_roles(self) -> None:
        tree = process_tree(stealer_lineage())
        assert [(node.name.partition(",")[0], node.depth, node.role.value) for node in tree.nodes] == [
            ("telemetry ends here", 0, "end"),
            ("explorer.exe", 0, "ancestor"),
            ("OUTLOOK.EXE", 1, "ancestor"),
            ("WINWORD.EXE", 2, "ancestor"),
            ("powershell.exe", 3, "ancestor"),
            ("loader.exe", 4, "ancestor"),
            ("conhost.exe", 5, "sibling"),
            ("RegSvcs.exe", 5, "target"),
            ("schtasks.exe", 6, "child"),
        ]

    def test_the_words_of_a_node(self) -> None:
        tree = process_tree(stealer_lineage())
        loader = next(node for node in tree.nodes if node.name == "loader.exe")
        assert loader.pid == "pid 7012"
        assert loader.times == "08:13:58, exited 08:14:04 after 6.0 s"
        assert loader.who == "CORP\\user01, Medium integrity"
        assert loader.signature == "unsigned"
        explorer = tree.nodes[1]
        assert explorer.unknown == "known only from its child; user and integrity unknown"
        assert tree.day == "2026-10-01 UTC"

    def test_the_target_is_marked_in_words_in_every_size(self) -> None:
        tree = process_tree(stealer_lineage())
        for size in Size:
            box = target_box(picture(tree, size))
            assert "raised the notable" in words(box)
            assert "signature unknown" in words(box)
            assert "08:14:01" in words(box)

    def test_the_list_holds_the_whole_command_line(self) -> None:
        tree = process_tree(stealer_lineage())
        powershell = next(node for node in tree.nodes if node.name == "powershell.exe")
        (line,) = (row.text for row in powershell.rows if row.label == "Command line")
        lineage = malicious().facts.lineage
        assert lineage is not None
        assert line == lineage.ancestors[1].command_line
        assert len(line) > 1200

    def test_a_command_line_of_windows_longest_is_cut_with_its_length(self) -> None:
        tree = process_tree(Lineage(target=some_process(1, command="x" * 32_767)))
        (line,) = (row.text for row in tree.nodes[0].rows if row.label == "Command line")
        assert len(line) <= FULL_COMMAND
        assert "characters left out" in line

    def test_younger_siblings_come_after_the_process_and_its_children(self) -> None:
        lineage = stealer_lineage()
        late = process(9000, r"C:\late.exe", "late", "08:30:00", 500)
        unknown = late.model_copy(update={"ref": late.ref.model_copy(update={"start_time": None, "pid": 1})})
        lineage = lineage.model_copy(update={"siblings": (*lineage.siblings, late, unknown)})
        names = [(node.name, node.pid) for node in process_tree(lineage).nodes]
        assert names[-3:] == [
            ("schtasks.exe", "pid 7402"),
            ("late.exe", "pid 9000"),
            ("late.exe", "pid 1"),
        ]

    def test_not_recorded_is_told_apart_from_empty(self) -> None:
        missing = process_tree(Lineage(target=some_process(1, command=None))).nodes[0]
        empty = process_tree(Lineage(target=some_process(1, command=""))).nodes[0]
        assert missing.unknown == "command line not recorded, which is not the same as none"
        assert empty.unknown == "command line recorded as empty"

    def test_a_process_known_only_from_activity(self) -> None:
        target = process(1, r"C:\a.exe", None, "08:00:00", 1, known_from=KnownFrom.ACTIVITY)
        node = process_tree(Lineage(target=target)).nodes[0]
        assert node.unknown.startswith("known only from what it did; user and integrity unknown")
        assert node.times == "start unknown"


def target_box(drawn: Picture) -> Box:
    (box,) = (each for each in drawn.boxes if each.role is Role.TARGET)
    return box


def words(box: Box) -> str:
    return " | ".join(
        piece.text for line in box.lines for piece in (*line.pieces, *([line.end] if line.end else []))
    )


class TestText:
    @pytest.mark.parametrize("mono", [False, True])
    @given(text=texts, room=st.integers(min_value=40, max_value=900))
    @settings(max_examples=40)
    def test_a_cut_text_fits_and_says_that_it_was_cut(self, text: str, room: int, *, mono: bool) -> None:
        shown_text = cut(text, room, 12, mono=mono)
        assert width_of(shown_text, 12, mono=mono) <= room
        assert shown_text == text or shown_text.endswith("\u2026")

    @given(text=st.text("ab \\/", max_size=300), room=st.integers(min_value=60, max_value=400))
    @settings(max_examples=60)
    def test_wrapped_lines_hold_the_whole_text_when_there_is_room(self, text: str, room: int) -> None:
        lines = wrap(text, room, 12, lines=1000)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(width_of(line, 12) <= room for line in lines)

    def test_a_path_breaks_after_a_separator(self) -> None:
        assert wrap("C:\\Users\\user01\\AppData\\Local", 150, 12, lines=3, mono=True) == (
            "C:\\Users\\user01\\",
            "AppData\\Local",
        )

    def test_no_more_lines_than_asked_for(self) -> None:
        lines = wrap("word " * 200, 200, 12, lines=3)
        assert len(lines) == 3
        assert lines[-1].endswith("\u2026")


def test_times_of_another_day_carry_their_date() -> None:
    old = process(5, r"C:\old.exe", "old", "08:00:00", 1)
    old = old.model_copy(update={"ref": old.ref.model_copy(update={"start_time": at("09:00:00", day=3)})})
    lineage = stealer_lineage().model_copy(update={"ancestors": (old,)})
    assert "2026-10-03 09:00:00" in [node.times for node in process_tree(lineage).nodes]
