"""Who ran the process: what the notables say, beside what the process's own record says."""

from __future__ import annotations

from typing import NamedTuple

from actions.case_facts import NamedCase
from connectors.facts.account import same_account

#: How a source writes that it knows no user.
_NO_USER = frozenset({"", "-"})


class CaseUsers(NamedTuple):
    """The users of a case, with their domains as given.

    Attributes:
        said: by the notables, each once, in their order.
        own: by the process's own record; "" if unknown.
    """

    said: tuple[str, ...]
    own: str

    @property
    def others(self) -> tuple[str, ...]:
        """Those a notable names although the process's own record names another account."""
        return tuple(each for each in self.said if self.own and not same_account(each, self.own))

    @property
    def all(self) -> tuple[str, ...]:
        """Each account once; that of the process's own record first where a notable contradicts it."""
        return (self.own, *self.said) if self.own and len(self.others) == len(self.said) else self.said


def users_of(case: NamedCase) -> CaseUsers:
    """The users of a case."""
    own = case.lineage.target.user.strip() if case.lineage is not None else ""
    said = dict.fromkeys(each.user for each in case.notables if each.user)
    return CaseUsers(tuple(said), "" if own in _NO_USER else own)
