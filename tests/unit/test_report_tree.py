"""The process tree's layout: order, marks, gaps, and what is left out."""

from __future__ import annotations

from connectors.facts.process import Gap, GapKind, KnownFrom, Lineage, Process, ProcessRef
from playbooks.report.tree import Part, TreeLine, layout
from tests.report_cases import REGSVCS, at, malicious, process, stealer_lineage, with_ancestors


def heads(lineage: Lineage) -> list[str]:
    return [line.text for line in layout(lineage, unicode=True) if line.part is Part.HEAD]


def lines_of(lineage: Lineage, label: str) -> list[TreeLine]:
    """The lines of one process, from its head to the next."""
    lines = layout(lineage, unicode=True)
    start = next(number for number, line in enumerate(lines) if label in line.text and line.part is Part.HEAD)
    rest = lines[start + 1 :]
    end = next((number for number, line in enumerate(rest) if line.part is Part.HEAD), len(rest))
    return [lines[start], *rest[:end]]


def target_only(target: Process, **more: object) -> Lineage:
    return Lineage(target=target).model_copy(update=more)


def target(**changes: object) -> Process:
    return process(7188, REGSVCS, None, "08:14:01", 84).model_copy(update=changes)


def test_the_root_is_first_and_the_target_is_below_its_parent() -> None:
    assert [head.split("  ")[0] for head in heads(stealer_lineage())] == [
        "explorer.exe (pid 3120)",
        "OUTLOOK.EXE (pid 4312)",
        "WINWORD.EXE (pid 5120)",
        "powershell.exe (pid 6604)",
        "loader.exe (pid 7012)",
        "conhost.exe (pid 7020)",
        "» RegSvcs.exe (pid 7188)",
        "schtasks.exe (pid 7402)",
    ]


def test_only_the_target_is_marked() -> None:
    marked = [line.text for line in layout(stealer_lineage(), unicode=True) if line.target]
    assert marked[0].startswith("» RegSvcs.exe (pid 7188)")
    assert all("pid" not in text for text in marked[1:])


def test_an_exited_parent_says_when_and_how_soon() -> None:
    head = lines_of(stealer_lineage(), "loader.exe")[0]
    assert head.text == "loader.exe (pid 7012)  08:13:58, exited 08:14:04 after 6.0 s"
    assert (head.tag, head.tag_part) == ("unsigned", Part.BAD)


def test_known_only_from_a_child_is_marked() -> None:
    said = [line.text for line in lines_of(stealer_lineage(), "explorer.exe")]
    assert said[0] == "explorer.exe (pid 3120)  start unknown"
    assert "known only from its child; user and integrity unknown" in said


def test_the_end_of_telemetry_stands_above_the_root() -> None:
    first = layout(stealer_lineage(), unicode=True)[0]
    assert first.part is Part.UNKNOWN
    assert first.text.startswith("telemetry ends here, above explorer.exe (pid 3120): its creation is not in")


def test_a_doubtful_link_is_named_at_its_process() -> None:
    gap = Gap(kind=GapKind.PARENT_BY_PID, at="RegSvcs.exe (pid 7188)", detail="found by pid, image and time")
    said = lines_of(target_only(target(), gaps=(gap,)), "RegSvcs.exe")
    assert (Part.UNKNOWN, "found by pid, image and time") in [(line.part, line.text) for line in said]


def test_a_gap_of_no_shown_process_is_not_lost() -> None:
    gap = Gap(kind=GapKind.NODE_CAP, at="other.exe (pid 1)", detail="7 further relatives left out")
    last = layout(target_only(target(), gaps=(gap,)), unicode=True)[-1]
    assert last.text == "gap at other.exe (pid 1): 7 further relatives left out"


def test_a_missing_command_line_is_unknown_and_an_empty_one_is_not() -> None:
    missing = lines_of(target_only(target(command_line=None)), "RegSvcs.exe")[-1]
    assert (missing.part, missing.text) == (
        Part.UNKNOWN,
        "command line not recorded, which is not the same as none",
    )
    empty = lines_of(target_only(target(command_line="")), "RegSvcs.exe")[-1]
    assert (empty.part, empty.text) == (Part.DETAIL, "command line recorded as empty")


def test_what_activity_alone_tells_is_marked() -> None:
    bare = target(known_from=KnownFrom.ACTIVITY, user="", integrity="")
    said = [line.text for line in lines_of(target_only(bare), "RegSvcs.exe")]
    assert "known only from what it did; user and integrity unknown" in said


def test_a_masquerade_shows_path_and_original_name() -> None:
    fake = target(command_line="RegSvcs.exe", original_file_name="loader.exe")
    fake = fake.model_copy(update={"ref": fake.ref.model_copy(update={"image": r"C:\Temp\RegSvcs.exe"})})
    said = [line.text for line in lines_of(target_only(fake), "RegSvcs.exe")]
    assert r"image C:\Temp\RegSvcs.exe" in said
    assert "CORP\\user01, Medium integrity, original name loader.exe" in said


def test_what_started_it_through_another_and_that_it_was_suspended_is_said() -> None:
    wmic = ProcessRef(host_id="h", pid=42, image="C:\\wbem\\WMIC\x1b[2J.exe")
    odd = target().model_copy(update={"effective_parent": wmic, "created_suspended": True})
    said = "\n".join(line.text for line in lines_of(target_only(odd), "RegSvcs.exe"))
    assert "started on behalf of WMIC" in said
    assert "(pid 42), created suspended" in said
    assert "\x1b" not in said
    plain = target().model_copy(update={"created_suspended": False})
    assert "suspended" not in "".join(line.text for line in lines_of(target_only(plain), "RegSvcs.exe"))


def test_user_and_integrity_are_said_where_they_change() -> None:
    parent = process(
        10, r"C:\Windows\System32\services.exe", "services.exe", "08:00:00", 1, user="NT AUTHORITY\\SYSTEM"
    )
    child = process(
        11, r"C:\Windows\System32\svchost.exe", "svchost.exe", "08:00:01", 2, user="NT AUTHORITY\\SYSTEM"
    )
    lineage = Lineage(target=target(), ancestors=(child, parent))
    assert "NT AUTHORITY\\SYSTEM, Medium integrity" in [x.text for x in lines_of(lineage, "services.exe")]
    assert not any("NT AUTHORITY" in x.text for x in lines_of(lineage, "svchost.exe"))
    assert "CORP\\user01, Medium integrity" in [x.text for x in lines_of(lineage, "RegSvcs.exe")]


def test_siblings_stand_around_the_target_by_age() -> None:
    older = process(20, r"C:\a\older.exe", "older", "08:13:59", 3)
    younger = process(21, r"C:\a\younger.exe", "younger", "08:14:30", 4)
    unknown = process(22, r"C:\a\undated.exe", "undated", "08:14:30", 5)
    unknown = unknown.model_copy(update={"ref": unknown.ref.model_copy(update={"start_time": None})})
    lineage = target_only(target(), siblings=(older, younger, unknown))
    assert [head.split(" ")[0] for head in heads(lineage)] == ["older.exe", "»", "younger.exe", "undated.exe"]


def test_a_time_of_another_day_carries_its_date() -> None:
    old = process(30, r"C:\a\old.exe", "old", "08:00:00", 3)
    old = old.model_copy(update={"ref": old.ref.model_copy(update={"start_time": at("08:00:00", day=3)})})
    assert "old.exe (pid 30)  2026-10-03 08:00:00" in heads(Lineage(target=target(), ancestors=(old,)))


def test_many_relatives_are_counted() -> None:
    children = tuple(process(100 + n, r"C:\a\child.exe", "child", "08:15:00", n) for n in range(15))
    siblings = tuple(process(200 + n, r"C:\a\sib.exe", "sib", "08:15:00", n) for n in range(8))
    texts = [
        x.text for x in layout(target_only(target(), children=children, siblings=siblings), unicode=True)
    ]
    assert "3 more children in the JSON report" in texts
    assert "2 more siblings in the JSON report" in texts
    assert sum(text.startswith("child.exe") for text in texts) == 12


def test_a_very_deep_chain_keeps_room_for_text_and_both_ends() -> None:
    lineage = with_ancestors(30).facts.lineage
    assert lineage is not None
    lines = layout(lineage, unicode=False)
    assert max(len(line.hang) for line in lines) <= 48
    texts = [line.text for line in lines]
    assert "12 more ancestors in the JSON report" in texts
    assert any(text.startswith("cmd.exe (pid 8971)") for text in texts)
    assert any(text.startswith("cmd.exe (pid 9000)") for text in texts)


def test_guides_join_every_process_to_its_parent() -> None:
    lineage = malicious().facts.lineage
    assert lineage is not None
    drawn = [line.lead for line in layout(lineage, unicode=True) if line.part is Part.HEAD]
    assert drawn == [
        "",
        "└─ ",
        "   └─ ",
        "      └─ ",
        "         └─ ",
        "            ├─ ",
        "            └─ ",
        "               └─ ",
    ]
    assert all(line.lead.isascii() and line.hang.isascii() for line in layout(lineage, unicode=False))
