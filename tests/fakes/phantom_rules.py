"""A stand-in for `phantom.rules`: runs the blocks of a playbook against a Platform.

Strict where the platform is lenient: a function or an argument the platform does not have, a datapath to a
block or an output that does not exist, an asset nobody configured, or an action without parameters raises.
A `Run` is one trigger of one playbook. Blocks run on a queue: two actions started by one block are under way
together, and their callbacks come one by one.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from tests.fakes.phantom_platform import Answer, ContainerApi, Json, Platform, Responses

#: What a playbook may call; as the vendor's reference of the playbook API names it.
API = (
    "playbook_block",
    "debug",
    "error",
    "act",
    "prompt2",
    "collect2",
    "decision",
    "completed",
    "format",
    "get_format_data",
    "save_block_result",
    "get_run_data",
    "get_summary",
    "get_container",
    "set_severity",
    "set_status",
    "add_note",
    "get_notes",
    "add_artifact",
    "pin",
    "comment",
)


class _Pending(NamedTuple):
    """An action or prompt under way."""

    action: str
    name: str
    results: Callable[[], list[Json]]
    callback: Callable[..., None] | None


class Run(ContainerApi):
    """One trigger of a playbook on a container.

    Attributes:
        called: the blocks, in the order they were called.
    """

    # answers: prompt -> what a person answers; a prompt without one expires.
    # fail: what fails: an action, wherever it runs, or a block, such as "lookup_further_ips".
    # last_first: of actions under way together, the one started last ends first.
    # together: actions under way together have all ended before the first callback comes.
    def __init__(
        self,
        platform: Platform,
        playbook: Path,
        container_id: int,
        *,
        answers: Mapping[str, Answer | Responses] | None = None,
        fail: Iterable[str] = (),
        last_first: bool = False,
        together: bool = False,
    ) -> None:
        super().__init__(platform, container_id)
        self.called: list[str] = []
        self._answers = answers or {}
        self._fail = frozenset(fail)
        self._last_first = last_first
        self._together = together
        self._data: dict[str, str] = {}
        self._formatted: dict[str, str] = {}
        self._results: dict[str, list[Json]] = {}
        self._queue: deque[_Pending] = deque()
        self._started = False
        self._module = self._load(playbook)
        # As on the platform: each block is handed the container as it was when the run began.
        self._container = dict(platform.containers[container_id])
        self._new = {each["id"] for each in platform.artifacts[container_id]} - platform.had
        platform.had |= self._new

    def play(self) -> Run:
        """The whole run."""
        self.start()
        while self.step():
            pass
        return self

    def start(self) -> None:
        """Call on_start."""
        self._started = True
        self._module.on_start(dict(self._container))

    def step(self) -> bool:
        """Let one action or prompt end and call its callback; False when the run is over."""
        if not self._queue:
            if self._started:
                self._module.on_finish(dict(self._container), {})
                self._started = False
            return False
        ended = self._queue[-1 if self._last_first else 0]
        for each in self._queue if self._together else [ended]:
            if each.name not in self._results:
                self._results[each.name] = each.results()
        self._queue.remove(ended)
        if ended.callback is not None:
            results = self._results[ended.name]
            ended.callback(
                action={"name": ended.name, "action": ended.action},
                success=any(each["status"] == "success" for each in results),
                container=dict(self._container),
                results=results,
                handle=None,
            )
        return True

    def _load(self, playbook: Path) -> Any:
        rules = types.ModuleType("phantom.rules")
        for name in API:
            setattr(rules, name, getattr(self, name))
        package = types.ModuleType("phantom")
        package.__dict__["rules"] = rules
        saved = {name: sys.modules.get(name) for name in ("phantom", "phantom.rules")}
        sys.modules |= {"phantom": package, "phantom.rules": rules}
        try:
            spec = importlib.util.spec_from_file_location(f"_playbook_{playbook.stem}", playbook)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        finally:
            for name, before in saved.items():
                if before is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = before
        module.__dict__["datetime"] = _clock(self.platform)
        return module

    # --- the API: blocks, log, data between blocks ---------------------------------------------------------

    def playbook_block(self) -> Callable[[Callable[..., None]], Callable[..., None]]:
        def decorate(block: Callable[..., None]) -> Callable[..., None]:
            def called(*args: Any, **kwargs: Any) -> None:
                self.called.append(block.__name__)
                block(*args, **kwargs)

            called.__name__ = block.__name__
            return called

        return decorate

    def debug(self, message: object) -> None:
        assert self._started, "the API was called at module level"

    error = debug

    def save_block_result(self, key: str, value: str) -> None:
        assert isinstance(value, str), f"{key}: a block result is text"
        self._data[key] = value

    def get_run_data(self, key: str) -> str:
        return self._data.get(key, "")

    def collect2(
        self,
        *,
        container: Json | None = None,
        datapath: Sequence[str] = (),
        scope: str = "new",
        limit: int = 2000,
        action_results: object = None,
    ) -> list[list[Any]]:
        """Rows of datapaths of one source. An action without data gives no row where data are asked for."""
        sources = {path.partition(":")[0] for path in datapath}
        assert len(sources) == 1, f"one source a call: {datapath}"
        (source,) = sources
        if source == "artifact":
            paths = [path.removeprefix("artifact:*.").split(".") for path in datapath]
            found = self._artifacts(container, scope)[:limit]
            return [[_dig(each, path) for path in paths] for each in found]
        assert hasattr(self._module, source), f"no block {source}"
        rows = []
        paths = [path.removeprefix(f"{source}:action_result.").split(".") for path in datapath]
        of_data = any(path[:2] == ["data", "*"] for path in paths)
        for result in self._results.get(source, []):
            for item in result["data"] if of_data else [None]:
                row = [_dig(item, p[2:]) if p[0] == "data" else _dig(result, p) for p in paths]
                rows.append(row)
        return rows

    def _artifacts(self, container: Json | None, scope: str) -> list[Json]:
        assert scope in ("new", "all"), f"scope {scope}"
        found = self.platform.artifacts[self.id_of(container)]
        return [each for each in found if scope == "all" or each["id"] in self._new]

    def _values(self, path: str) -> list[Any]:
        if ":custom_function:" in path:
            block, _, name = path.split(":")
            raw = self._data[f"{block}:{name}"]
            value = json.loads(raw)
            return value if isinstance(value, list) else [value]
        if path.endswith(":formatted_data"):
            return [self._formatted[path.partition(":")[0]]]
        if ":action_result." in path:
            return [row[0] for row in self.collect2(datapath=[path])]
        return [path]

    def decision(
        self,
        *,
        container: Json | None = None,
        conditions: Sequence[Sequence[str]] = (),
        logical_operator: str = "and",
        conditions_dps: Sequence[Sequence[str]] = (),
        name: str | None = None,
        delimiter: str | None = ",",
    ) -> bool:
        assert conditions == conditions_dps, f"{name}: the two lists of conditions differ"
        met = []
        for left, op, right in conditions:
            values = self._values(left) or [None]
            assert op in ("==", "!="), f"{name}: operator {op}"
            met.append(any((str(value) == right) == (op == "==") for value in values))
        return all(met) if logical_operator == "and" else any(met)

    def completed(self, action_names: Sequence[str]) -> bool:
        assert all(hasattr(self._module, name) for name in action_names), f"no block among {action_names}"
        return all(name in self._results for name in action_names)

    def format(
        self,
        *,
        container: Json | None = None,
        template: str = "",
        parameters: Sequence[str] = (),
        name: str | None = None,
    ) -> str:
        filled = template
        for index, path in enumerate(parameters):
            shown = ", ".join("" if value is None else str(value) for value in self._values(path))
            filled = filled.replace(f"{{{index}}}", shown)
        if name is not None:
            self._formatted[name] = filled
        return filled

    def get_format_data(self, name: str) -> str:
        return self._formatted[name]

    def get_summary(self) -> Json:
        return {"result": [{"name": name} for name in self._results]}

    # --- the API: actions and prompts ----------------------------------------------------------------------

    def act(
        self,
        action: str,
        *,
        parameters: list[Json] | None = None,
        assets: Sequence[str] = (),
        callback: Callable[..., None] | None = None,
        name: str | None = None,
        handle: object = None,
    ) -> None:
        assert self._started, "the API was called at module level"
        assert parameters, f"{name}: what the platform does without parameters is not documented"
        assert name is not None, f"{action}: no name"
        assert hasattr(self._module, name), f"no block {name}"
        assert assets, f"{name}: no asset"
        assert set(assets) <= set(self.platform.assets), f"{name}: assets {assets}"
        self.platform.actions.append((action, parameters))
        self.platform.on_assets.append((action, tuple(assets)))
        self._add(_Pending(action, name, lambda: self._run(action, name, parameters), callback))

    def _run(self, action: str, name: str, parameters: list[Json]) -> list[Json]:
        if not self._fail.isdisjoint((action, name)):
            message = f"Action failure in {action}: the source did not answer"
            return [_result("failed", message, parameter=each) for each in parameters]
        return [
            _result(
                "success" if each.status else "failed",
                each.message,
                parameter=dict(each.param),
                summary=dict(each.summary),
                data=[dict(row) for row in each.data],
            )
            for each in self.platform.run_action(action, parameters, self.container_id)
        ]

    def prompt2(
        self,
        *,
        container: Json | None = None,
        user: str | None = None,
        message: str = "",
        respond_in_mins: int = 0,
        callback: Callable[..., None] | None = None,
        name: str = "",
        parameters: Sequence[str] = (),
        response_types: Sequence[Json] = (),
        role: str | None = None,
    ) -> None:
        assert (user is None) != (role is None), f"{name}: a user or a role"
        assert respond_in_mins > 0, f"{name}: minutes"
        asked = self.format(template=message, parameters=parameters)
        self.platform.prompts.append(
            {"name": name, "role": role, "minutes": respond_in_mins, "message": asked}
        )
        answer = self._answers.get(name)
        if answer is None:
            result = _result("failed", "The prompt expired before anyone answered it")
        elif isinstance(answer, Responses):
            given: Json = {"responses": answer.responses}
            result = _result("success", "answered", summary=given, data=answer.data)
        else:
            choices = response_types[0]["options"]["choices"]
            assert answer.choice in choices, f"{name}: {answer.choice} is none of {choices}"
            responses = {"responses": [answer.choice, answer.reason]}
            result = _result("success", "answered", summary=responses, data=[{"user": answer.user}])
        self._add(_Pending("prompt", name, lambda: [result], callback))

    def _add(self, pending: _Pending) -> None:
        ran = {each.name for each in self._queue} | self._results.keys()
        assert pending.name not in ran, f"{pending.name} ran twice in one run"
        self._queue.append(pending)


def _result(
    status: str,
    message: str,
    *,
    parameter: Json | None = None,
    summary: Json | None = None,
    data: Sequence[Json | None] | None = None,
) -> Json:
    return {
        "status": status,
        "message": message,
        "parameter": parameter or {},
        "summary": summary or {},
        "data": data or [],
    }


def _clock(platform: Platform) -> type[datetime]:
    """What a playbook imports as `datetime`; it goes by the platform's clock."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            assert tz is not None, "a time without a zone"
            return cls.fromtimestamp(platform.now.timestamp(), tz)

    return Clock


def _dig(value: Any, path: Sequence[str]) -> Any:
    """What stands at a path; a field that no row of the app has is a mistake of the playbook."""
    for part in path:
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        elif value is None or part == "context":  # the platform's own
            return None
        else:
            assert part in value, f"no field {part} among {sorted(value)}"
            value = value[part]
    return value
