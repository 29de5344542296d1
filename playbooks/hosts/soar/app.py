# ruff: noqa: E402  (our packages can be imported only once their folder is on sys.path)
"""The Splunk SOAR app: asset, actions, views and webhook. The SDK wants all of them declared in one file.

In the package this file is src/app.py, beside the folders actions, connectors and playbooks. What an action
does is imported when it runs: a process runs one action, and starts anew for each. Annotations are not
deferred here, since the SDK reads them as objects.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "connectors").is_dir())
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
for _name in ("actions", "connectors", "playbooks"):
    _places = [Path(place).resolve() for place in importlib.import_module(_name).__path__]
    if _places != [ROOT / _name]:
        # Two apps in one process: the other one's code would run under our name.
        raise ImportError(f"the package {_name} is already loaded from {', '.join(map(str, _places))}")

from soar_sdk.abstract import SOARClient
from soar_sdk.logging import getLogger
from soar_sdk.meta.actions import ActionLock
from soar_sdk.models.container import Container
from soar_sdk.params import OnPollParams
from soar_sdk.webhooks.models import WebhookRequest, WebhookResponse

from playbooks.hosts.soar.asset import Asset, Purpose
from playbooks.hosts.soar.containment_outputs import ContainmentRow, ContainmentSummary
from playbooks.hosts.soar.guarded import (
    FreshAssetApp,
    GuardedActions,
    answers_in_sentences,
    named,
    secrets_of,
)
from playbooks.hosts.soar.identity import APP_ID, APP_NAME
from playbooks.hosts.soar.later_client import connecting_later
from playbooks.hosts.soar.outputs import (
    DecisionRow,
    DecisionSummary,
    IpCheckRow,
    IpCheckSummary,
    LineageRow,
    LineageSummary,
    LookupRow,
    LookupSummary,
    ReenrichRow,
    ReenrichSummary,
    ResponseRow,
    ResponseSummary,
    RiskRow,
    RiskSummary,
    WriteBackRow,
    WriteBackSummary,
)
from playbooks.hosts.soar.params import (
    CheckIpParams,
    DecisionParams,
    IsolateParams,
    IsolationStatusParams,
    LineageParams,
    LookupIpParams,
    ReenrichParams,
    ReleaseParams,
    ResponseParams,
    RiskParams,
    UpdateNotableParams,
)
from playbooks.hosts.soar.redaction import without_secrets
from playbooks.hosts.soar.shapes import Output

if TYPE_CHECKING:
    from playbooks.hosts.soar.answers.answer import Answer

    Widget = dict[str, Any]
else:
    Widget = dict  # the SDK compares the annotation of a view with dict itself

#: Seconds that an order for a host waits for another one: the longest deadline a policy may have, and more.
ORDER_LOCK_S = 3900

with connecting_later():
    app = FreshAssetApp(
        name=APP_NAME,
        app_type="information",
        logo="logo.svg",
        logo_dark="logo_dark.svg",
        product_vendor="Splunk",
        product_name="Enterprise Security",
        publisher="regsvcs-response",
        appid=APP_ID,
        python_version="3.13",
        asset_cls=Asset,
    )
app.enable_webhooks(default_requires_auth=True, default_allowed_headers=["X-Webhook-Secret"])
# Before any decorator: each registers its action with the manager of the moment.
app.actions_manager = GuardedActions()


def _told[Row: Output, Summary: Output](
    soar: SOARClient[Summary], answer: "Answer[Row, Summary]"
) -> list[Row]:
    """Hand message and summary of an answer to the platform, and give its rows."""
    soar.set_message(answer.message)
    soar.set_summary(answer.summary)
    return answer.rows


def _state_folder() -> Path:
    """Where the platform lets this app keep files; it need not exist."""
    return Path(app.actions_manager.get_state_dir())


@app.test_connectivity()
@answers_in_sentences(purpose=None)
def test_connectivity(soar: SOARClient[Any], asset: Asset) -> None:
    """Say of each thing the asset configures whether it works, or what is missing."""
    del soar
    from playbooks.hosts.soar.connectivity import check_all, source_lines

    lines = source_lines(asset, _state_folder())
    secrets = secrets_of(asset)
    for line in lines:
        getLogger().info("%s", without_secrets(str(line), secrets))
    check_all(lines)


# --- check ip


@app.view_handler(template="widget_check_ip.html")
@named
def render_check_ip(outputs: list[IpCheckRow]) -> Widget:
    """The widget of check ip."""
    from actions.ip_facts import IpCheck
    from playbooks.hosts.soar.shown import shown
    from playbooks.report.widgets import check_ip_widget

    return shown(outputs, IpCheck, check_ip_widget)


@app.action(
    name="check ip",
    action_type="investigate",
    read_only=True,
    description="Say whether addresses are public, and which row of the IANA registries says so",
    verbose="Asks nobody and needs no key. Tells public, private, shared, documentation and other special"
    " addresses apart, judges the IPv4 inside mapped, NAT64, 6to4 and Teredo addresses, and names the"
    " organisation's own ranges of the policy. Use it first: what is not public needs no reputation look-up."
    " What is no address is named in the message, and the others are judged."
    " Its facts output is taken by assess risk.",
    view_handler=named(render_check_ip),
    params_class=CheckIpParams,
    summary_type=IpCheckSummary,
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def check_ip(params: CheckIpParams, soar: SOARClient[IpCheckSummary], asset: Asset) -> list[IpCheckRow]:
    """Judge addresses."""
    from playbooks.hosts.soar.answers.check_ip import answer

    return _told(soar, answer(params, asset))


# --- lookup ip


@app.view_handler(template="widget_lookup_ip.html")
@named
def render_lookup_ip(outputs: list[LookupRow]) -> Widget:
    """The widget of lookup ip."""
    from actions.reputation_facts import DestinationReputation
    from playbooks.hosts.soar.shown import shown
    from playbooks.report.widgets import lookup_widget

    return shown(outputs, DestinationReputation, lookup_widget)


@app.action(
    name="lookup ip",
    action_type="investigate",
    read_only=True,
    description="Ask reputation sources about addresses, and give one verdict each with its evidence",
    verbose="Asks all sources that the asset has a key for at once, and the lists on this machine, under one"
    " deadline. Nobody is asked about a private address, and no third party about one of the organisation's"
    " own ranges. Several sources that repeat one author count once; old reports and reports about scanners"
    " convict nobody; an address that many share is at most suspicious_shared. A source that fails is named,"
    " and never means clean. Answers are kept for the hours that each source allows (fresh asks anew). Its"
    " facts output is taken by assess risk.",
    view_handler=named(render_lookup_ip),
    params_class=LookupIpParams,
    summary_type=LookupSummary,
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def lookup_ip(params: LookupIpParams, soar: SOARClient[LookupSummary], asset: Asset) -> list[LookupRow]:
    """Look addresses up."""
    from playbooks.hosts.soar.answers.lookup_ip import answer

    return _told(soar, answer(params, asset, _state_folder()))


# --- get process lineage


@app.view_handler(template="widget_process_lineage.html")
@named
def render_process_lineage(outputs: list[LineageRow]) -> Widget:
    """The widget of get process lineage."""
    from playbooks.case_findings import CaseFindings
    from playbooks.hosts.soar.shown import shown
    from playbooks.report.widgets import lineage_widget

    return shown(outputs, CaseFindings, lineage_widget)


@app.action(
    name="get process lineage",
    action_type="investigate",
    read_only=True,
    description="Find the process behind a notable: its ancestors, children, and what else it did",
    verbose="The notable names no process id, so the process is found again by host, name, address and time."
    " One that is not found, or not exactly one that fits, is a success whose status says so: nothing is"
    " picked. Fails where no source is configured or the source does not answer. Source: the Sysmon logs that"
    " the asset names, or a log attached to the container (vault_id). Its facts output is taken by"
    " assess risk.",
    view_handler=named(render_process_lineage),
    params_class=LineageParams,
    summary_type=LineageSummary,
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def get_process_lineage(
    params: LineageParams, soar: SOARClient[LineageSummary], asset: Asset
) -> list[LineageRow]:
    """Find the process of a notable."""
    from playbooks.hosts.soar.answers.process_lineage import answer

    return _told(soar, answer(params, soar, asset))


# --- assess risk


@app.view_handler(template="widget_risk.html")
@named
def render_risk(outputs: list[RiskRow]) -> Widget:
    """The widget of assess risk."""
    from playbooks.case_steps import AssessedCase
    from playbooks.hosts.soar.shown import shown
    from playbooks.report.widgets import risk_widget

    return shown(outputs, AssessedCase, risk_widget)


@app.action(
    name="assess risk",
    action_type="investigate",
    read_only=True,
    description="Score a case, itemised, and give its verdict with the evidence",
    verbose="Takes the facts of get process lineage, check ip and lookup ip; asks no third party itself, so"
    " that an address without facts of lookup ip stays undetermined. Where the process look-up failed, give"
    " the notable and the message of the failure (process_problem): what is not known is listed, and neither"
    " raises nor lowers the score. The verdict is malicious, suspicious, likely_benign or undetermined; none"
    " of them closes a case. A program that no detection profile names is refused. Its facts output is taken"
    " by decide isolation.",
    view_handler=named(render_risk),
    params_class=RiskParams,
    summary_type=RiskSummary,
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def assess_risk(params: RiskParams, soar: SOARClient[RiskSummary], asset: Asset) -> list[RiskRow]:
    """Score cases."""
    from playbooks.hosts.soar.answers.risk import answer

    return _told(soar, answer(params, asset, _state_folder()))


# --- decide isolation


@app.view_handler(template="widget_decision.html")
@named
def render_decision(outputs: list[DecisionRow]) -> Widget:
    """The widget of decide isolation."""
    from playbooks.case import CaseReport
    from playbooks.hosts.soar.shown import shown
    from playbooks.report.widgets import decision_widget

    return shown(outputs, CaseReport, decision_widget)


@app.action(
    name="decide isolation",
    action_type="investigate",
    read_only=True,
    description="Say whether the host should be isolated, guard by guard, and what to ask a person",
    verbose="Decides and isolates nothing, and assesses the risk anew from the facts. Isolation is off"
    " unless the policy on the asset says otherwise; caller_mode can lower that, never raise it. Where the"
    " case may lead to isolation and the policy names an EDR, the host's state and this app's ledger are read"
    " for it. Gives every"
    " guard with what was found and what the policy asks for, the question for an analyst with its evidence"
    " (prompt), the whole report as a note, and the next steps.",
    view_handler=named(render_decision),
    params_class=DecisionParams,
    summary_type=DecisionSummary,
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def decide_isolation(
    params: DecisionParams, soar: SOARClient[DecisionSummary], asset: Asset
) -> list[DecisionRow]:
    """Decide about isolation."""
    from playbooks.hosts.soar.answers.decision import answer

    return _told(soar, answer(params, soar, asset, _state_folder()))


# --- respond to notable


@app.view_handler(template="widget_case.html")
@named
def render_case(outputs: list[ResponseRow]) -> Widget:
    """The widget of respond to notable."""
    from playbooks.case import CaseReport
    from playbooks.hosts.soar.shown import shown
    from playbooks.report.widgets import case_widget

    return shown(outputs, CaseReport, case_widget)


@app.action(
    name="respond to notable",
    action_type="investigate",
    read_only=True,
    description="Work a notable from the public check to the isolation decision, in one action",
    verbose="Runs check ip, lookup ip, get process lineage, assess risk and decide isolation in one"
    " go, with the same result as those actions one after the other. Without a notable the artifacts of this"
    " container are read, the oldest 10,000. What cannot be looked up is listed as unknown and stops"
    " nothing, and a case that fails is named and stops no other. Never isolates.",
    view_handler=named(render_case),
    params_class=ResponseParams,
    summary_type=ResponseSummary,
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def respond_to_notable(
    params: ResponseParams, soar: SOARClient[ResponseSummary], asset: Asset
) -> list[ResponseRow]:
    """Work a notable."""
    from playbooks.hosts.soar.answers.response import answer

    return _told(soar, answer(params, soar, asset, _state_folder()))


# --- reenrich case


@app.view_handler(template="widget_changes.html")
@named
def render_changes(outputs: list[ReenrichRow]) -> Widget:
    """The widget of reenrich case."""
    from playbooks.hosts.soar.shown import shown_changes

    return shown_changes(outputs)


@app.action(
    name="reenrich case",
    action_type="investigate",
    read_only=True,
    description="Look at cases again and say what has changed since the last look",
    verbose="Works the notables of this container, or of all open containers, anew and compares the result"
    " with the state kept of the last look. An unchanged case gives no note. A case is no longer looked at"
    " when a person has closed it, when the days of the policy are over, or when nothing changed for so many"
    " rounds. A kept state that this app cannot have written is named and not used. Writes nothing itself:"
    " the playbook regsvcs_reenrich does.",
    view_handler=named(render_changes),
    params_class=ReenrichParams,
    summary_type=ReenrichSummary,
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def reenrich_case(
    params: ReenrichParams, soar: SOARClient[ReenrichSummary], asset: Asset
) -> list[ReenrichRow]:
    """Look at cases again."""
    from playbooks.hosts.soar.answers.reenrichment import answer

    return _told(soar, answer(params, soar, asset, _state_folder()))


# --- update notable


@app.view_handler(template="widget_write_back.html")
@named
def render_write_back(outputs: list[WriteBackRow]) -> Widget:
    """The widget of update notable."""
    from playbooks.hosts.soar.shown import shown_write_back

    return shown_write_back(outputs)


@app.action(
    name="update notable",
    action_type="generic",
    read_only=False,
    description="Write what was found to the case's notables in Splunk, and its risk once",
    verbose="Each notable of the case gets a comment, and what the policy's [write_back] names. What a person"
    " has set stays: there the comment alone is written, and says so. Nothing is closed. The host's risk gets"
    " what the case's score exceeds the correlation search's by, once a case; the score is worked out anew"
    " from the facts. A case is written only where write_to_splunk is on; otherwise the rows say so, as"
    " they do without a section [splunk] in the policy. By hand: event_id and comment, and with them status,"
    " urgency, owner and disposition where wanted; this works whatever write_to_splunk says. event_id is"
    " the one of Enterprise Security: a container of Splunk's own app must carry it, in its artifact's cef"
    " as event_id or as its source_data_identifier, or there is no notable to write to.",
    view_handler=named(render_write_back),
    params_class=UpdateNotableParams,
    summary_type=WriteBackSummary,
    # One at a time on an asset: two at once would both find that nothing is written yet.
    lock=ActionLock(timeout=600),
)
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def update_notable(
    params: UpdateNotableParams, soar: SOARClient[WriteBackSummary], asset: Asset
) -> list[WriteBackRow]:
    """Write to notables."""
    from playbooks.hosts.soar.answers.notable_update import answer

    return _told(soar, answer(params, asset, _state_folder()))


# --- containment: on an asset of its own


@app.view_handler(template="widget_containment.html")
@named
def render_isolation(outputs: list[ContainmentRow]) -> Widget:
    """The widget of isolate host."""
    from playbooks.hosts.soar.shown import shown_containment

    return shown_containment(outputs)


@app.action(
    name="isolate host",
    action_type="contain",
    read_only=False,
    description="Isolate the host of a case once, and prove it; all guards are evaluated again first",
    verbose="Needs an asset of purpose contain, with a secret that may isolate. Reads host and state anew,"
    " evaluates every guard of the policy on this asset, writes the order down, calls the EDR once, and reads"
    " the state until it is proved or the policy's deadline_s is over: the action runs that long, so allow it"
    " the time. Succeeds only where isolation was read, observed or reported; anything else fails and says"
    " what is known. Run again, it goes on with its own order and calls nobody twice. approved_by is whoever"
    " approved it; empty, it isolates only where the policy's mode is auto. Nothing releases by itself.",
    view_handler=named(render_isolation),
    params_class=IsolateParams,
    summary_type=ContainmentSummary,
    # One order at a time for a host; the ledger holds where the platform's lock does not.
    lock=ActionLock(data_path="parameters.host", timeout=ORDER_LOCK_S),
)
@answers_in_sentences(purpose=Purpose.CONTAIN)
def isolate_host(
    params: IsolateParams, soar: SOARClient[ContainmentSummary], asset: Asset
) -> list[ContainmentRow]:
    """Isolate the host of a case."""
    from playbooks.hosts.soar.answers.isolate_host import answer

    return _told(soar, answer(params, soar, asset, _state_folder()))


@app.view_handler(template="widget_containment.html")
@named
def render_release(outputs: list[ContainmentRow]) -> Widget:
    """The widget of release host."""
    from playbooks.hosts.soar.shown import shown_containment

    return shown_containment(outputs)


@app.action(
    name="release host",
    action_type="correct",
    read_only=False,
    description="End the isolation of a host, and prove it; what others isolated stays, unless named",
    verbose="Needs an asset of purpose contain. The host is named by its name or agent id, its case, or the"
    " isolation's intent_id, and has to be exactly one. Calls the EDR once and reads the state until the"
    " release is proved or the policy's deadline_s is over. Kill switch and caps never stop a release. An"
    " isolation that somebody else made is released only with not_ours. For a day (quiet_hours of the policy)"
    " only a person has the host isolated again.",
    view_handler=named(render_release),
    params_class=ReleaseParams,
    summary_type=ContainmentSummary,
    lock=ActionLock(data_path="parameters.host", timeout=ORDER_LOCK_S),
)
@answers_in_sentences(purpose=Purpose.CONTAIN)
def release_host(
    params: ReleaseParams, soar: SOARClient[ContainmentSummary], asset: Asset
) -> list[ContainmentRow]:
    """Release a host."""
    from playbooks.hosts.soar.answers.release_host import answer

    return _told(soar, answer(params, soar, asset, _state_folder()))


@app.view_handler(template="widget_containment.html")
@named
def render_isolation_status(outputs: list[ContainmentRow]) -> Widget:
    """The widget of get isolation status."""
    from playbooks.hosts.soar.shown import shown_containment

    return shown_containment(outputs)


@app.action(
    name="get isolation status",
    action_type="investigate",
    read_only=True,
    description="Say how hosts stand: by this app's ledger, and by the EDR as it is asked now",
    verbose="Needs an asset of purpose contain. Without parameters: every isolation of this app that stands,"
    " with owner, reason and when it is to be looked at again, and every order that is not finished. An order"
    " whose run ended early is brought to its end in the ledger by what is read now; the EDR is only asked,"
    " never told. With host: also one that this app has not isolated. A case or intent_id whose order is over"
    " gives its end.",
    view_handler=named(render_isolation_status),
    params_class=IsolationStatusParams,
    summary_type=ContainmentSummary,
)
@answers_in_sentences(purpose=Purpose.CONTAIN)
def get_isolation_status(
    params: IsolationStatusParams, soar: SOARClient[ContainmentSummary], asset: Asset
) -> list[ContainmentRow]:
    """Say how hosts stand."""
    from playbooks.hosts.soar.answers.isolation_status import answer

    return _told(soar, answer(params, soar, asset, _state_folder()))


# --- polling


@app.on_poll()
@answers_in_sentences(purpose=Purpose.INVESTIGATE)
def on_poll(params: OnPollParams, soar: SOARClient[Any], asset: Asset) -> Iterator[Container]:
    """Fetch the next notables of Splunk, and keep each as a container once."""
    from playbooks.hosts.soar.poll import poll

    soar.set_message(poll(params, soar, asset))
    # All is kept by now: what the SDK keeps itself it does not look up first, and would double.
    return iter(())


# --- webhook


@app.webhook("notable", allowed_methods=["POST"])
@named
def notable(request: WebhookRequest[Asset], soar: SOARClient[Any]) -> WebhookResponse:
    """Take a notable: answered only once it is kept as a container, and kept once for each event_id."""
    from playbooks.hosts.soar.webhook import answer

    return answer(request, soar)
