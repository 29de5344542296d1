"""A Splunk and a Defender tenant on this machine, for the demo: stand-ins that answer as the vendors do.

They are the ones the tests use. What they know is the stealer example, moved in time so that it has just
happened: both look back for a limited time, and a case of last season would be no case.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from connectors.clock import utc_now
from tests.estate import estate_of
from tests.fakes import defender_server, splunk_server
from tests.fakes.splunk_events import events_of, notable_rows

#: The last event of the example lies so long back; the notable was raised 14 minutes after it.
AGO = timedelta(minutes=25)

_TIME = re.compile(r"(20\d\d-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d)")
_EPOCH_FIELDS = ("info_min_time", "info_max_time")


class Standins(NamedTuple):
    """What a command needs to be told of the two servers.

    Attributes:
        config: the settings file.
        environ: the variables with their secrets.
        event_id: of the notable that Splunk holds.
        splunk: the Splunk, to look at what was written.
    """

    config: Path
    environ: Mapping[str, str]
    event_id: str
    splunk: splunk_server.FakeSplunk

    def written(self) -> list[str]:
        """What was written to Splunk, a line each."""
        (row,) = self.splunk.notables
        lines = [f"the notable, {row['status_label']}, owner {row['owner']}, with the comment:"]
        lines += [f"  {line}" for update in self.splunk.updates for line in update["comment"].splitlines()]
        for risk in self.splunk.risk_rows():
            added, machine, peer = (risk[name] for name in ("risk_score", "risk_object", "threat_object"))
            lines.append(f"a risk event: {added} on {machine}, threat object {peer}")
        return lines


@contextmanager
def standins(example: Path) -> Iterator[Standins]:
    """Both servers on 127.0.0.1, until the end of the block.

    Args:
        example: a folder with sysmon.xml and notable.json.
    """
    with ExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="regsvcs-demo-")))
        log = example.joinpath("sysmon.xml").read_text(encoding="utf-8")
        by = _whole_seconds(utc_now() - AGO - max(_times(log)))
        moved_log = folder / "sysmon.xml"
        moved_log.write_text(_moved(log, by), encoding="utf-8")
        notable = json.loads(_moved(example.joinpath("notable.json").read_text(encoding="utf-8"), by))
        for field in _EPOCH_FIELDS:
            notable[field] = str(float(notable[field]) + by.total_seconds())
        estate = estate_of(moved_log)
        # Its agent is in contact now.
        for host in estate.hosts:
            estate = estate.with_host_as(host.host_id, last_seen=utc_now())
        defender = until.enter_context(defender_server.FakeDefender(estate, utc_now))
        splunk = until.enter_context(splunk_server.FakeSplunk(events_of(estate), utc_now))
        splunk.notables += notable_rows(notable)
        config = folder / "settings.toml"
        config.write_text(_SETTINGS.format(splunk=splunk.url, defender=defender.url), encoding="utf-8")
        environ = {
            "REGSVCS_RESPONSE_DEFENDER_SECRET": defender_server.SECRET,
            "REGSVCS_RESPONSE_SPLUNK_TOKEN": splunk_server.TOKEN,
        }
        yield Standins(config, environ, str(notable["event_id"]), splunk)


_SETTINGS = f"""\
[splunk]
base_url = "{{splunk}}"

[write_back]
status = "In Progress"

[edr]
connector = "defender"

[edr.defender]
tenant_id = "{defender_server.TENANT}"
client_id = "{defender_server.CLIENT_ID}"
base_url = "{{defender}}"
graph_url = "{{defender}}"
login_url = "{{defender}}"

[edr.sysmon_splunk]
base_url = "{{splunk}}"
"""


def _times(text: str) -> list[datetime]:
    return [
        datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC) for day, _, clock in _TIME.findall(text)
    ]


def _moved(text: str, by: timedelta) -> str:
    def later(found: re.Match[str]) -> str:
        when = datetime.fromisoformat(f"{found[1]}T{found[3]}").replace(tzinfo=UTC) + by
        return when.strftime(f"%Y-%m-%d{found[2]}%H:%M:%S")

    return _TIME.sub(later, text)


def _whole_seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=int(span.total_seconds()))
