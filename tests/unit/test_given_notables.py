"""The inputs of a command: what an alert action's payload names is read, and what is not is told."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest

from actions.profiles.regsvcs import PROFILE
from connectors.facts.notable import NotableSource
from connectors.siem.input.secrets import kept_input
from connectors.siem.notable import parse_notables
from playbooks.hosts.given_notables import GivenNotables, read_notables
from playbooks.hosts.output_folder import OutputFolder
from playbooks.settings import Settings
from tests.cli_runs import Invoke, invoking
from tests.notable_forms import (
    NOTABLE,
    PAYLOAD,
    SESSION_KEY,
    Row,
    alert_xml,
    csv_of,
    dumped,
    lines_of,
)

FIRST = {name: value for name, value in NOTABLE.items() if name not in ("event_id", "search_name")}
SECOND = FIRST | {"dest_ip": "104.20.208.21"}


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


def given(path: Path, raw: bytes) -> GivenNotables:
    file = path / "payload"
    file.write_bytes(raw)
    return read_notables([str(file)], Settings(), [PROFILE])


def payload(file: object, row: Row = FIRST) -> dict[str, object]:
    return {**PAYLOAD, "results_file": str(file), "result": row}


@pytest.mark.parametrize("name", ["results.csv.gz", "results.csv"])
@pytest.mark.parametrize("xml", [False, True])
def test_all_rows_of_an_alert_are_worked(tmp_path: Path, name: str, xml: bool) -> None:
    file = tmp_path / name
    text = csv_of([FIRST, SECOND], encoded=True).encode()
    file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    raw = alert_xml(payload(file), FIRST).encode() if xml else dumped(payload(file))
    read = given(tmp_path, raw)
    assert [each.dest_ip for each in read.notables] == [FIRST["dest_ip"], SECOND["dest_ip"]]
    assert {each.search_name for each in read.notables} == {PAYLOAD["search_name"]}
    assert {each.source for each in read.notables} == {NotableSource.WEBHOOK}
    assert (read.errors, read.notes) == ([], [])
    # The first row is what it would have been without the file.
    assert read.notables[0] == parse_notables(raw).notables[0]


def test_a_row_of_the_file_that_is_rejected_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "results.csv.gz"
    file.write_bytes(gzip.compress(csv_of([FIRST, FIRST | {"event_id": "x" * 1025}]).encode()))
    read = given(tmp_path, dumped(payload(file)))
    (rejected,) = read.rejected
    assert (rejected.position, rejected.error.field, len(read.notables)) == (2, "event_id", 1)
    assert SESSION_KEY not in rejected.raw
    assert parse_notables(rejected.raw).rejected[0].error.problem == rejected.error.problem
    mended = parse_notables(rejected.raw.replace("x" * 1025, "x")).notables[0]
    assert (mended.search_name, mended.source) == (PAYLOAD["search_name"], NotableSource.WEBHOOK)


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (csv_of([FIRST]).split("\n")[0].encode(), "it holds no row"),
        (gzip.compress(csv_of([FIRST]).encode())[:-9], "cut or damaged"),
        (gzip.compress(bytes(9 * 2**20)), "larger than 8 MiB unpacked"),
        (b"root:x:0:0:root:/root:/bin/sh\n", "is no JSON"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_the_first_row_and_is_told(
    tmp_path: Path, held: bytes | None, why: str
) -> None:
    file = tmp_path / "results.csv.gz"
    if held is not None:
        file.write_bytes(held)
    read = given(tmp_path, dumped(payload(file)))
    (notable,) = read.notables
    (note,) = read.notes
    assert notable.dest_ip == FIRST["dest_ip"]
    assert (why in note, "there may be more" in note, "--notable" in note) == (True, True, True)
    assert notable.notes[-1] in note
    assert "root" not in note.replace(str(tmp_path), "")


@pytest.mark.parametrize("name", ["/dev/zero", "/", "\x00", "pipe", "x\x1b[2J" * 10])
def test_no_device_is_read_and_no_pipe_waited_for(tmp_path: Path, name: str) -> None:
    file = tmp_path / "results.csv"
    os.mkfifo(file)
    read = given(tmp_path, dumped(payload(file if name == "pipe" else name)))
    assert len(read.notables) == 1
    assert "there may be more" in read.notes[0]
    assert "\x1b" not in read.notes[0]


@pytest.mark.parametrize(
    "name", ["credentials.json", "results.json", "results.csv.bak", "RESULTS.CSV", "link"]
)
def test_no_file_of_another_name_is_read(tmp_path: Path, name: str) -> None:
    text = csv_of([FIRST, SECOND])
    file = tmp_path / name
    file.write_text(text)
    if name == "link":
        file = tmp_path / "results.csv"
        file.symlink_to(tmp_path / name)
    read = given(tmp_path, dumped(payload(file)))
    assert [each.dest_ip for each in read.notables] == [FIRST["dest_ip"]]
    assert "there may be more" in read.notes[0]
    assert name == "link" or "it is not named results.csv or results.csv.gz" in read.notes[0]


def test_a_file_that_names_a_file_is_not_followed(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    inner = tmp_path / "inner" / "results.csv"
    inner.parent.mkdir()
    file.write_bytes(dumped(payload(inner, SECOND)))
    inner.write_text(csv_of([FIRST, FIRST, FIRST]))
    assert [each.dest_ip for each in given(tmp_path, dumped(payload(file))).notables] == [SECOND["dest_ip"]]


def test_each_of_several_payloads_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text(csv_of([FIRST, SECOND]))
    read = given(tmp_path, lines_of(payload(file), payload(tmp_path / "gone"), NOTABLE))
    assert len(read.notables) == 4
    assert len(read.notes) == 1


def test_only_a_command_follows_the_file(tmp_path: Path) -> None:
    """The parser alone, as the webhook and SOAR use it, reads no file."""
    file = tmp_path / "results.csv"
    file.write_text(csv_of([FIRST, SECOND]))
    assert len(parse_notables(dumped(payload(file))).notables) == 1


_JSON = f'{{"session_key":"{SESSION_KEY}","result":{{"a":'
_DEEP = {"configuration": {"password": SESSION_KEY}}
#: How a payload that cannot be read may name its secret.
PLANTED: dict[str, bytes] = {
    "JSON": _JSON.encode(),
    "gzip": gzip.compress(_JSON.encode()),
    "gzip, cut": gzip.compress(_JSON.encode() * 3)[:-9],
    "gzip, damaged": gzip.compress(_JSON.encode())[:-8] + bytes(8),
    "gzip, second member": gzip.compress(b"{") + gzip.compress(_JSON.encode()),
    "gzip, twice": gzip.compress(gzip.compress(_JSON.encode())),
    "gzip, UTF-16": gzip.compress(_JSON.encode("utf-16")),
    "UTF-16": _JSON.encode("utf-16"),
    "UTF-16, big end first, no mark": _JSON.encode("utf-16-be"),
    "latin-1": _JSON.encode() + b"\xff",
    "CDATA": f"<alert><session_key><![CDATA[{SESSION_KEY}]]></session_key><result>".encode(),
    "attribute": f'<alert><session_key type="x">{SESSION_KEY}</session_key><result>'.encode(),
    "blank in a tag": f"<alert><session_key >{SESSION_KEY}</session_key><result>".encode(),
    "attribute of a field": f'<alert><a session&#95;key="{SESSION_KEY}"/><result>'.encode(),
    "settings, XML": f"<alert><configuration><p>{SESSION_KEY}</p></configuration><result>".encode(),
    "settings, JSON": f'{{"configuration":{{"password":"{SESSION_KEY}"}},"result":{{"a":'.encode(),
    "settings above lines": f'{{"configuration":{{"p":"{SESSION_KEY}"}},\n'.encode() + lines_of(NOTABLE),
    "a line below": b'{"session_key":\n"' + SESSION_KEY.encode() + b'"\n' + lines_of(NOTABLE),
    "broken line": lines_of(NOTABLE) + f'{{"session_key":"{SESSION_KEY}'.encode(),
    "JSON in JSON": dumped({"payload": json.dumps({"session_key": SESSION_KEY})}),
    "JSON in JSON in a row": dumped([{"dest": "", "text": json.dumps(_DEEP)}]),
    "escaped quotes": f'{{"x":"{{\\"session_key\\":\\"{SESSION_KEY}\\"}}", '.encode(),
    "escaped underscore": f'{{"session\\u005fkey":"{SESSION_KEY}", '.encode(),
    "escaped twice": f'{{"x":"session\\\\u005Fkey: {SESSION_KEY}", '.encode(),
    "page": dumped({"data": [{"session_key": SESSION_KEY, "result": 5}]}),
    "beside rows": dumped({"session_key": SESSION_KEY, "fields": [1], "rows": [[1]]}),
    "beside columns": dumped({"session_key": SESSION_KEY, "fields": ["dest"], "columns": []}),
    "column": dumped({"fields": ["dest", "session_key"], "rows": [[SESSION_KEY]]}),
    "column of CSV": f"dest,session_key\nA,{SESSION_KEY},x\n".encode(),
    "whole column of CSV": f"dest,session_key\n,{SESSION_KEY}\n".encode(),
    "row of an export": dumped({"session_key": SESSION_KEY, "result": {"dest": ""}}),
    "deep": dumped([{"dest": "", "a": [{"b": _DEEP}]}]),
    "deeper": f'[{{"dest":"","a":{"[" * 200}{json.dumps(_DEEP)}{"]" * 200}}}]'.encode(),
    "container": dumped({"artifacts": [{"cef": {"dest": ""}, "data": {"session_key": SESSION_KEY}}]}),
}


@pytest.mark.parametrize("form", PLANTED)
def test_no_secret_of_a_payload_is_kept(tmp_path: Path, form: str) -> None:
    read = given(tmp_path, PLANTED[form])
    folder = OutputFolder(tmp_path / "out")
    folder.keep_rejected(read.rejected)
    folder.keep_inputs(read.unread)
    kept = [each.read_bytes() for each in (tmp_path / "out" / "rejected").iterdir()]
    assert kept
    for each in kept:
        plain = gzip.decompress(each) if each.startswith(b"\x1f\x8b") else each
        assert SESSION_KEY.encode() not in plain.replace(b"\x00", b"")
    assert not any(SESSION_KEY in str(each) for each in read.errors)


def test_of_what_is_not_kept_there_is_its_digest(tmp_path: Path) -> None:
    raw = PLANTED["gzip"]
    (kept,) = given(tmp_path, raw).unread
    assert hashlib.sha256(raw).hexdigest().encode() in kept
    assert kept_input(kept) == kept
    for other in (b"{'dest'", gzip.compress(b"{'dest'"), gzip.compress(b"{'dest'") * 2, b"\x00\xff"):
        assert given(tmp_path, other).unread == [other]
    # A bomb cannot be looked through.
    bomb = gzip.compress(bytes(9 * 2**20))
    assert given(tmp_path, bomb).unread[0].startswith(b"Not kept: ")


def test_a_rejected_notable_that_speaks_of_a_configuration_is_kept(tmp_path: Path) -> None:
    (rejected,) = given(tmp_path, dumped([{"dest": "", "text": "its configuration is old"}])).rejected
    assert "its configuration is old" in rejected.raw


def test_notes_of_several_sources_are_kept() -> None:
    first = GivenNotables(notes=["a"])
    first.add(GivenNotables(notes=["b"]))
    assert first.notes == ["a", "b"]


class TestCommand:
    def test_a_payload_on_standard_input(self, invoke: Invoke, tmp_path: Path) -> None:
        file = tmp_path / "results.csv.gz"
        missing = invoke("run", "--notable", "-", "--json", stdin=dumped(payload(file)))
        file.write_bytes(gzip.compress(csv_of([FIRST, SECOND]).encode()))
        whole = invoke("run", "--notable", "-", "--json", stdin=dumped(payload(file)))
        assert (missing.code, whole.code) == (0, 0)
        (note,) = json.loads(missing.out)["notes"]
        assert "there may be more" in note
        assert note in missing.err
        found = [each["facts"]["notables"] for each in json.loads(whole.out)["cases"]]
        assert sum(map(len, found)) == 2
        assert json.loads(whole.out)["notes"] == []

    def test_a_log_is_told_its_option(self, invoke: Invoke, examples: Path) -> None:
        for log in ("stealer/sysmon.xml", "installer/sysmon.ndjson"):
            result = invoke("run", "--notable", examples / log)
            assert result.code == 2
            assert "is a Sysmon log, not a notable. Give a Sysmon log with --sysmon" in result.err
            assert invoke("run", "--sysmon", examples / log).code == 0
