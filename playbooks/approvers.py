"""Who may decide about isolation, and what is recorded of those who may not."""

from __future__ import annotations

from actions.isolation_policy import IsolationPolicy
from connectors.errors import InputError
from connectors.state.ledger import Ledger


def check_approver(
    name: str, policy: IsolationPolicy, ledger: Ledger, *, field: str, subject: str, wanted: str
) -> None:
    """Let only those decide who may; who else tried is recorded.

    Args:
        name: of the account.
        policy: names the approvers, or nobody.
        ledger: keeps the record.
        field: what to call the account in the error.
        subject: what it is about: a question, a case or an order.
        wanted: what was to be decided, for the record.

    Raises:
        InputError: the policy names others.
    """
    if policy.may_approve(name):
        return
    ledger.note("person_refused", subject=subject, by=name, data={"wanted": wanted})
    raise InputError(
        field, f"{name} is not among isolation.approvers", "One of them has to decide; nothing was changed"
    )
