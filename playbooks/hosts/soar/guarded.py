"""What the SDK leaves open, closed in one place: results that never come, carry-over, tracebacks, secrets.

Knows the SDK, our errors, and what an asset is for. An action's function is wrapped by
`answers_in_sentences`; the app is a `FreshAssetApp` whose `actions_manager` is `GuardedActions`.
"""

import functools
import inspect
import json
import traceback
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from soar_sdk.action_results import ActionOutput, ActionResult
from soar_sdk.actions_manager import ActionsManager
from soar_sdk.app import App
from soar_sdk.asset import BaseAsset
from soar_sdk.exceptions import ActionFailure, AssetMisconfiguration
from soar_sdk.input_spec import InputSpecification
from soar_sdk.logging import getLogger
from soar_sdk.params import OnPollParams, Params
from soar_sdk.shims.phantom_common.app_interface.app_interface import SoarRestClient
from soar_sdk.types import NamedCallable
from soar_sdk.webhooks.models import WebhookResponse

from connectors.errors import ResponseError
from playbooks.hosts.soar.answers.answer import Answer, NotDone
from playbooks.hosts.soar.asset import Purpose, check_purpose
from playbooks.hosts.soar.redaction import clean_values, redactor, without_secrets

#: Frames named in the debug log, the innermost ones.
_FRAMES = 8


class GuardedActions(ActionsManager):
    """One result per parameter set, whatever happens; nothing carried over from the set before.

    Attributes:
        refusal: why no action can run now, such as an asset that cannot be read; "" when they can.
        begun: True once the sets of the call at hand are being worked.
        unexpected: what `on poll` raised past our own guard; None when nothing.
        secrets: gives the asset's secrets; none before an asset is known.
    """

    refusal = ""
    begun = False
    unexpected: Exception | None = None
    secrets: Callable[[], tuple[str, ...]] = staticmethod(tuple)

    def handle(self, input_data: InputSpecification, handle: int | None = None) -> str:
        """Run the action for each parameter set."""
        self.begun = True
        return super().handle(input_data, handle)

    def handle_action(self, param: dict[str, Any]) -> None:
        """Run the action once. Never raises for what the parameters or the asset hold."""
        client = self._soar_client
        if client is not None:
            client.set_message("")
            client.set_summary(None)
        self.unexpected = None
        before = len(self.get_action_results())
        given = {name: value for name, value in param.items() if name != "context"}
        action = self.get_action(self.get_action_identifier())
        name = action.meta.action if action is not None else ""
        if self.refusal:
            self._fail(AssetMisconfiguration(self.refusal, name), given)
            return
        try:
            if action is not None:
                action.meta.parameters.model_validate(dict(param))
        except ValidationError as error:
            self._fail(ActionFailure(in_words(error), name), given)
            return
        except (TypeError, ValueError):
            self._fail(ActionFailure("the parameters are no set of names and values", name), given)
            return
        try:
            super().handle_action(param)
        except ValidationError as error:  # from App.asset: a field of the asset is wrong
            self._fail(AssetMisconfiguration(in_words(error), name), given)
        except Exception as error:  # noqa: BLE001  (the edge: the sets after this one still run)
            tell_where(error)
            self._fail(ActionFailure(_unexpected(error), name), given)
        if len(self.get_action_results()) == before:
            self._fail(ActionFailure("the action ended without a result", name), given)
        elif isinstance(params := action and action.meta.parameters, type) and issubclass(
            params, OnPollParams
        ):
            self._mend_poll(self.get_action_results()[-1], name)

    def add_exception(self, exception: Exception) -> None:
        """Keep an exception from the app run: with it the platform would show its text and traceback."""
        tell_where(exception)
        self.unexpected = exception

    def _mend_poll(self, result: Any, name: str) -> None:
        """The result of `on poll` in our words: the SDK has one for every success, and shows exceptions."""
        if self.unexpected is not None:
            result.set_status(False, str(ActionFailure(_unexpected(self.unexpected), name)))
        elif result.get_status() and self._soar_client is not None and self._soar_client.get_message():
            result.set_status(True, self._soar_client.get_message())

    def _fail(self, failure: ActionFailure, given: dict[str, Any]) -> None:
        secrets = self.secrets()
        sentence = without_secrets(str(failure), secrets)
        self.add_result(ActionResult(False, sentence, _given_without(given, secrets)))


class FreshAssetApp(App):
    """An App that reads its asset anew at every call: the SDK keeps the first for the life of the process.

    Must not define __init__: App takes its folder from the file of its caller.
    """

    def handle(self, raw_input_data: str, handle: int | None = None) -> str:
        """Run an action; JSON in, JSON out. An asset that cannot be read fails each parameter set."""
        self.__dict__.pop("_asset", None)
        self.__dict__.pop("_raw_asset_config", None)
        manager = self.actions_manager
        if not isinstance(manager, GuardedActions):
            return super().handle(raw_input_data, handle)
        manager.begun, manager.refusal, manager.secrets = False, "", self._secrets
        try:
            return super().handle(raw_input_data, handle)
        except Exception as error:
            # What happens before the first set is about the asset: a secret that is none, a wrong type.
            if manager.begun:
                raise
            tell_where(error)
            manager.refusal = (
                f"a field of the asset cannot be read ({type(error).__name__}). Enter its secrets again, look"
                " at its other fields, and save it"
            )
        try:
            return manager.handle(InputSpecification.model_validate(json.loads(raw_input_data)), handle)
        finally:
            manager.refusal = ""

    def _secrets(self) -> tuple[str, ...]:
        """What the asset's sensitive fields hold, as far as it was read."""
        config = self.__dict__.get("_raw_asset_config")
        if not isinstance(config, dict):
            return ()
        values = (config.get(name) for name in self.asset_cls.fields_requiring_decryption())
        return tuple(value for value in values if isinstance(value, str) and value)

    __call__ = handle

    def handle_webhook(  # the platform gives the arguments in this order
        self,
        method: str,
        headers: Any,
        path_parts: list[str],
        query: dict[str, str | list[str] | None],
        body: Any,
        asset: dict[str, Any],
        soar_rest_client: SoarRestClient,
    ) -> dict[str, Any]:
        """Answer a webhook request; what goes wrong is a status and a sentence, never an exception."""
        self.__dict__.pop("_asset", None)
        named_once, text = _text_headers(headers), _text_body(body)
        if named_once is None:
            return _webhook_error("the headers of the request are no texts", 400)
        if isinstance(body, bytes) and text is None:
            return _webhook_error("the body is no UTF-8 text. Send JSON", 400)
        try:
            return super().handle_webhook(
                method, named_once, path_parts, query, text, asset, soar_rest_client
            )
        except ValidationError as error:
            if error.title.startswith("WebhookRequest"):
                return _webhook_error(f"the request cannot be read: {in_words(error)}", 400)
            return _webhook_error(f"Asset misconfiguration: {in_words(error)}", 500)
        except Exception as error:  # noqa: BLE001  (the edge: what the platform makes of one is unknown)
            tell_where(error)
            # The sender tries again: nothing says that the notable was kept.
            return _webhook_error(_unexpected(error), 503)


def _text_headers(headers: Any) -> dict[str, str] | None:
    """The headers that hold a text, those with several joined; None when one holds something else."""
    if not isinstance(headers, Mapping):
        return None
    found = {}
    for name, value in headers.items():
        if value is None:
            continue
        values = value if isinstance(value, list | tuple) else [value]
        if not isinstance(name, str) or not all(isinstance(each, str) for each in values):
            return None
        found[name] = ", ".join(values)
    return found


def _text_body(body: Any) -> Any:
    """The body as text; None when its bytes are no UTF-8."""
    if not isinstance(body, bytes):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _webhook_error(text: str, status: int) -> dict[str, Any]:
    answer: dict[str, Any] = WebhookResponse.json_response({"error": text}, status).model_dump()
    return answer


def answers_in_sentences(*, purpose: Purpose | None) -> Callable[[Callable[..., Any]], NamedCallable]:
    """An action that fails says why in one sentence, with its parameters, and without any secret.

    Stands directly under `@app.action` or `@app.test_connectivity`. Errors of ours are told as they are; any
    other exception by its name alone, since its text may hold anything.

    Args:
        purpose: what the asset must be for; None = any, for test connectivity, which says what is wrong.
    """

    def wrapped(function: Callable[..., Any]) -> NamedCallable:
        return _guarded(function, purpose)

    return wrapped


def _guarded(function: Callable[..., Any], purpose: Purpose | None) -> NamedCallable:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        secrets = secrets_of(kwargs.get("asset"))
        rows_of_failure: Answer[Any, Any] | None = None
        try:
            if purpose is not None:
                check_purpose(kwargs["asset"], purpose)
            rows = function(*args, **kwargs)
        except ActionFailure as error:
            sentence = error.message
        except NotDone as error:
            sentence, rows_of_failure = _safe(error), error.answer
        except ResponseError as error:
            sentence = _safe(error)
        except Exception as error:  # noqa: BLE001  (the edge: the SDK would show the whole traceback)
            tell_where(error)
            sentence = _unexpected(error)
        else:
            return _told_without(rows, kwargs.get("soar"), secrets)
        failure = ActionFailure(without_secrets(sentence, secrets), function.__name__.replace("_", " "))
        params = args[0] if args else None
        if not isinstance(params, Params) or isinstance(params, OnPollParams):
            # Test connectivity and polling answer nothing but by raising.
            raise failure from None
        # Raised, it would lose the parameters, by which a playbook tells the sets apart.
        result = ActionResult(False, str(failure), _given_without(params.model_dump(), secrets))
        if rows_of_failure is not None:
            _add_rows(result, rows_of_failure, redactor(secrets))
        return result

    # The SDK reads annotations by getfullargspec, which does not follow __wrapped__.
    guarded.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # set on a function
    return named(guarded)


def named(function: Callable[..., Any]) -> NamedCallable:
    """The same function, typed as the SDK's decorators want it: any function is one."""
    return cast("NamedCallable", function)


def in_words(error: ValidationError) -> str:
    """What is wrong with which fields, without the values: they may be secrets."""
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in each["loc"]) or "parameters"
        missing = each["type"] == "missing"
        problem = "is missing, give it a value" if missing else each["msg"].removeprefix("Value error, ")
        found.append(f"{name}: {problem}")
    return "; ".join(found)


def secrets_of(asset: object) -> tuple[str, ...]:
    """The values of an asset's sensitive fields."""
    if not isinstance(asset, BaseAsset):
        return ()
    values = (getattr(asset, name, None) for name in asset.fields_requiring_decryption())
    return tuple(value for value in values if isinstance(value, str) and value)


def tell_where(error: BaseException) -> None:
    """Write to the debug log where an exception came from: its class and places, never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    getLogger().debug("%s at %s", type(error).__name__, places)


def _unexpected(error: BaseException) -> str:
    return f"unexpected {type(error).__name__}; where it came from is in the app's debug log"


def _safe(error: ResponseError) -> str:
    from playbooks.report.display import safe_error

    return safe_error(error)


def _told_without(rows: Any, client: Any, secrets: Collection[str]) -> Any:
    """The rows, and message and summary beside them, free of secrets."""
    if not secrets:
        return rows
    clean = redactor(secrets)
    if client is not None:
        client.set_message(clean(client.get_message()))
        client.set_summary(_clean(client.get_summary(), clean))
    if isinstance(rows, list):
        return [_clean(row, clean) for row in rows]
    return _clean(rows, clean)


def _add_rows(result: ActionResult, answer: Answer[Any, Any], clean: Callable[[str], str]) -> None:
    """Rows and summary of an action that fails, free of secrets, as the SDK adds them otherwise."""
    for row in answer.rows:
        result.add_data(_clean(row, clean).model_dump(by_alias=True))
    result.set_summary(_clean(answer.summary, clean).model_dump(by_alias=True))


def _given_without(given: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """The parameters of a failed set: what was typed may be a secret that belongs elsewhere."""
    return {
        name: without_secrets(value, secrets) if isinstance(value, str) else value
        for name, value in given.items()
    }


def _clean(model: Any, clean: Callable[[str], str]) -> Any:
    if not isinstance(model, ActionOutput):
        return model
    told = json.loads(model.model_dump_json())
    cleaned = clean_values(told, clean)
    return model if cleaned == told else _rebuilt(model, cleaned)


def _rebuilt(model: BaseModel, fields: Mapping[str, Any]) -> BaseModel:
    """The model from its changed fields. Outputs may lack some, which validation would refuse as None."""
    given = {name: value for name, value in fields.items() if value is not None}
    return type(model).model_validate(given)
