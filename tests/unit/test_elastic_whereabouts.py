"""Kibana's list of isolated hosts over several pages."""

from __future__ import annotations

import pytest

from connectors.edr.catalogue import EdrName
from connectors.edr.elastic import kibana, queries
from tests.edr_backends import BACKENDS, running
from tests.estate import Estate, EstateHost, host_id_of

ELASTIC = next(each for each in BACKENDS if each.name is EdrName.ELASTIC)


def _estate(number: int) -> Estate:
    return Estate(tuple(EstateHost(host_id_of(f"APP{n}"), f"APP{n}.corp.example") for n in range(number)))


@pytest.mark.parametrize(
    ("limit", "told", "pages"), [(200, 130, 2), (130, 130, 2), (129, 129, 2), (99, 99, 1)]
)
def test_every_page_up_to_the_limit_is_read(limit: int, told: int, pages: int) -> None:
    with running(ELASTIC, _estate(135)) as found:
        for record in found.fake.records[:130]:
            record["metadata"]["Endpoint"]["state"]["isolation"] = True
        hosts, complete = found.edr.isolated_hosts(limit=limit)
        assert len({each.host_id for each in hosts}) == told
        assert complete is (limit >= 130)
        assert found.fake.calls["GetEndpointMetadataList"] == pages
        assert set(found.fake.kueries) == {queries.ISOLATED_KUERY}


def test_pages_that_overlap_are_not_the_whole_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that moved to a page that was read already is missing."""
    monkeypatch.setattr(queries, "PAGE_HOSTS", 1)
    with running(ELASTIC, _estate(3)) as found:
        for record in found.fake.records:
            record["metadata"]["Endpoint"]["state"]["isolation"] = True
        honest = found.fake._list
        found.fake._list = lambda query: honest({**query, "page": ["0"]})
        hosts, complete = found.edr.isolated_hosts(limit=2)
        assert (len(hosts), complete) == (1, False)
        assert found.fake.calls["GetEndpointMetadataList"] == 3


def test_pages_without_end_are_given_up_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE_HOSTS", 1)
    monkeypatch.setattr(kibana, "MOST_PAGES", 2)
    with running(ELASTIC, _estate(9)) as found:
        for record in found.fake.records:
            record["metadata"]["Endpoint"]["state"]["isolation"] = True
        honest = found.fake._list
        found.fake._list = lambda query: honest({**query, "page": ["0"]})
        assert found.edr.isolated_hosts(limit=2)[1] is False
        assert found.fake.calls["GetEndpointMetadataList"] == 2 + 2
