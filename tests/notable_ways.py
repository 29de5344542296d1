"""One connection as every notable that a Splunk raises of it: generation x add-on x form.

The fields are those of the analytic's `stats by`, as the add-on calls them (connectors/siem/generations.py).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from connectors.edr.sysmon_file.event import RawEvent
from connectors.facts.notable import Direction
from connectors.siem.generations import GENERATIONS, AddOn, Generation
from tests.events import REGSVCS, connected, utc, with_data

SEARCH = "ESCU - Detect Regsvcs with Network Connection - Rule"
_INDEXER = "4E1B7C0A-5D62-4B7E-9C38-6A0F2D915B11"

type Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Conn:
    """A connection of regsvcs.exe. `number` makes ProcessGuid, pid and event_id; minutes count from 07:00."""

    number: int
    host: str
    own_ip: str
    peer_ip: str
    peer_name: str
    user: str = r"CORP\user01"
    inbound: bool = False
    minute: float = 60

    @property
    def guid(self) -> str:
        """The ProcessGuid, without braces."""
        return f"A1C5{self.number:04X}-0001-66F4-0000-000000002B00"

    @property
    def pid(self) -> int:
        """The process id."""
        return 4000 + self.number

    @property
    def direction(self) -> Direction:
        """Who opened it."""
        return Direction.INBOUND if self.inbound else Direction.OUTBOUND

    def events(self) -> list[RawEvent]:
        """The events behind it: the creation, and the connection a minute later."""
        told: Row = {
            "ProcessGuid": f"{{{self.guid}}}",
            "ProcessId": self.pid,
            "User": self.user,
            "Image": REGSVCS,
        }
        nobody = "{00000000-0000-0000-0000-000000000000}"
        start = {"ParentProcessGuid": nobody, "CommandLine": REGSVCS, **told}
        ends = self._ends()
        return [
            with_data(1, start, second=(self.minute - 1) * 60, host=self.host),
            connected(self.number, second=self.minute * 60, host=self.host, **told, **ends),
        ]

    def _ends(self) -> Row:
        own, far = (self.own_ip, self.host), (self.peer_ip, self.peer_name)
        source, destination = (far, own) if self.inbound else (own, far)
        return {
            "SourceIp": source[0],
            "SourceHostname": source[1],
            "DestinationIp": destination[0],
            "DestinationHostname": destination[1],
            "Initiated": not self.inbound,
        }

    def fields(self, add_on: AddOn) -> Row:
        """What the add-on makes of the connection's event."""
        ends = self._ends()
        names: Row = {
            "Computer": self.host,
            "User": self.user,
            "process_name": "regsvcs.exe",
            "process_exec": "regsvcs.exe",
            "process_guid": f"{{{self.guid}}}",
            "process_id": str(self.pid),
            "src_ip": ends["SourceIp"],
            "src_port": "50000",
            "dest_ip": ends["DestinationIp"],
            "dest_port": "443",
            "direction": self.direction.value,
            "src": ends["SourceHostname"] or ends["SourceIp"],
            "action": "allowed",
            "app": REGSVCS,
            "protocol": "ip",
            "protocol_version": "ipv4",
            "transport": "tcp",
            "vendor_product": "Microsoft Sysmon",
            "dvc": self.host,
        }
        if add_on is AddOn.SUPPORTED:
            dest = ends["DestinationHostname"] or ends["DestinationIp"]
            return names | {"dest": dest, "user": self.user.rpartition("\\")[2]}
        return names | {"dest": self.host, "user": self.user, "dest_host": ends["DestinationHostname"]}


def row_of(conn: Conn, generation: Generation, add_on: AddOn) -> Row:
    """The row of the search."""
    fields = conn.fields(add_on)
    if (
        generation.number == 2
    ):  # renames Computer, and needs a dest_host, which only the community's add-on has
        fields |= {"dest": conn.host, "dest_host": conn.peer_name if not conn.inbound else conn.host}
    row = {name: fields[name] for name in generation.by}
    at = utc(conn.minute * 60).partition(".")[0].replace(" ", "T")
    return row | {"count": "1", "firstTime": at, "lastTime": at}


def _notable(row: Row, conn: Conn) -> Row:
    return row | {
        "event_id": f"{_INDEXER}@@notable@@{conn.number:032x}",
        "search_name": SEARCH,
        "status": "1",
        "status_label": "New",
        "owner": "unassigned",
        "urgency": "high",
    }


def _es7(row: Row, conn: Conn) -> object:
    return _notable(row, conn)


def _finding(row: Row, conn: Conn) -> object:
    finding_id = f"2008e99d-af14-4fec-89da-{conn.number:012x}@@notable@@time1790232600"
    entity = {"entity": row["dest"], "entity_type": "system", "finding_score": "50", "finding_id": finding_id}
    return _notable(row, conn) | {"event_id": finding_id} | entity


def _container(row: Row, conn: Conn) -> object:
    made = _notable(row, conn)
    return {
        "container": {"source_data_identifier": made["event_id"], "name": SEARCH},
        "artifacts": [{"cef": {name: made[name] for name in (*row, "search_name")}}],
    }


#: As Splunk's SOAR connector writes them (splunk_consts.py, CIM_CEF_MAP); of two in one name the later stays.
_CEF = {
    "dest": "destinationAddress",
    "dest_ip": "destinationAddress",
    "dest_port": "destinationPort",
    "src": "sourceAddress",
    "src_ip": "sourceAddress",
    "src_port": "sourcePort",
    "dvc": "deviceHostname",
    "user": "destinationUserName",
    "User": "destinationUserName",
    "direction": "deviceDirection",
    "process_name": "destinationProcessName",
}


def _cef(row: Row, conn: Conn) -> object:
    cef: Row = {}
    for name in sorted(row):  # dest before dest_ip, src before src_ip
        cef[_CEF.get(name, name)] = row[name]
    made = _notable(row, conn)
    return {
        "container": {"source_data_identifier": made["event_id"], "name": SEARCH},
        "artifacts": [{"cef": cef}],
    }


def _webhook(row: Row, conn: Conn) -> object:
    result = _notable(row, conn)
    return {"search_name": result.pop("search_name"), "sid": "scheduler__1", "owner": "svc", "result": result}


def _export(row: Row, conn: Conn) -> object:
    return {"preview": False, "offset": 0, "lastrow": True, "result": _notable(row, conn)}


def _csv(row: Row, conn: Conn) -> object:
    made, text = _notable(row, conn), io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(made))
    writer.writeheader()
    writer.writerow(made)
    return text.getvalue().encode()


class Form(StrEnum):
    """How a notable is handed out."""

    ES7 = "es7"
    FINDING = "es8 finding"
    CIM = "soar container, CIM names"
    CEF = "soar container, CEF names"
    WEBHOOK = "webhook"
    EXPORT = "export"
    CSV = "csv"


_FORMS: Mapping[Form, Callable[[Row, Conn], object]] = {
    Form.ES7: _es7,
    Form.FINDING: _finding,
    Form.CIM: _container,
    Form.CEF: _cef,
    Form.WEBHOOK: _webhook,
    Form.EXPORT: _export,
    Form.CSV: _csv,
}

#: Every way a notable can come.
WAYS = tuple((generation, add_on, form) for generation in GENERATIONS for add_on in AddOn for form in Form)


def raw_of(conn: Conn, generation: Generation, add_on: AddOn, form: Form) -> bytes:
    """The notable as bytes, as it comes in."""
    made = _FORMS[form](row_of(conn, generation, add_on), conn)
    return made if isinstance(made, bytes) else json.dumps(made).encode()
