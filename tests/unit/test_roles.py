"""Who of the two ends of a notable is the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.addresses import canonical_ip
from connectors.facts.host import same_host_name
from connectors.facts.notable import DestMeaning, Direction
from connectors.siem.roles import Ends, Named, Roles, different_hosts, roles_of

OWN, PEER = "10.20.4.17", "149.154.167.220"
FAR = "mail.attacker.example"


def ends(**held: object) -> Ends:
    """The ends of a connection from OWN to PEER."""
    fields: dict[str, object] = {"src_ip": OWN, "dest_ips": (PEER,)}
    for name, value in held.items():
        is_name = isinstance(value, str) and name not in {"src_ip", "direction", "user"}
        fields[name] = Named(name, (str(value),)) if is_name else value
    return Ends(**fields)  # type: ignore[arg-type]  # built by name


OUT, IN = Direction.OUTBOUND, Direction.INBOUND
MACHINE, FOR_PEER, UNTOLD = DestMeaning.MACHINE, DestMeaning.PEER, DestMeaning.UNTOLD


@pytest.mark.parametrize(
    ("given_ends", "expected"),
    [
        pytest.param(
            ends(computer="WS01", dest=FAR),
            Roles("WS01", (), "computer", FOR_PEER, (FAR,)),
            id="dvc, dest the peer",
        ),
        pytest.param(
            ends(computer="WS01", dest=PEER),
            Roles("WS01", (), "computer", FOR_PEER),
            id="dvc, dest an address",
        ),
        pytest.param(
            ends(computer="WS01.corp.example", dest="ws01.corp.example"),
            Roles("WS01.corp.example", (), "computer", MACHINE),
            id="dvc and dest alike",
        ),
        pytest.param(
            ends(computer="WS01", dest=OWN),
            Roles("WS01", (), "computer", MACHINE),
            id="dest is its own address",
        ),
        pytest.param(
            ends(source="WS01.corp.example", dest=FAR, direction=OUT),
            Roles("WS01.corp.example", (), "source", FOR_PEER, (FAR,)),
            id="src of an outbound connection",
        ),
        pytest.param(
            ends(source="WS01", dest=FAR),
            Roles("", (), "", UNTOLD),
            id="src where the direction is not known",
        ),
        pytest.param(
            ends(source=FAR, dest="WS01", direction=IN, src_ip=PEER, dest_ips=(OWN,)),
            Roles("WS01", (), "dest", MACHINE, (FAR,)),
            id="inbound turns round",
        ),
        pytest.param(
            ends(computer="WS01", source=FAR, dest=OWN, direction=IN, src_ip=PEER, dest_ips=(OWN,)),
            Roles("WS01", (), "computer", MACHINE, (FAR,)),
            id="inbound with dvc",
        ),
        pytest.param(ends(dest=FAR), Roles("", (), "", UNTOLD), id="a dest that nothing explains"),
        pytest.param(ends(dest=FAR, user="amira"), Roles("", (), "", UNTOLD), id="a user without a domain"),
        pytest.param(
            ends(dest="WS01", user="CORP\\amira"),
            Roles("WS01", (), "dest", MACHINE),
            id="a user with a domain",
        ),
        pytest.param(
            ends(dest="WS01", computer_is_dest=True, peer=FAR),
            Roles("WS01", (), "dest", MACHINE, (FAR,)),
            id="version 2 made dest of Computer",
        ),
        pytest.param(
            ends(dest=FAR, peer=FAR, user="CORP\\amira"), Roles("", (), "", UNTOLD), id="both say it"
        ),
        pytest.param(
            ends(dest=FAR, peer=FAR), Roles("", (), "", FOR_PEER, (FAR,)), id="dest is the peer's name"
        ),
        pytest.param(ends(dest=PEER), Roles("", (), "", FOR_PEER), id="dest is the peer's address"),
        pytest.param(ends(dest="10.9.9.9"), Roles("", (), "", UNTOLD), id="dest is another address"),
        pytest.param(
            ends(dest="10.9.9.9", dest_ips=()), Roles("", (), "", UNTOLD), id="an address and no dest_ip"
        ),
        pytest.param(
            ends(device="COLLECTOR", dest="WS01", user="CORP\\amira"),
            Roles("WS01", ("COLLECTOR",), "dest and device", MACHINE),
            id="two that disagree",
        ),
        pytest.param(
            ends(device="WS01", dest=FAR, user="amira"),
            Roles("WS01", (), "device", FOR_PEER, (FAR,)),
            id="deviceHostname alone",
        ),
        pytest.param(ends(collector="WS01"), Roles("WS01", (), "collector", UNTOLD), id="orig_host alone"),
        pytest.param(
            ends(collector="WEC01", dest=FAR), Roles("", (), "", UNTOLD), id="orig_host beside dest"
        ),
        pytest.param(
            Ends(computer=Named("dvc", ("WS01", "WS02"))), Roles("WS01", ("WS02",), "dvc"), id="two computers"
        ),
    ],
)
def test_who_is_who(given_ends: Ends, expected: Roles) -> None:
    assert roles_of(given_ends)._replace(enriched=(), doubtful=False) == expected


NAMES = st.sampled_from(["WS01", "ws01.corp.example", "WS02", FAR, PEER, OWN, "10.9.9.9"])
SOME = st.lists(NAMES, max_size=2, unique=True).map(lambda texts: Named("f", tuple(texts)))


@given(
    st.builds(
        Ends,
        computer=st.just(Named()),
        device=st.just(Named()),
        collector=st.just(Named()),
        computer_is_dest=st.booleans(),
        source=SOME,
        dest=SOME,
        peer=SOME,
        src_ip=st.sampled_from([None, OWN, PEER]),
        dest_ips=st.sampled_from([(), (PEER,), (OWN,)]),
        direction=st.sampled_from(Direction),
        user=st.sampled_from(["", "amira", "CORP\\amira"]),
    )
)
def test_the_peer_is_never_the_machine(ends: Ends) -> None:
    """Neither its address nor a name that a field gives it, where no field of the computer speaks."""
    roles = roles_of(ends)
    inbound = ends.direction is Direction.INBOUND
    far = {ends.src_ip} if inbound else set(ends.dest_ips)
    far_names = ends.source.texts if inbound else ends.peer.texts
    for machine in (roles.machine, *roles.others):
        assert canonical_ip(machine) is None or machine not in far
        if not inbound and not ends.computer_is_dest and ends.direction is not Direction.OUTBOUND:
            assert not any(same_host_name(machine, name) for name in far_names if canonical_ip(name) is None)
    assert not any(same_host_name(roles.machine, name) for name in roles.peer_names)
    assert (roles.machine == "") == (roles.field == "")


def test_spellings_of_one_host_are_one() -> None:
    assert different_hosts(["WS01", "ws01.corp.example", "WS02", "10.0.0.1"]) == ("ws01.corp.example", "WS02")
    assert different_hosts(["10.0.0.1", "10.0.0.1"]) == ("10.0.0.1",)


@pytest.mark.parametrize(
    ("given_ends", "meaning"),
    [
        pytest.param(ends(dest=f"::ffff:{PEER}"), FOR_PEER, id="the peer's address, mapped"),
        pytest.param(ends(dest=PEER, dest_ips=(f"::ffff:{PEER}",)), FOR_PEER, id="the mapped one in dest_ip"),
        pytest.param(ends(dest=f"::ffff:{OWN}"), MACHINE, id="its own address, mapped"),
        pytest.param(
            ends(dest="WS09", source="ws09.far.example", direction=IN, src_ip=PEER, dest_ips=(OWN,)),
            UNTOLD,
            id="inbound, and dest is called as the other end",
        ),
        pytest.param(ends(computer="WS01", dest="ws01.far.example"), UNTOLD, id="a full name of a short one"),
        pytest.param(
            ends(computer="WS01.corp.example", dest="ws01"), UNTOLD, id="a short name of a full one"
        ),
        pytest.param(ends(dest=Named("dest", (PEER, "149.154.167.221"))), UNTOLD, id="one address of two"),
    ],
)
def test_what_the_owner_of_the_peers_address_may_write(given_ends: Ends, meaning: DestMeaning) -> None:
    roles = roles_of(given_ends)
    assert roles.dest_meaning is meaning
    assert roles.machine in ("", "WS01", "WS01.corp.example")
    assert "dest" not in roles.enriched


def test_only_the_domain_of_the_user_makes_it_doubtful() -> None:
    assert roles_of(ends(dest="WS01", user="CORP\\amira")).doubtful
    assert not roles_of(ends(dest="WS01", user="amira@corp.example")).machine
    assert not roles_of(ends(dest="WS01", computer_is_dest=True)).doubtful
    assert not roles_of(ends(computer="WS01", dest="WS01", user="CORP\\amira")).doubtful


def test_whose_enrichment_is_the_machines() -> None:
    assert roles_of(ends(computer="WS01", dest=FAR, direction=OUT)).enriched == ("dvc", "src")
    assert roles_of(ends(computer="WS01", dest="WS01")).enriched == ("dvc", "dest")
    assert roles_of(Ends(computer=Named("dvc", ("WS01", "WS02")))).enriched == ()
