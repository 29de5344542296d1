"""XML: search results, the default of Splunk's REST interface, and the payload of an alert action.

`<results preview='0'><result><field k='dest'><value><text>WS01</text></value></field></result></results>`;
the export of a search is several of these, one after the other. An alert action gets
`<alert><search_name>...</search_name><result><field ...></result></alert>`, unless it asks for JSON
(payload_format).

Only expat judges what is XML. No entity is ever defined or expanded: all is read inside an element of ours,
where a DOCTYPE cannot stand.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from connectors.addresses import shown
from connectors.errors import NotableError
from connectors.siem.input.candidate import INPUT, KNOWN_SHAPES, Candidate
from connectors.siem.input.logs import LOG_REMEDY, is_sysmon
from connectors.siem.input.secrets import SECRETS

#: The first element of a text, behind the declaration and comments.
_ROOT = re.compile(r"(?:\s++|<\?[^<>]*+>|<!--(?:[^-]|-(?!->))*+-->)*+<(!?[A-Za-z_][\w.:-]*)")
#: A declaration may stand before each of several documents, but not within an element.
_DECLARATION = re.compile(r"(\A|</results>)\s*<\?xml\s[^<>]*\?>")
_DOCTYPE = re.compile(r"<!(?:DOCTYPE|ENTITY)")

_EXPORT_AGAIN = "Export the search results again"


def is_xml(text: str) -> bool:
    """True when the text begins as XML does."""
    return text.lstrip()[:1] == "<"


def read_xml(text: str) -> list[object]:
    """The rows as candidates; of an alert action its payload, as the object that JSON would have been.

    Raises:
        NotableError: no well-formed XML, a DOCTYPE, a log, or of no known shape.
    """
    root = _ROOT.match(text)
    name = root[1].rpartition(":")[2] if root else ""
    if name in ("Event", "Events"):
        what = "a Sysmon log" if is_sysmon(text) else "a log of Windows events, not of Sysmon"
        raise NotableError(INPUT, f"is {what}, not a notable", LOG_REMEDY)
    if _DOCTYPE.match(f"<{root[1]}" if root else ""):
        raise _doctype()
    reader = _Reader()
    reader.run(text)
    if name == "response" and not reader.objects:
        said = shown(" ".join(reader.messages)) if reader.messages else "nothing"
        raise NotableError(INPUT, f"is an answer of Splunk without results: it says {said}", _EXPORT_AGAIN)
    if name not in ("results", "alert", "response"):
        raise NotableError(INPUT, f"is XML of no known shape: it begins with {shown(name)}", KNOWN_SHAPES)
    return reader.objects


class _Reader:
    """Gathers rows from expat's callbacks; namespaces and prefixes are left aside."""

    def __init__(self) -> None:
        self.objects: list[object] = []
        self.messages: list[str] = []
        self._path: list[str] = []
        self._preview = False
        self._row: dict[str, list[str]] | None = None
        self._payload: dict[str, object] = {}
        self._name = ""
        self._text: list[str] | None = None
        self._bare = True  # the value in hand has no element <text> of its own

    def run(self, text: str) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text_part
        try:
            parser.Parse(f"<all>{_DECLARATION.sub(_without, text)}</all>".encode(), True)
        except expat.ExpatError as exc:
            if _DOCTYPE.search(text):
                raise _doctype() from exc
            problem = f"is no well-formed XML: line {exc.lineno}: {expat.ErrorString(exc.code)}"
            raise NotableError(INPUT, problem, _EXPORT_AGAIN) from exc

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        inside = self._path[-1] if self._path else ""
        self._path.append(name)
        if self._row is None:
            if name == "results":
                self._preview = attributes.get("preview", "0").strip().casefold() in ("1", "true")
            elif name == "alert":
                self._payload = {}
            elif name == "result" and inside in ("results", "alert", "response"):
                self._row = {}
            elif name == "msg" or inside == "alert":
                self._text = []
        elif name == "field" and inside == "result":
            self._name = attributes.get("k", "")
            self._row.setdefault(self._name, [])
        elif inside == "field" and name in ("value", "v"):
            self._text, self._bare = [], True
        elif inside == "value" and name == "text":
            self._text, self._bare = [], False

    def _end(self, _: str) -> None:
        name = self._path.pop()
        inside = self._path[-1] if self._path else ""
        if self._row is None:
            if name == "alert":
                self.objects.append(self._payload)
            elif name == "msg":
                self.messages.append(self._taken().strip())
            elif inside == "alert" and name not in SECRETS and name != "result":
                self._payload[name] = self._taken().strip()
        elif name == "result" and inside in ("results", "alert", "response"):
            self._finish_row(inside)
        elif self._ends_value(name, inside):
            self._row[self._name].append(self._taken())

    def _ends_value(self, name: str, inside: str) -> bool:
        if inside == "value":
            return name == "text"
        return inside == "field" and name in ("value", "v") and self._bare

    def _text_part(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _taken(self) -> str:
        text = "".join(self._text or ())
        self._text = None
        return text

    def _finish_row(self, inside: str) -> None:
        row: dict[str, object] = {
            name: values[0] if len(values) == 1 else values for name, values in (self._row or {}).items()
        }
        self._row = None
        if inside == "alert":
            self._payload["result"] = row
        else:
            self.objects.append(Candidate(row, None, row, preview=self._preview))


def _without(found: re.Match[str]) -> str:
    """What stays of a match: lines keep their numbers."""
    return found[1] + "\n" * found[0].count("\n")


def _doctype() -> NotableError:
    return NotableError(INPUT, "has a DOCTYPE: no entity is ever defined or expanded", _EXPORT_AGAIN)
