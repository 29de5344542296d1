"""One notable in the forms in which Splunk and Splunk SOAR hand it out, each written as they write it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

EVENT_ID = "5E6DE97D-B137-47AB-8905-8C4F42998937@@notable@@e4f07602f507975e9f7ba47c4ae0c417"
SEARCH = "Endpoint - Detect Regsvcs with Network Connection - Rule"

type Row = Mapping[str, str | list[str]]

#: As Splunk's results have it: every value is text, several values are a list.
NOTABLE: dict[str, str | list[str]] = {
    "dest": "WS01.corp.example",
    "user": "CORP\\amira",
    "process_name": "regsvcs.exe",
    "src_ip": "10.1.2.3",
    "dest_ip": "149.154.167.220",
    "dest_port": ["443", "8443"],
    "count": "3",
    "firstTime": "2026-03-02T10:00:00",
    "lastTime": "2026-03-02T10:30:00",
    "search_name": SEARCH,
    "event_id": EVENT_ID,
    "rule_description": 'Says "what", and\nwhy: a, b & c < d',
}
#: What a search found before it was done.
EARLY = NOTABLE | {"count": "1", "lastTime": "2026-03-02T10:05:00"}

FINDING = {name: value for name, value in NOTABLE.items() if name != "event_id"} | {
    "finding_id": EVENT_ID,
    "finding_score": "80",
    "entity": "WS01.corp.example",
    "entity_type": "system",
}
CEF = {
    "deviceHostname": NOTABLE["dest"],
    "destinationUserName": NOTABLE["user"],
    "destinationProcessName": "C:\\Windows\\Microsoft.NET\\Framework\\v4.0.30319\\regsvcs.exe",
    "sourceAddress": NOTABLE["src_ip"],
    "destinationAddress": NOTABLE["dest_ip"],
    "destinationPort": 443,
    "startTime": NOTABLE["firstTime"],
    "endTime": NOTABLE["lastTime"],
}
CONTAINER = {
    "id": 4127,
    "name": f"Splunk Log Entry: {SEARCH}",
    "label": "notable",
    "status": "new",
    "source_data_identifier": EVENT_ID,
    "container_type": "default",
    "artifact_count": 1,
}
ARTIFACT = {"id": 9, "name": "Field Values", "container": 4127, "cef": NOTABLE, "data": {}}
ALERT = {
    "app": "DA-ESS-ContentUpdate",
    "owner": "svc-search",
    "sid": "scheduler__svc__RMD5_at_1790258400_73",
    "search_name": SEARCH,
    "results_link": "https://splunk.example:8000/app/search/@go?sid=scheduler__svc",
}
SESSION_KEY = "S3ss10nK3yOfTheOwner"
PAYLOAD = ALERT | {
    "server_host": "splunk.example",
    "server_uri": "https://127.0.0.1:8089",
    "session_key": SESSION_KEY,
    "configuration": {"password": SESSION_KEY},
    "results_file": "/nowhere/dispatch/scheduler__svc/results.csv.gz",
}
#: Of an investigation of Mission Control.
INVESTIGATION = {
    "id": "0c1f",
    "name": "ES-00017",
    "status": "1",
    "owner": "unassigned",
    "urgency": "high",
    "investigation_type": "default",
}


def csv_of(
    rows: Sequence[Row], *, newline: str = "\n", encoded: bool = False, quoting: int = csv.QUOTE_MINIMAL
) -> str:
    """Rows as CSV; `encoded` as in results.csv, where each column has a second one for several values."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=newline, quoting=quoting)  # type: ignore[arg-type]  # a constant
    writer.writerow([*names, *(f"__mv_{name}" for name in names if encoded)])
    for row in rows:
        plain = [_lines(row.get(name, "")) for name in names]
        several = [_encoded(row.get(name, "")) for name in names if encoded]
        writer.writerow([*plain, *several])
    return text.getvalue()


def xml_of(
    rows: Sequence[Row], *, preview: bool = False, declared: bool = True, segments: bool = False
) -> str:
    """Rows as Splunk's REST interface writes them by default."""
    head = "<?xml version='1.0' encoding='UTF-8'?>\n" if declared else ""
    order = "".join(f"<field>{escape(name)}</field>\n" for name in dict.fromkeys(n for r in rows for n in r))
    return (
        f"{head}<results preview='{int(preview)}'>\n<meta>\n<fieldOrder>\n{order}</fieldOrder>\n</meta>\n"
        "<messages>\n  <msg type='DEBUG'>base lispy: [ AND ]</msg>\n</messages>\n"
        + "".join(
            f"\t<result offset='{n}'>\n{xml_fields(r, segments)}\t</result>\n" for n, r in enumerate(rows)
        )
        + "</results>\n"
    )


def xml_fields(row: Row, segments: bool = False) -> str:
    """The fields of one result."""
    text = ""
    for name, value in row.items():
        texts = value if isinstance(value, list) else [value]
        if segments and name == "user":
            # As _raw comes, with what the search matched marked.
            marked = f"<sg h='1'>{escape(texts[0][:4])}</sg>{escape(texts[0][4:])}"
            inner = f"<v xml:space='preserve' trunc='0'>{marked}</v>"
        else:
            inner = "".join(f"<value h='1'>\n<text>{escape(each)}</text>\n</value>\n" for each in texts)
        text += f"<field k={quoteattr(name)}>\n{inner}</field>\n"
    return text


def alert_xml(payload: Mapping[str, object], row: Row) -> str:
    """The payload of an alert action that asks for XML."""
    plain = "".join(f"<{k}>{escape(v)}</{k}>\n" for k, v in payload.items() if isinstance(v, str))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<alert>\n{plain}<configuration><stanza name="x">'
        f'<param name="password">{SESSION_KEY}</param></stanza></configuration>\n'
        f"<result>\n{xml_fields(row)}</result>\n</alert>\n"
    )


def stash_of(row: Row) -> str:
    """The text of a notable in the index."""
    pairs = [
        f'{name}="{each.replace("\\", "\\\\").replace('"', '\\"')}"'
        for name, value in row.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return f"1772445600, {', '.join(pairs)}"


def table(rows: Sequence[Row], *, objects: bool = False) -> dict[str, object]:
    """Rows as json_rows has them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    fields: list[object] = [{"name": name, "groupby_rank": "0"} if objects else name for name in names]
    values = [[row.get(name) for name in names] for row in rows]
    return {"preview": False, "init_offset": 0, "messages": [], "fields": fields, "rows": values}


def columns(rows: Sequence[Row]) -> dict[str, object]:
    """Rows as json_cols has them."""
    held = table(rows)
    values = held.pop("rows")
    assert isinstance(values, list)
    return held | {"columns": [list(column) for column in zip(*values, strict=True)]}


def lines_of(*objects: object) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


def dumped(data: object) -> bytes:
    """JSON."""
    return json.dumps(data).encode()


def _lines(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "\n".join(value)


def _encoded(value: str | list[str]) -> str:
    return "" if isinstance(value, str) else ";".join(f"${each.replace('$', '$$')}$" for each in value)


#: Name -> the input. Each holds NOTABLE, and nothing else that is one.
FORMS: dict[str, bytes] = {
    # JSON
    "ES notable": dumped(NOTABLE),
    "ES notable spread over lines": json.dumps(NOTABLE, indent=2).encode(),
    "ES notable with a byte order mark": b"\xef\xbb\xbf" + dumped(NOTABLE),
    "ES notable in UTF-16": json.dumps(NOTABLE).encode("utf-16"),
    "array of notables": dumped([NOTABLE]),
    "JSON lines": lines_of(NOTABLE),
    "JSON lines with Windows line ends": lines_of(NOTABLE).replace(b"\n", b"\r\n") + b"\r\n",
    "JSON lines, compressed": gzip.compress(lines_of(NOTABLE)),
    "notable with its text in _raw": dumped(
        {"_raw": stash_of(NOTABLE), "index": "notable", "linecount": "2"}
    ),
    "raw events of the notable index": stash_of(NOTABLE).encode() + b"\n",
    "ES 8 finding": dumped(FINDING),
    # search results over REST and from Splunk Web
    "REST results, output_mode=json": dumped(
        {"preview": False, "fields": [{"name": name} for name in NOTABLE], "results": [NOTABLE]}
    ),
    "REST results, output_mode=json_rows": dumped(table([NOTABLE])),
    "REST results, json_rows with fields as objects": dumped(table([NOTABLE], objects=True)),
    "REST results, output_mode=json_cols": dumped(columns([NOTABLE])),
    "REST results, output_mode=csv": csv_of([NOTABLE]).encode(),
    "REST results, output_mode=xml": xml_of([NOTABLE]).encode(),
    "REST results, xml with marked segments": xml_of([NOTABLE], segments=True).encode(),
    "REST results, xml without declaration": xml_of([NOTABLE], declared=False).encode(),
    "REST results, xml compressed": gzip.compress(xml_of([NOTABLE]).encode()),
    "export, json lines": lines_of({"preview": False, "offset": 0, "lastrow": True, "result": NOTABLE}),
    "export, json with previews": lines_of(
        {"preview": True, "offset": 0, "result": EARLY},
        {"preview": False, "offset": 0, "lastrow": True, "result": NOTABLE},
    ),
    "export, json_rows with previews": lines_of(table([EARLY]) | {"preview": True}, table([NOTABLE])),
    "export, json_cols with previews": lines_of(columns([EARLY]) | {"preview": True}, columns([NOTABLE])),
    "export, xml with previews": (xml_of([EARLY], preview=True) + xml_of([NOTABLE])).encode(),
    "Splunk Web, CSV": csv_of([NOTABLE], quoting=csv.QUOTE_ALL).encode(),
    "Splunk Web, CSV with Windows line ends and a mark": b"\xef\xbb\xbf"
    + csv_of([NOTABLE], newline="\r\n").encode(),
    "Splunk Web, XML": xml_of([NOTABLE | {"_time": "1772445600.000"}]).encode(),
    "Splunk Web, raw": stash_of(NOTABLE).encode(),
    # what alerts send and leave
    "webhook body": dumped(ALERT | {"result": NOTABLE}),
    "alert action payload, JSON": dumped(PAYLOAD | {"result": NOTABLE}),
    "alert action payload, XML": alert_xml(PAYLOAD, NOTABLE).encode(),
    "alert action results.csv": csv_of([NOTABLE], encoded=True).encode(),
    "alert action results.csv.gz": gzip.compress(csv_of([NOTABLE], encoded=True).encode()),
    "lookup file": csv_of([{"_key": "1", **dict(reversed(NOTABLE.items())), "note": ""}]).encode(),
    "lookup file, compressed": gzip.compress(csv_of([NOTABLE]).encode()),
    # Splunk SOAR
    "SOAR container with its artifacts": dumped(CONTAINER | {"artifacts": [ARTIFACT]}),
    "SOAR container beside its artifacts": dumped({"container": CONTAINER, "artifacts": [ARTIFACT]}),
    "SOAR container with CEF names": dumped({"container": CONTAINER, "artifacts": [ARTIFACT | {"cef": CEF}]}),
    "SOAR artifact": dumped(ARTIFACT),
    "SOAR artifact with cef as text": dumped(ARTIFACT | {"cef": json.dumps(NOTABLE)}),
    "SOAR list of artifacts": dumped([ARTIFACT]),
    "SOAR page of artifacts": dumped({"count": 1, "num_pages": 1, "data": [ARTIFACT]}),
    "SOAR page of containers": dumped(
        {"count": 1, "num_pages": 1, "data": [CONTAINER | {"artifacts": [ARTIFACT]}]}
    ),
    "SOAR result of an action": dumped(
        [{"status": "success", "parameter": {"query": "`notable`"}, "data": [NOTABLE], "summary": {}}]
    ),
    # Enterprise Security 8 and Mission Control
    "items of findings": dumped({"items": [FINDING], "total": 1, "offset": 0}),
    "investigation with consolidated findings": dumped(INVESTIGATION | {"consolidated_findings": [FINDING]}),
    "investigation with its findings as one": dumped(INVESTIGATION | {"consolidated_findings": FINDING}),
    "page of investigations": dumped(
        {"items": [INVESTIGATION | {"consolidated_findings": [FINDING]}], "total": 1}
    ),
}
