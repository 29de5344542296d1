"""A detection run, for people and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from actions.detect import CTIME_FORMAT
from actions.detection import Alert, Detection, EscuJudgement, Semantics, StrictJudgement
from connectors.edr.sysmon_file.event import ReadReport
from connectors.facts.base import Fact
from connectors.facts.notable import DestMeaning, Direction
from playbooks.report.display import visible

#: Version of the JSON document; see playbooks/case.py.
SCHEMA_VERSION: Literal["1.0"] = "1.0"

#: Connections not raised that are listed one by one in the text.
LISTED = 20


class SplRow(Fact):
    """One result row of the analytic: the fields of its `stats`, then what the search itself cannot say.

    Attributes:
        dest: the machine, whatever the reading's own `dest` is; that is `dest_given`.
        generation: of the analytic, by the number of its version; None for the strict reading.
        peer_names: Sysmon's reverse look-ups of the peer.
        firstTime, lastTime: UTC, in the format of the macro `security_content_ctime`; None when no event
            behind it carries a readable time.
        process_guids: without braces, upper case.
        dest_ports: DestinationPort values.
        raised: by the reading that was chosen.
    """

    dest: str
    user: str
    process_name: str
    src_ip: str | None
    dest_ip: str | None
    count: int
    firstTime: str | None  # noqa: N815  (the analytic's own field name)
    lastTime: str | None  # noqa: N815
    profile: str
    generation: int | None
    dest_given: str
    dest_meaning: DestMeaning
    peer_names: tuple[str, ...]
    process_guids: tuple[str, ...]
    process_ids: tuple[int, ...]
    src_ports: tuple[int, ...]
    dest_ports: tuple[int, ...]
    direction: Direction
    peer_ip: str | None
    event_id: str
    raised: bool
    escu: EscuJudgement
    strict: StrictJudgement


def spl_row(alert: Alert, *, raised: bool) -> SplRow:
    """An alert as a result row."""
    notable = alert.notable
    return SplRow(
        dest=notable.dest,
        user=notable.user,
        process_name=notable.process_name,
        src_ip=notable.src_ip,
        dest_ip=notable.dest_ip,
        count=notable.count or 0,
        firstTime=_ctime(notable.first_time),
        lastTime=_ctime(notable.last_time),
        profile=alert.profile,
        generation=notable.generation,
        dest_given=notable.dest_given,
        dest_meaning=notable.dest_meaning,
        peer_names=notable.peer_names,
        process_guids=notable.process_guids,
        process_ids=notable.process_ids,
        src_ports=notable.src_ports,
        dest_ports=notable.dest_ports,
        direction=notable.direction,
        peer_ip=notable.peer_ip,
        event_id=notable.event_id,
        raised=raised,
        escu=alert.escu,
        strict=alert.strict,
    )


def as_document(detection: Detection, report: ReadReport) -> dict[str, object]:
    """The JSON document of a detection run."""
    return {
        "schema_version": SCHEMA_VERSION,
        "semantics": detection.semantics.value,
        "profiles": list(detection.profiles),
        "notables": [spl_row(alert, raised=True).model_dump(mode="json") for alert in detection.raised],
        "not_raised": [
            spl_row(alert, raised=False).model_dump(mode="json") for alert in detection.not_raised
        ],
        "counts": detection.counts.model_dump(mode="json"),
        "log": log_document(report),
    }


def log_document(report: ReadReport) -> dict[str, object]:
    """What was read, and what could not be; `most_s` is TimeCreated less UtcTime, in seconds."""
    return {
        "sources": report.sources,
        "sysmon_events": report.sysmon_events,
        "other_records": report.other_records,
        "problem_count": report.problem_count,
        "problems": [problem._asdict() for problem in report.problems],
        "without_sysmon": [each._asdict() for each in report.without_sysmon],
        "repeated_events": report.repeated,
        "clock_drifts": [
            {"computer": each.computer, "events": each.events, "most_s": each.most.total_seconds()}
            for each in report.drifts.values()
        ],
    }


def as_text(detection: Detection, report: ReadReport) -> str:
    """The run for a terminal, plain text."""
    counts = detection.counts
    lines = [
        (
            f"{report.sysmon_events} Sysmon events read, {counts.connections} of them connections, "
            f"{counts.matched} of watched processes ({', '.join(detection.profiles)})."
        ),
        f"{_counted(len(detection.raised), 'notable')} by the reading '{detection.semantics}'.",
    ]
    for alert in detection.raised:
        lines += ["", *_alert_lines(alert)]
    if detection.not_raised:
        lines += ["", f"Not raised ({_counted(counts.not_raised, 'event')}):"]
        lines += [f"  {_short(alert)}: {_why(detection, alert)}" for alert in detection.not_raised[:LISTED]]
        if len(detection.not_raised) > LISTED:
            lines.append(f"  and {len(detection.not_raised) - LISTED} more; --json lists all")
    if counts.unknown_process:
        lines += [
            "",
            (
                f"{_counted(counts.unknown_process, 'connection')} of a process that Sysmon could not name: "
                f"{counts.unknown_resolved} found to be a watched process by ProcessGuid, "
                f"{counts.unknown_unresolved} not told (unknown, not raised)."
            ),
        ]
    if report.problem_count:
        lines += ["", f"{_counted(report.problem_count, 'problem')} while reading; see above."]
    return "\n".join(lines) + "\n"


def _alert_lines(alert: Alert) -> list[str]:
    notable = alert.notable
    ports = ", ".join(str(port) for port in notable.dest_ports) or "unknown"
    lines = [
        _short(alert),
        (
            f"  {_counted(notable.count or 0, 'event')}, {_ctime(notable.first_time)} to "
            f"{_ctime(notable.last_time)} UTC, port {ports}, {notable.direction}"
        ),
        (
            f"  user {visible(notable.user) or 'unknown'}, ProcessGuid "
            f"{visible(', '.join(notable.process_guids)) or 'unknown'}"
        ),
        f"  strict: {visible(alert.strict.detail)}",
    ]
    if not alert.escu.raised:
        lines.append(f"  the shipped search would not raise it: {visible(alert.escu.detail)}")
    elif not alert.strict.raised:
        lines.append("  strict would not raise it")
    return lines


def _short(alert: Alert) -> str:
    notable = alert.notable
    peer = notable.peer_ip or "unknown address"
    arrow = "<-" if notable.direction is Direction.INBOUND else "->"
    return visible(f"{notable.machine_label}  {notable.process_name} {arrow} {peer}")


def _why(detection: Detection, alert: Alert) -> str:
    judgement = alert.strict if detection.semantics is Semantics.STRICT else alert.escu
    fires = " (the shipped search raises it)" if judgement is alert.strict and alert.escu.raised else ""
    return visible(judgement.detail) + fires


def _ctime(when: datetime | None) -> str | None:
    return when.astimezone(UTC).strftime(CTIME_FORMAT) if when is not None else None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
