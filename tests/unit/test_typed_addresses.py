"""Addresses as our notes write them are read back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playbooks.report.display import defang
from playbooks.typed_addresses import as_typed


@given(st.ip_addresses().map(str))
def test_what_a_note_shows_can_be_given_to_a_command(ip: str) -> None:
    assert defang(ip) != ip
    assert as_typed(defang(ip)) == ip
    assert as_typed(ip) == ip
