"""The half of the fake Splunk that is a SIEM: notables and their reviews, risk, saved searches, notes.

notable_update and reviewstatuses answer as splunk-soar-connectors/splunk reads them. A request that is not in
splunk_siem_openapi.py is refused; so is a search that Splunk could not parse.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from openapi_core import OpenAPI

from connectors.siem.stash import parse_stash
from tests.fakes.http_server import Answer, Seen
from tests.fakes.splunk_answers import answer, fields, refusal, undocumented
from tests.fakes.splunk_lookups import looked_up
from tests.fakes.splunk_siem_openapi import DOCUMENT, operation
from tests.fakes.splunk_siem_spl import ANALYTIC, NOTABLES, REVIEWS, RISK, finished, found_by_analytic
from tests.fakes.splunk_spl import NotSpl, Row, pipeline

_CHECKER = OpenAPI.from_dict(DOCUMENT)

STATUSES = (
    ("1", "New", "notable", "1", "0"),
    ("2", "In Progress", "notable", "0", "0"),
    ("4", "Resolved", "notable", "0", "0"),
    ("5", "Closed", "notable", "0", "0"),
    ("6", "Retired", "notable", "0", "1"),
    ("disposition:1", "True Positive - Suspicious Activity", "disposition", "0", "0"),
    ("disposition:6", "Undetermined", "disposition", "1", "0"),
)
BY_STR, BY_CIDR = "asset_lookup_by_str", "asset_lookup_by_cidr"
IDENTITIES = "identity_lookup_expanded"
CAPABILITIES = ("search", "edit_notable_events", "edit_tcp", "schedule_search")

_NO_PERMISSION = "insufficient permission to access this resource"


class SiemSide:
    """Answers what a SIEM connector asks, search jobs aside. The switches are attributes.

    Attributes:
        notables: rows of the macro `notable`; `_visible` is when one can be found (epoch), None at once.
        reviews: rows of the macro `incident_review`, the oldest first; None where there is no such macro.
        tables: rows of the asset and identity tables, by the table's name.
        connections: Sysmon's network connections by CIM names, with _time, _indextime and `_visible`.
        risk: texts of the risk index.
        saved: saved searches by name.
        notes: contents by finding or investigation.
        changes: finding, notable_time and body of each change of a finding that was asked for.
        demands_note: True demands a note with each change of a finding (ES 8.4).
        only_now: True knows findings with notable_time=now alone.
        findings_hidden: True shows no finding where findings are read.
        finding_says: what a finding's answer says in place of its row.
        forbids: operations on findings and notes for which the right is missing.
        calls: how often each operation was asked, by the operationId of the document.
        updates, collected, received: forms, bodies and parameters as they arrived.
        username, capabilities: of the token's user.
        update_answer: what notable_update answers; None does the update.
        acknowledges: True gives acknowledgements; after `ack_after` questions.
        lose: operations that carry out what is asked and never answer.
        holds: operations that neither carry out nor answer.
        risk_lag_s: seconds until a risk event can be found.
        keeps: settings of saved searches that are not taken.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.notables: list[Row] = []
        self.reviews: list[Row] | None = []
        self.connections: list[Row] = []
        self.tables: dict[str, list[Row]] = {name: [] for name in (BY_STR, BY_CIDR, IDENTITIES)}
        self.risk: list[str] = []
        self.saved: dict[str, Row] = {}
        self.notes: dict[str, list[str]] = {}
        self.changes: list[tuple[str, str, Row]] = []
        self.demands_note = False
        self.only_now = False
        self.findings_hidden = False
        self.finding_says: Row = {}
        self.forbids: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.updates: list[dict[str, str]] = []
        self.collected: list[Row] = []
        self.received: list[dict[str, str]] = []
        self.channels: set[str] = set()
        self.username = "soar"
        self.capabilities = list(CAPABILITIES)
        self.update_answer: Row | None = None
        self.acknowledges = True
        self.ack_after = 1
        self.lose: set[str] = set()
        self.holds: set[str] = set()
        self.risk_lag_s = 0.0
        self.keeps: set[str] = set()

    def risk_rows(self) -> list[Row]:
        """The risk events, read back."""
        rows = []
        for held in self.risk:
            text, source, when = held.split("\0")
            rows.append({**parse_stash(text), "source": source, "_time": float(when)})
        return rows

    def review(self, event_id: str, reviewer: str, comment: str = "", **changes: str) -> None:
        """What an account does to a notable: status, urgency, owner, disposition by their ids, a comment."""
        labels = {each[0]: each[1] for each in STATUSES}
        for row in self.notables:
            if row["event_id"] != event_id:
                continue
            row.update(changes)
            if "status" in changes:
                row["status_label"] = labels[changes["status"]]
                row["status_default"] = "true" if changes["status"] == "1" else "false"
            row["comment"] = comment
            if self.reviews is not None:
                kept = {name: row.get(name, "") for name in ("status", "owner", "urgency", "disposition")}
                self.reviews.append(
                    {
                        "_time": self._clock().timestamp() + len(self.reviews) / 1000,
                        "rule_id": event_id,
                        "reviewer": reviewer,
                        "comment": comment,
                        **kept,
                    }
                )

    def siem_answer(self, seen: Seen) -> Answer:
        """The answer to a request that is none of search jobs."""
        parts = urlsplit(seen.path)
        called, names = operation(seen.method, parts.path)
        if not called:
            return refusal(404, "ERROR", "Not Found")
        problem = undocumented(_CHECKER, seen)
        if problem:
            return refusal(400, "ERROR", problem)
        self.calls[called] += 1
        if called in self.holds:
            return Answer(hold=True)
        form = fields(seen.body.decode("utf-8", "replace"))
        given: Answer = getattr(self, f"_{called}")(names, fields(parts.query), form, seen)
        return Answer(hold=True) if called in self.lose else given

    def siem_rows(self, form: Mapping[str, str]) -> list[Row] | None:
        """The rows of a search; None for one that is none of a SIEM connector.

        Raises:
            NotSpl: it cannot be parsed.
        """
        first, *commands = pipeline(form["search"], macros=True)
        if not first and commands:
            return self._generated(commands)
        if first in NOTABLES:
            return finished(self._visible(self.notables, form), commands)
        if found := RISK.fullmatch(first):
            now = self._clock().timestamp()
            rows = [
                row
                for row in self.risk_rows()
                if (row["source"], row.get("response_risk_id")) == found.groups()
                and row["_time"] + self.risk_lag_s <= now
            ]
            return finished(rows, commands)
        if found := ANALYTIC.fullmatch(first):
            rows = found_by_analytic(self._visible(self.connections, form), found["name"])
            return finished(rows, commands)
        return None

    def _generated(self, commands: list[str]) -> list[Row] | None:
        """The rows of a search that begins with a command and reads no events."""
        if commands[:2] == ["makeresults", "eval splunk_now=now()"]:
            return finished([{"splunk_now": int(self._clock().timestamp())}], commands[2:])
        if commands[0] == REVIEWS:
            if self.reviews is None:
                raise NotSpl("The search specifies a macro 'incident_review' that cannot be found.")
            return finished([dict(row) for row in self.reviews], commands[1:])
        return looked_up(commands, self.tables) if commands[0].startswith("inputlookup ") else None

    def _visible(self, rows: list[Row], form: Mapping[str, str]) -> list[Row]:
        now = self._clock().timestamp()
        bounds = [(float(form["earliest_time"]), float(form["latest_time"]), "_time")]
        if "index_earliest" in form:
            bounds.append((float(form["index_earliest"]), float(form["index_latest"]), "_indextime"))
        return [
            dict(row)
            for row in rows
            if (row.get("_visible") or row["_indextime"]) <= now
            and all(low <= row[name] < high for low, high, name in bounds)
        ]

    # --- Enterprise Security -----------------------------------------------------------------------

    def _context(self, *_: Any) -> Answer:
        content = {"username": self.username, "capabilities": self.capabilities}
        return answer({"entry": [{"content": content}]})

    def _statuses(self, *_: Any) -> Answer:
        names = ("label", "status_type", "default", "disabled")
        entries = [{"name": each[0], "content": dict(zip(names, each[1:], strict=True))} for each in STATUSES]
        return answer({"entry": entries})

    def _update(self, names: Any, query: Any, form: dict[str, str], seen: Seen) -> Answer:
        if "edit_notable_events" not in self.capabilities:
            return refusal(403, "ERROR", _NO_PERMISSION)
        self.updates.append(form)
        if self.update_answer is not None:
            return answer(self.update_answer)
        sent = {"status": "status", "urgency": "urgency", "newOwner": "owner", "disposition": "disposition"}
        changes = {name: form[asked] for asked, name in sent.items() if asked in form}
        done = 0
        for row in self.notables:
            if row["event_id"] in form["ruleUIDs"].split(","):
                done += 1
                self.review(row["event_id"], self.username, form.get("comment", ""), **changes)
        message = f"{done} event updated successfully" if done else "No events were edited"
        counts = {"success_count": done, "failure_count": 0, "details": {}}
        return answer({"success": bool(done), "message": message, **counts})

    # --- risk --------------------------------------------------------------------------------------

    def _receive(self, names: Any, query: dict[str, str], form: Any, seen: Seen) -> Answer:
        if "edit_tcp" not in self.capabilities:
            return refusal(403, "ERROR", _NO_PERMISSION)
        self.received.append(query)
        self._index_risk(seen.body.decode(), query["source"])
        return answer({"index": query["index"], "bytes": len(seen.body)})

    def _collect(self, names: Any, query: Any, form: Any, seen: Seen) -> Answer:
        body = json.loads(seen.body)
        self.collected.append(body)
        self.channels.add(seen.headers["x-splunk-request-channel"])
        self._index_risk(body["event"], body["source"])
        taken: Row = {"text": "Success", "code": 0}
        return answer({**taken, "ackId": len(self.collected)} if self.acknowledges else taken)

    def _ack(self, names: Any, query: Any, form: Any, seen: Seen) -> Answer:
        if not self.acknowledges:
            return answer({"text": "ACK is disabled", "code": 14}, 400)
        known = seen.headers["x-splunk-request-channel"] in self.channels
        done = known and self.calls["ack"] >= self.ack_after
        return answer({"acks": {str(each): done for each in json.loads(seen.body)["acks"]}})

    def _index_risk(self, text: str, source: str) -> None:
        # A line is an event: a value that could break the line would make one of its own.
        now = self._clock().timestamp()
        self.risk.extend(f"{line}\0{source}\0{now}" for line in text.splitlines())

    # --- saved searches ----------------------------------------------------------------------------

    def _read_saved(self, names: list[str], *_: Any) -> Answer:
        name = names[-1]
        if name not in self.saved:
            return refusal(404, "ERROR", "Could not find object id")
        return answer({"entry": [{"name": name, "content": self.saved[name]}]})

    def _create_saved(self, names: Any, query: Any, form: dict[str, str], seen: Seen) -> Answer:
        if form["name"] in self.saved:
            return refusal(409, "ERROR", "An object with that name already exists")
        self.saved[form["name"]] = self._settings(form)
        return answer({"entry": []}, 201)

    def _update_saved(self, names: list[str], query: Any, form: dict[str, str], seen: Seen) -> Answer:
        self.saved[names[-1]] |= self._settings(form)
        return answer({"entry": []})

    def _settings(self, form: Mapping[str, str]) -> Row:
        # Splunk gives switches back as booleans.
        read = {name: text for name, text in form.items() if name not in {"name", "output_mode", *self.keeps}}
        return {
            name: text == "1" if name in {"disabled", "is_scheduled"} else text for name, text in read.items()
        }

    # --- findings of ES 8: rows of `notables` under the finding's id -------------------------------

    def _read_notes(self, names: list[str], query: dict[str, str], *_: Any) -> Answer:
        if "read_notes" in self.forbids:
            return refusal(403, "ERROR", _NO_PERMISSION)
        if self._unknown(names[-1], query):
            return refusal(404, "ERROR", "finding not found")
        held = self.notes.get(names[-1], [])
        items = [{"id": f"n{n}", "content": each} for n, each in enumerate(held)]
        return answer({"items": items[::-1][: int(query["limit"])]})

    def _add_note(self, names: list[str], query: dict[str, str], form: Any, seen: Seen) -> Answer:
        if "add_note" in self.forbids:
            return refusal(403, "ERROR", _NO_PERMISSION)
        if self._unknown(names[-1], query):
            return refusal(404, "ERROR", "finding not found")
        self._note(names[-1], json.loads(seen.body)["content"])
        return answer({"id": f"n{len(self.notes[names[-1]])}"}, 201)

    def _read_finding(self, names: list[str], query: dict[str, str], *_: Any) -> Answer:
        if "read_finding" in self.forbids:
            return refusal(403, "ERROR", _NO_PERMISSION)
        # It looks 24 hours back unless it is told otherwise.
        since = float(query.get("earliest", self._clock().timestamp() - 86_400))
        for row in self.notables:
            if row["event_id"] == names[-1] and row["_time"] >= since and not self.findings_hidden:
                shown = {name: value for name, value in row.items() if not name.startswith("_")}
                return answer({**shown, "finding_id": row["event_id"], **self.finding_says})
        return refusal(404, "ERROR", "finding not found")

    def _change_finding(self, names: list[str], query: dict[str, str], form: Any, seen: Seen) -> Answer:
        if "change_finding" in self.forbids:
            return refusal(403, "ERROR", _NO_PERMISSION)
        body = json.loads(seen.body)
        self.changes.append((names[-1], query.get("notable_time", ""), body))
        if self._unknown(names[-1], query):
            return refusal(404, "ERROR", "finding not found")
        note = body.pop("incident_note", None)
        if self.demands_note and note is None:
            return answer({"code": "MC_0206", "message": "A note is required for this update action"}, 400)
        self.review(names[-1], self.username, "", **body)
        if note is not None:
            self._note(names[-1], note["content"])
        return answer({"id": names[-1]})

    def _note(self, name: str, content: str) -> None:
        self.notes.setdefault(name, []).append(content)

    def _unknown(self, name: str, query: Mapping[str, str]) -> bool:
        """Whether a finding is not there at the time that is asked for; investigations always are."""
        if "@@notable@@time" not in name:
            return False
        times = ("now",) if self.only_now else ("now", name.rpartition("time")[2])
        known = any(row["event_id"] == name for row in self.notables)
        return not known or query.get("notable_time") not in times
