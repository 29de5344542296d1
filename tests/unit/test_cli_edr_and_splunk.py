"""`run --event-id`: a notable from Splunk, its process from each EDR, and the case of the notable's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connectors.clock import utc_now
from tests.cli_runs import Invoke, invoking
from tests.edr_backends import BACKENDS, Backend
from tests.estate import estate_of
from tests.fakes.splunk_events import notable_rows
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.unit.test_cli_edr import config_of, with_secret

EXAMPLES = ("stealer", "installer")

#: What differs because the notable came another way, and because two runs are two moments.
_MOMENT = frozenset({"generated_at", "as_of"})
_WAY = frozenset({"source", "raw", "missing", "notes", "source_queries"})


class Place(NamedTuple):
    """A command, and a folder for its settings."""

    invoke: Invoke
    folder: Path


@pytest.fixture
def place(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Place:
    return Place(invoking(monkeypatch, capfdbinary, data=tmp_path / "data"), tmp_path)


def _log(examples: Path, name: str) -> Path:
    return next((examples / name).glob("sysmon.*"))


def _plain(value: Any) -> Any:
    """A case without what two runs cannot share."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key not in _MOMENT | _WAY}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


@pytest.mark.parametrize(
    ("backend", "example"),
    [pytest.param(backend, name, id=f"{backend.name}-{name}") for backend in BACKENDS for name in EXAMPLES],
)
def test_the_notable_from_splunk_gives_the_case_of_its_file(
    backend: Backend, example: str, place: Place, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notable = examples / example / "notable.json"
    rows = notable_rows(json.loads(notable.read_bytes()))
    estate = estate_of(_log(examples, example))
    with_secret(backend, monkeypatch)
    monkeypatch.setenv("REGSVCS_RESPONSE_SPLUNK_TOKEN", TOKEN)
    with backend.fake(estate, utc_now) as fake, FakeSplunk([], utc_now) as splunk:
        splunk.notables += rows
        config = config_of(place.folder, backend.settings(fake))
        with config.open("a") as file:
            file.write(f'\n[splunk]\nbase_url = "{splunk.url}"\n')
        options = ("--config", config, "--no-lookup", "--json")
        given = place.invoke("run", "--notable", notable, *options)
        fetched = place.invoke("run", "--event-id", rows[0]["event_id"], *options)
        assert not splunk.updates, "nothing is written unless it is asked for"
    assert (given.code, fetched.code) == (0, 0), given.err + fetched.err
    (wanted,), (told,) = json.loads(given.out)["cases"], json.loads(fetched.out)["cases"]
    assert told["facts"]["lineage"] is not None
    assert _plain(told["facts"]["lineage"]) == _plain(wanted["facts"]["lineage"])
    assert _plain(told["facts"]["evidence"]) == _plain(wanted["facts"]["evidence"])
    assert _plain(told["facts"]["destinations"]) == _plain(wanted["facts"]["destinations"])
    assert _plain(told["risk"]) == _plain(wanted["risk"])
    assert told["case_id"] == wanted["case_id"]
    assert TOKEN not in fetched.out + fetched.err
