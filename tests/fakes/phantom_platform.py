"""A stand-in for the platform's containers, and what playbooks write to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

type Json = dict[str, Any]

SEVERITIES = ("low", "medium", "high")
STATUSES = ("new", "open", "closed", "resolved")


class Answered(Protocol):
    """One result of an action, as tests/soar_app.py gives it."""

    @property
    def status(self) -> bool: ...
    @property
    def message(self) -> str: ...
    @property
    def param(self) -> Mapping[str, object]: ...
    @property
    def summary(self) -> Mapping[str, object]: ...
    @property
    def data(self) -> Sequence[Mapping[str, object]]: ...


#: Runs an action: name, parameter sets, container id.
type RunAction = Callable[[str, list[Json], int], Sequence[Answered]]


class Answer(NamedTuple):
    """What a person answers to a prompt."""

    choice: str
    reason: str = ""
    user: str = "analyst01"


class Responses(NamedTuple):
    """A prompt that ended well, whatever it holds."""

    responses: object
    data: list[Json | None]


class Note(NamedTuple):
    """A note in a container."""

    id: int
    title: str
    content: str


class Platform:
    """Containers with what playbooks write to them, and the app behind the configured assets."""

    def __init__(
        self,
        run_action: RunAction,
        assets: Sequence[str] = ("regsvcs_response", "regsvcs_containment"),
    ) -> None:
        self.run_action = run_action
        self.assets = assets
        #: The clock of the runners.
        self.now = datetime(2026, 9, 25, 7, 0, tzinfo=UTC)
        self.containers: dict[int, Json] = {}
        self.artifacts: dict[int, list[Json]] = {}
        self.notes: dict[int, list[Note]] = {}
        self.pins: list[Json] = []
        self.prompts: list[Json] = []
        self.actions: list[tuple[str, list[Json]]] = []
        #: The assets that each action was run on, beside it.
        self.on_assets: list[tuple[str, tuple[str, ...]]] = []
        #: Called before a note is written, with its title: where another run may come in between.
        self.before_note: Callable[[str], None] = lambda _title: None
        #: Artifacts that a run has had; a later run finds them only among all.
        self.had: set[int] = set()
        self._last_id = 0

    def add_container(self, artifacts: Iterable[Json], **fields: object) -> int:
        """A container with its artifacts."""
        container_id = self.next_id()
        self.containers[container_id] = {
            "id": container_id,
            "name": "Detect Regsvcs with Network Connection",
            "severity": "medium",
            "status": "new",
            "source_data_identifier": "",
            **fields,
        }
        self.artifacts[container_id] = [self._artifact(each) for each in artifacts]
        self.notes[container_id] = []
        return container_id

    def titles(self, container_id: int) -> list[str]:
        """The titles of a container's notes, the oldest first."""
        return [note.title for note in self.notes[container_id]]

    def note(self, container_id: int, title: str) -> str:
        """The content of the last note of this title."""
        *_, found = [note.content for note in self.notes[container_id] if note.title == title]
        return found

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _artifact(self, fields: Json) -> Json:
        return {"id": self.next_id(), "label": "event", "source_data_identifier": "", "cef": {}, **fields}

    def keep_artifact(self, container_id: int, fields: Json) -> int:
        """Add an artifact; a severe one raises the container's severity, as on the platform."""
        artifact = self._artifact(fields)
        self.artifacts[container_id].append(artifact)
        container = self.containers[container_id]
        if SEVERITIES.index(artifact["severity"]) > SEVERITIES.index(container["severity"]):
            container["severity"] = artifact["severity"]
        return int(artifact["id"])


class ContainerApi:
    """The functions of `phantom.rules` that read and write containers."""

    def __init__(self, platform: Platform, container_id: int) -> None:
        self.platform = platform
        self.container_id = container_id

    def id_of(self, container: Json | int | None) -> int:
        """The id of a container given as such, as its number, or not at all: the one that runs."""
        found = container["id"] if isinstance(container, dict) else container or self.container_id
        assert found in self.platform.containers, f"no container {found}"
        return int(found)

    def get_container(self, container_id: int) -> Json | None:
        found = self.platform.containers.get(container_id)
        return dict(found) if found else None

    def set_severity(self, *, container: Json | int | None = None, severity: str | None = None) -> None:
        assert severity in SEVERITIES, f"severity {severity}"
        self.platform.containers[self.id_of(container)]["severity"] = severity

    def set_status(self, *, container: Json | int | None = None, status: str | None = None) -> None:
        assert status in STATUSES, f"status {status}"
        self.platform.containers[self.id_of(container)]["status"] = status

    def add_note(
        self,
        *,
        container: Json | int | None = None,
        note_type: str | None = None,
        title: str = "",
        content: str = "",
        note_format: str = "markdown",
    ) -> tuple[bool, str, int]:
        assert note_type == "general", f"note type {note_type}"
        assert isinstance(title, str), title
        assert isinstance(content, str), content
        assert note_format in ("markdown", "html"), f"note format {note_format}"
        assert 0 < len(title) <= 255, f"title of {len(title)} characters"
        self.platform.before_note(title)
        note = Note(self.platform.next_id(), title, content)
        self.platform.notes[self.id_of(container)].append(note)
        return True, "", note.id

    def get_notes(self, container: Json | int | None = None) -> list[Json]:
        return [{"success": True, "data": n._asdict()} for n in self.platform.notes[self.id_of(container)]]

    def add_artifact(
        self,
        *,
        container: Json | int | None = None,
        raw_data: Json | None = None,
        cef_data: Json | None = None,
        label: str | None = None,
        name: str | None = None,
        severity: str | None = None,
        identifier: str | None = None,
        artifact_type: str | None = None,
        field_mapping: Json | None = None,
        trace: bool = False,
        run_automation: bool = False,
    ) -> tuple[bool, str, int]:
        assert isinstance(raw_data, dict), "raw_data is required"
        assert isinstance(cef_data, dict), "cef_data is required"
        assert severity in SEVERITIES, f"severity {severity}"
        assert not run_automation, "an artifact that starts the playbook again"
        fields: Json = {"cef": cef_data, "label": label, "name": name, "severity": severity}
        return True, "", self.platform.keep_artifact(self.id_of(container), fields)

    def pin(
        self,
        *,
        container: Json | None = None,
        message: str | None = None,
        data: str | None = None,
        pin_type: str | None = None,
        pin_style: str | None = None,
        name: str | None = None,
    ) -> tuple[bool, str, int]:
        assert pin_type in ("card", "card_medium", "card_large"), f"pin type {pin_type}"
        assert pin_style in ("white", "red", "purple", "blue"), f"pin style {pin_style}"
        self.platform.pins.append({"container": self.id_of(container), "message": message, "data": data})
        return True, "", self.platform.next_id()

    def comment(self, *, container: Json | None = None, comment: str | None = None) -> None:
        assert comment, "a comment without text"
