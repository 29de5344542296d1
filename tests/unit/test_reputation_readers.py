"""Every reader against any JSON: typed answers about the address asked for, or an error of ours."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import AuthRejected, BadResponse
from connectors.facts.reputation import SourceAnswer, SourceStatus
from connectors.reputation.abuseipdb import read_abuseipdb
from connectors.reputation.answering import MAX_DETAIL
from connectors.reputation.greynoise import read_greynoise, read_greynoise_community
from connectors.reputation.misp import read_misp
from connectors.reputation.otx import read_otx
from connectors.reputation.stix_indicators import build_index
from connectors.reputation.threatfox import read_threatfox
from connectors.reputation.urlhaus import read_urlhaus
from connectors.reputation.virustotal import read_virustotal
from tests.fakes.reputation_servers import (
    ABUSEIPDB,
    COMMUNITY,
    GREYNOISE,
    IP,
    MISP,
    OTX,
    TAXII,
    THREATFOX,
    URLHAUS,
    VIRUSTOTAL,
)

NOW = datetime(2026, 1, 3, tzinfo=UTC)

type Reader = Callable[[object, str, datetime], tuple[SourceAnswer, ...]]

READERS: dict[str, tuple[Reader, object]] = {
    "virustotal": (read_virustotal, VIRUSTOTAL),
    "abuseipdb": (read_abuseipdb, ABUSEIPDB),
    "greynoise_community": (read_greynoise_community, COMMUNITY),
    "greynoise_paid": (read_greynoise, GREYNOISE),
    "otx": (read_otx, OTX),
    "threatfox": (read_threatfox, THREATFOX),
    "urlhaus": (read_urlhaus, URLHAUS),
    "misp": (read_misp, MISP),
}

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["x" * 5_000, "\u202e\x1b[31m<script>", 10**30, -1, "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: object) -> list[tuple[object, ...]]:
    """The path to every value inside a JSON value."""
    children: list[tuple[object, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [(), *((key, *rest) for key, child in children for rest in places(child))]


def with_junk(body: object, path: tuple[object, ...], value: object) -> object:
    """A copy of the body with one value replaced."""
    if not path:
        return value
    changed = copy.deepcopy(body)
    inner: object = changed
    for key in path[:-1]:
        inner = inner[key]  # type: ignore[index]  # the path was found in this value
    inner[path[-1]] = value  # type: ignore[index]  # likewise
    return changed


def holds(reader: Reader, body: object) -> None:
    try:
        answers = reader(body, IP, NOW)
    except (BadResponse, AuthRejected) as error:
        message = error.message
        assert len(message) <= MAX_DETAIL
        return
    assert answers
    for answer in answers:
        assert answer.ip == IP
        assert answer.status in {SourceStatus.OK, SourceStatus.NOT_FOUND}
        assert answer.last_seen is None or answer.last_seen <= NOW
        assert 0 < len(answer.detail) <= MAX_DETAIL
        assert answer.detail.isascii()
        assert answer.detail.isprintable()
        assert "<script>" not in answer.evidence_url


@pytest.mark.parametrize("name", list(READERS))
@settings(max_examples=60)
@given(body=junk)
def test_any_json(name: str, body: object) -> None:
    holds(READERS[name][0], body)


@pytest.mark.parametrize("name", list(READERS))
@settings(max_examples=75)
@given(data=st.data())
def test_a_documented_answer_with_one_value_replaced(name: str, data: st.DataObject) -> None:
    reader, body = READERS[name]
    path = data.draw(st.sampled_from(places(body)))
    holds(reader, with_junk(body, path, data.draw(junk)))


@pytest.mark.parametrize("name", list(READERS))
def test_the_documented_answer_itself(name: str) -> None:
    reader, body = READERS[name]
    holds(reader, body)


@settings(max_examples=75)
@given(data=st.data())
def test_a_collection_with_one_value_replaced(data: st.DataObject) -> None:
    objects = TAXII["objects"]
    changed = with_junk(objects, data.draw(st.sampled_from(places(objects)[1:])), data.draw(junk))
    assert isinstance(changed, list)
    index = build_index("taxii", changed, now=NOW)
    assert 0 <= index.indicators <= 3
