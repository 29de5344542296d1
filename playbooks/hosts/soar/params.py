"""What the actions ask for. Descriptions are shown in the form and in the playbook editor."""

from enum import StrEnum

from soar_sdk.params import Param

from playbooks.hosts.soar.shapes import ActionParams

_IP = ["ip", "ipv6"]

_VAULT = "Vault id of a Sysmon log attached to this container; empty: the logs that the asset names"
_MODE = "The highest isolation mode this run may reach; the policy may lower it, never raise it"
_NOTABLE = "The notable as JSON: of Enterprise Security, an artifact, a search result; one or a list"


class CallerMode(StrEnum):
    """Isolation modes a caller may allow. Where isolation can come of it, the policy alone may say auto."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"


class Scope(StrEnum):
    """Which cases are looked at again."""

    THIS_CONTAINER = "this container"
    OPEN_CASES = "open cases"


#: What leaves it to the policy how far to go: for the actions on the way to an isolation.
AUTO = "auto"

_MODES = [each.value for each in CallerMode]
_ALL_MODES = [*_MODES, AUTO]
_HOST = "Host, as the case or the EDR names it, or the id of its agent"


class CheckIpParams(ActionParams):
    """Parameters of check ip."""

    ip: str = Param(
        description="Address to judge, IPv4 or IPv6, also as notes write it (8.8.8[.]8); several separated by"
        " commas",
        primary=True,
        cef_types=_IP,
        allow_list=True,
        column_name="Address",
    )


class LookupIpParams(ActionParams):
    """Parameters of lookup ip."""

    ip: str = Param(
        description="Address to look up, IPv4 or IPv6, also as notes write it (8.8.8[.]8); several separated"
        " by commas",
        primary=True,
        cef_types=_IP,
        allow_list=True,
        column_name="Address",
    )
    fresh: bool = Param(
        required=False,
        default=False,
        description="Ask sources whose answer changes within hours anew, past the answers kept of earlier"
        " look-ups. Uses up their quota",
    )


class LineageParams(ActionParams):
    """Parameters of get process lineage."""

    notable: str | None = Param(description=f"{_NOTABLE}. Empty: host, process_name, ip and user are used")
    host: str | None = Param(
        description="Host the process ran on, where no notable is given",
        primary=True,
        cef_types=["host name"],
        column_name="Host",
    )
    process_name: str = Param(
        required=False,
        default="RegSvcs.exe",
        description="File name of the process",
        cef_types=["process name"],
    )
    ip: str | None = Param(
        description="Address it talked to; tells processes of one name apart", cef_types=_IP
    )
    user: str | None = Param(description="User it ran as", cef_types=["user name"])
    vault_id: str | None = Param(description=_VAULT, cef_types=["vault id"])


class RiskParams(ActionParams):
    """Parameters of assess risk."""

    notable: str | None = Param(description=f"{_NOTABLE}. Used where process_facts is empty")
    ip_facts: str | None = Param(
        description="facts output of check ip; one, or a JSON list of them. Others are checked here"
    )
    reputation_facts: str | None = Param(
        description="facts output of lookup ip; one, or a JSON list of them. Nobody is asked here: an address"
        " without them stays undetermined"
    )
    process_facts: str | None = Param(
        description="facts output of get process lineage; one, or a JSON list of them"
    )
    process_problem: str | None = Param(
        description="Message of a failed get process lineage; listed as unknown, and lowers nothing"
    )


class DecisionParams(ActionParams):
    """Parameters of decide isolation."""

    case_facts: str = Param(description="facts output of assess risk; one, or a JSON list of them")
    caller_mode: str = Param(
        required=False, default=CallerMode.APPROVE.value, value_list=_ALL_MODES, description=_MODE
    )


class ResponseParams(ActionParams):
    """Parameters of respond to notable."""

    notable: str | None = Param(description=f"{_NOTABLE}. Empty: the artifacts of this container are read")
    vault_id: str | None = Param(description=_VAULT, cef_types=["vault id"])
    caller_mode: str = Param(
        required=False, default=CallerMode.APPROVE.value, value_list=_MODES, description=_MODE
    )


class ReenrichParams(ActionParams):
    """Parameters of reenrich case."""

    scope: str = Param(
        required=False,
        default=Scope.THIS_CONTAINER.value,
        value_list=[each.value for each in Scope],
        description="Which cases: those of this container, or of all open ones, the longest unseen first",
    )
    vault_id: str | None = Param(description=_VAULT, cef_types=["vault id"])
    caller_mode: str = Param(
        required=False, default=CallerMode.APPROVE.value, value_list=_MODES, description=_MODE
    )


class UpdateNotableParams(ActionParams):
    """Parameters of update notable."""

    case_facts: str | None = Param(
        description="facts output of decide isolation, respond to notable or reenrich case; one, or a JSON"
        " list of them. Empty: event_id and comment are used"
    )
    event_id: str | None = Param(
        description="event_id of one notable, to write to it by hand: give comment with it, and no"
        " case_facts",
        primary=True,
        cef_types=["splunk notable event id"],
        column_name="Notable",
    )
    comment: str | None = Param(
        description="What is written to the notable of event_id. It is your own will, so it is written also"
        " where write_to_splunk is off"
    )
    status: str | None = Param(
        description="Label of the status, such as In Progress. Empty: that of the policy, with case_facts"
    )
    urgency: str | None = Param(
        description="informational, low, medium, high or critical. Empty: that of the policy, with case_facts"
    )
    owner: str | None = Param(description="Owner. Empty: that of the policy, with case_facts")
    disposition: str | None = Param(
        description="Label or id of the disposition. Empty: that of the policy, with case_facts"
    )


class IsolateParams(ActionParams):
    """Parameters of isolate host."""

    host: str = Param(
        description="Host of the case, as decide isolation names it. Refused where case_facts are about"
        " another one",
        primary=True,
        cef_types=["host name"],
        column_name="Host",
    )
    case_facts: str = Param(
        description="facts output of decide isolation, assess risk or respond to notable, of one case"
    )
    approved_by: str | None = Param(
        description="Who approved it, by the name of the account. Empty: the policy alone decides, which"
        " isolates in mode auto only",
        cef_types=["user name"],
        column_name="Approved by",
    )
    why: str | None = Param(description="Why, in the words of whoever approved it")
    caller_mode: str = Param(
        required=False, default=CallerMode.APPROVE.value, value_list=_ALL_MODES, description=_MODE
    )


class ReleaseParams(ActionParams):
    """Parameters of release host."""

    host: str | None = Param(
        description=f"{_HOST}. Empty: case_id or intent_id say which",
        primary=True,
        cef_types=["host name"],
        column_name="Host",
    )
    case_id: str | None = Param(description="Case whose isolated host is released")
    intent_id: str | None = Param(description="Isolation that is ended, by its id in the ledger")
    released_by: str = Param(
        description="Who wants it, by the name of the account",
        cef_types=["user name"],
        column_name="Released by",
    )
    why: str = Param(description="Why the host may be reached again")
    not_ours: bool = Param(
        required=False,
        default=False,
        description="Release host also where this app has not isolated it. Whoever did it had a reason",
    )


class IsolationStatusParams(ActionParams):
    """Parameters of get isolation status."""

    host: str | None = Param(
        description=f"{_HOST}. All empty: every isolation of this app that stands or is not finished",
        primary=True,
        cef_types=["host name"],
        column_name="Host",
    )
    case_id: str | None = Param(description="Case whose host is meant")
    intent_id: str | None = Param(description="Isolation or release, by its id in the ledger")
