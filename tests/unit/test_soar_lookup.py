"""`lookup ip`, and what the other actions make of it, through app.handle with vendors on this machine."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.check_ip import check_ip
from actions.reputation_facts import DestinationReputation
from connectors.facts.health import Health
from connectors.http.deadline import Deadline
from connectors.siem.notable import parse_notables
from playbooks.case import CaseReport
from playbooks.case_steps import AssessedCase
from playbooks.hosts.soar import reenrich_case, sources_of_reputation
from playbooks.hosts.soar.answers import decision, response, risk
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.sources_of_reputation import reputation_for, reputation_settings
from playbooks.settings import Settings
from playbooks.source_checks import check_all
from tests.fakes.http_server import Answer, Seen
from tests.reputation_builders import RecordingSource
from tests.soar_app import ActionAnswer, app, run_action
from tests.soar_platform import Platform
from tests.soar_reputation import KEYS, NOW, Vendors, vendors
from tests.unit.test_soar_actions import APPROVE, CASES, asset_of, facts, notable_of, one, untimed

PEER = "149.154.167.220"  # many share it
RENTED = "45.9.148.108"

#: Sources whose quota is counted: uncounted they are not asked.
LIMITED = ("AbuseIPDB", "GreyNoise", "VirusTotal")

NOTABLE = json.dumps({"dest": "WS01", "process_name": "regsvcs.exe", "dest_ip": RENTED, "event_id": "e1"})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The platform's home, for one test."""
    monkeypatch.setenv("PHANTOM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (risk, decision, response, reenrich_case, sources_of_reputation):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)


@pytest.fixture
def asked() -> Iterator[Vendors]:
    with vendors(RENTED) as running:
        yield running


def asset_with(asked: Vendors, policy: str = "", **fields: object) -> dict[str, object]:
    return {**asked.fields, "policy": policy + asked.policy, **fields}


def looked_up(ip: str, asset: dict[str, object], **more: object) -> ActionAnswer:
    (answer,) = run_action("lookup ip", [{"ip": ip, **more}], asset=asset)
    assert answer.status, answer.message
    return answer


def test_every_source_is_asked_with_the_key_of_its_field(asked: Vendors) -> None:
    answer = looked_up(RENTED.replace(".", "[.]"), asset_with(asked))
    row: Any = one([answer])
    assert (row["ip"], row["verdict"]) == (RENTED, "malicious")
    online = {"virustotal", "abuseipdb", "greynoise", "otx", "threatfox", "urlhaus", "misp", "taxii"}
    assert online <= set(row["answered"])
    assert (row["failed"], set(row["not_configured"]) & online) == ([], set())
    assert [server.strangers for server in asked.values()] == [0] * len(asked)
    assert any(
        each.startswith("abuse.ch ThreatFox: ") and "(seen 2026-01-01)" in each for each in row["evidence"]
    )
    assert row["would_change"]
    assert answer.summary == {
        "looked_up": 1,
        "malicious": 1,
        "suspicious": 0,
        "undetermined": 0,
        "worst_verdict": "malicious",
    }
    assert answer.message.startswith(f"{RENTED}: malicious. ")
    found = facts(row, DestinationReputation)
    assert (found.ip, found.verdict, found.decided_at) == (RENTED, "malicious", NOW)


def test_answers_are_kept_for_the_next_action_and_fresh_asks_anew(asked: Vendors, home: Path) -> None:
    asset = asset_with(asked)
    looked_up(RENTED, asset)
    times = len(asked["virustotal"].asked)
    looked_up(RENTED, asset)
    assert len(asked["virustotal"].asked) == times == 1
    looked_up(RENTED, asset, fresh=True)
    assert len(asked["virustotal"].asked) == 2
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert kept
    assert all("reputation" in path.relative_to(home).parts for path in kept if path.suffix != ".json")
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in kept)


def test_nobody_is_asked_about_what_is_private_and_no_third_party_about_ones_own(asked: Vendors) -> None:
    own = '[organisation]\nranges = ["45.9.148.0/24"]\n'
    answer = looked_up(f"10.0.0.1, {RENTED}, nonsense", asset_with(asked, own))
    private, public = answer.data
    assert (private["verdict"], private["asked"]) == ("undetermined", [])
    assert private["reason"] == "It is not public (Private-Use, RFC 1918); reputation does not apply."
    # A collection is fetched whole, and so hears of no address.
    assert public["asked"] == ["iporigin", "misp_warninglists", "taxii"]
    assert "It is the organisation's own address: no third party was asked." in public["reason"]  # type: ignore[operator]  # a list
    assert asked.asked == set()
    assert answer.message.endswith(" 1 of 3 could not be judged: 'nonsense'.")


def test_a_private_address_is_called_not_public(asked: Vendors) -> None:
    asset = asset_with(asked)
    said = looked_up("10.0.0.1", asset).message
    assert said.startswith("10.0.0.1: not public. It is not public (Private-Use, RFC 1918)")
    assert looked_up("10.0.0.1, fe80::1", asset).message == (
        "None of 2 addresses is public: nobody was asked."
    )
    mixed = looked_up(f"10.0.0.1, {RENTED}", asset).message
    assert mixed == (
        "1 of 1 address malicious or suspicious; the worst is malicious. 1 more is not public: nobody was"
        " asked."
    )
    assert asked.asked == {RENTED}


def test_the_message_headlines_a_persons_word(asked: Vendors) -> None:
    override = (
        f'[[reputation.policy.overrides]]\ntarget = "{RENTED}"\ndecision = "allow"\nreason = "update mirror"'
        '\nowner = "SOC"\nexpires = 2026-12-31T00:00:00Z\n'
    )
    said = looked_up(RENTED, asset_with(asked, override)).message
    assert "allowed by SOC (update mirror); by the sources: malicious" in said


def test_with_nothing_configured_it_says_so_and_asks_nobody(home: Path) -> None:
    row = one([looked_up(RENTED, {})])
    assert row["verdict"] == "undetermined"
    assert {"virustotal", "threatfox", "misp", "taxii"} <= set(row["not_configured"])
    found = facts(row, DestinationReputation)
    details = {each.source: each.detail for each in found.answers}
    assert details["virustotal"] == "Fill virustotal_key on the asset"
    assert details["urlhaus"] == "Fill abusech_key on the asset"
    assert details["misp"] == "Fill misp_url and misp_key on the asset"
    assert details["taxii"] == "Fill taxii_url on the asset"
    assert not list(home.rglob("*.sqlite*"))


def test_failing_sources_are_named_and_the_action_succeeds(asked: Vendors) -> None:
    for server in asked.values():
        server.fails = True
    answer = looked_up(RENTED, asset_with(asked))
    row: Any = one([answer])
    assert row["verdict"] == "undetermined"
    assert "VirusTotal: error" in row["failed"]
    first = "abuse.ch ThreatFox, abuse.ch URLhaus, AbuseIPDB, AlienVault OTX, GreyNoise"
    assert f"No answer from {first} and 3 more." in answer.message


@pytest.mark.parametrize(
    ("ip", "said"),
    [
        ("nonsense", "ip: 'nonsense' is not an IP address"),
        (" , ", "ip: names no address"),
        (",".join(f"8.8.{n}.1" for n in range(201)), "ip: names 201 addresses, more than 200"),
    ],
)
def test_no_address_is_a_failure(ip: str, said: str) -> None:
    (answer,) = run_action("lookup ip", [{"ip": ip}])
    assert not answer.status
    assert answer.message.startswith(f"Action failure in lookup ip: {said}")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("misp_url", "http://misp.corp.example/", "misp_url: must begin with https:// (http:// only to this"),
        (
            "misp_url",
            "https://u:planted-word@misp.corp.example/",
            "misp_url: holds a user name or a password. Wr",
        ),
        ("misp_url", "https://misp.corp.example/\x00planted", "misp_url: is not a URL. Write the address"),
        ("misp_url", "https://misp.corp.example:0/planted", "misp_url: is not a URL. Write the address"),
        ("misp_url", "https://misp.corp.example/%00planted", "misp_url: is not a URL. Write the address"),
        ("taxii_url", "https://taxii.corp.example/%0d%0aX-Planted:1", "taxii_url: is not a URL. Write the"),
        ("taxii_url", f"https://{'planted.' * 32}example/", "taxii_url: is not a URL. Write the address"),
        ("taxii_url", "nonsense", "taxii_url: is not a URL. Write the address alone"),
        ("virustotal_key", "planted-\u00e9-word", "virustotal_key: has characters that no key has"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_without_its_value(field: str, value: str, said: str) -> None:
    for action, name, given in (("lookup ip", "ip", RENTED), ("respond to notable", "notable", NOTABLE)):
        (answer,) = run_action(action, [{name: given}], asset={field: value})
        assert not answer.status
        assert answer.message.startswith(f"Action failure in {action}: {said}")
        assert "planted" not in answer.message


def test_the_assets_address_wins_over_the_policys(asked: Vendors) -> None:
    policy = asked.policy.replace(asked["misp"].url, "https://other.example")
    looked_up(RENTED, {**asked.fields, "policy": policy})
    assert asked["misp"].asked == [RENTED]


def test_a_folder_that_cannot_be_written_costs_the_sources_with_a_limit_and_no_other_that_is_asked(
    asked: Vendors, home: Path
) -> None:
    state = Path(app.actions_manager.get_state_dir())
    assert home in state.parents
    state.mkdir(parents=True)
    (state / "reputation").write_text("no folder", encoding="utf-8")
    row: Any = one([looked_up(RENTED, asset_with(asked))])
    assert row["verdict"] == "malicious"
    assert {f"{each}: error" for each in LIMITED} <= set(row["failed"])
    assert {"otx", "threatfox", "urlhaus", "misp", "taxii"} <= set(row["answered"])
    assert asked["virustotal"].asked == []


def test_without_a_folder_sources_with_a_limit_are_not_asked_and_nothing_is_written(
    asked: Vendors, home: Path
) -> None:
    asset = Asset.model_validate(asset_with(asked))
    settings = settings_of(asset)
    with reputation_for(asset, settings) as reputation:
        for _ in range(2):
            found = reputation.look_up([check_ip(RENTED)])[RENTED]
    assert found.verdict == "malicious"
    failed = {each.source: each.detail for each in found.coverage.failed}
    assert set(failed) == {"abuseipdb", "greynoise", "virustotal"}
    assert all(each.startswith("not asked: the quota file cannot be used") for each in failed.values())
    assert asked["virustotal"].asked == []
    assert list(home.iterdir()) == []
    mine = settings.model_copy(
        update={"reputation": settings.reputation.model_copy(update={"folder": home / "mine"})}
    )
    assert reputation_settings(asset, mine, state_folder=home).folder == home / "mine"


# --- test connectivity


def connected(asset: dict[str, object], capfd: pytest.CaptureFixture[str]) -> tuple[ActionAnswer, list[str]]:
    capfd.readouterr()
    (answer,) = run_action("test connectivity", [], asset=asset)
    out, err = capfd.readouterr()
    return answer, [line.removeprefix("\x1b[0m").removesuffix("\x1b[0m") for line in (out + err).split("\n")]


def test_each_source_says_whether_its_key_is_good(asked: Vendors, capfd: pytest.CaptureFixture[str]) -> None:
    answer, lines = connected(asset_with(asked, virustotal_key="another-key-0123456789", otx_key=""), capfd)
    assert not answer.status
    assert answer.message.startswith("Action failure in test connectivity: VirusTotal: credential rejected: ")
    assert "AbuseIPDB" not in answer.message
    states = {line.partition(": ")[0]: line.partition(": ")[2].partition(";")[0] for line in lines}
    ok = ("AbuseIPDB", "GreyNoise", "abuse.ch ThreatFox", "abuse.ch URLhaus", "MISP", "TAXII collection")
    assert {name: states[name] for name in ok} == dict.fromkeys(ok, "ok")
    assert states["VirusTotal"] == "wrong"
    assert "AlienVault OTX: not configured; fill otx_key on the asset" in lines
    assert states["MISP warninglists"] == states["iporigin"] == "ok"
    assert asked.asked == set()


def test_a_key_in_a_version_or_title_is_not_told(asked: Vendors, capfd: pytest.CaptureFixture[str]) -> None:
    echoed = []
    for name, told in (("misp", '"2.5.0"'), ("taxii", '"Indicators"')):
        server = asked[name]
        key, decide = server._key, server._decide
        assert decide is not None

        def echoing(
            seen: Seen, key: str = key, told: str = told, decide: Callable[[Seen], Answer] = decide
        ) -> Answer:
            answer = decide(seen)
            body = answer.body.decode().replace(told, json.dumps(key))
            echoed.append(key in body)
            return answer._replace(body=body.encode())

        server._decide = echoing
    answer, lines = connected(asset_with(asked), capfd)
    assert echoed.count(True) == 2
    told = "\n".join([answer.message, *lines])
    for name in ("misp", "taxii"):
        assert asked[name]._key not in told
        assert asked[name]._key.rpartition(":")[2] not in told
    assert "[secret]" in told


def test_a_wrong_field_is_one_wrong_line(capfd: pytest.CaptureFixture[str]) -> None:
    answer, lines = connected({"misp_url": "http://misp.corp.example"}, capfd)
    said = "misp_url: must begin with https:// (http:// only to this machine)."
    assert answer.message.startswith(f"Action failure in test connectivity: reputation sources: {said}")
    assert any(line.startswith("Sysmon logs: not configured") for line in lines)


def test_a_key_that_the_policy_does_not_use_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    policy = '[reputation.sources]\nenabled = ["otx"]\n'
    answer, lines = connected({"virustotal_key": "some-key-0123456789", "policy": policy}, capfd)
    assert answer.status
    detail = "it has a key, and the policy's reputation.sources.enabled leaves it out"
    assert f"VirusTotal: not configured; {detail}" in lines
    assert not any(line.startswith("AbuseIPDB") for line in lines)


def test_a_source_that_hangs_or_breaks_delays_no_other() -> None:
    until = threading.Event()

    class Hangs(RecordingSource):
        def check(self) -> Health:
            until.wait(60)
            return super().check()

    class Breaks(RecordingSource):
        def check(self) -> Health:
            raise ValueError("planted-word")

    found = check_all(
        [Hangs("hangs"), RecordingSource("works"), Breaks("breaks")],
        Deadline.after(0.2),
        late="did not answer in time.",
    )
    until.set()
    assert [each.state for each in found] == ["failed", "ok", "failed"]
    assert found[0].detail.startswith("did not answer in time.")
    assert found[2].detail == "failed unexpectedly (ValueError)"


# --- assess risk


def test_facts_of_a_look_up_are_used_and_nobody_is_asked_again(asked: Vendors) -> None:
    asset = asset_with(asked)
    reputation_facts = one([looked_up(RENTED, asset)])["facts"]
    requests = [len(server.seen) for server in asked.values()]
    given: dict[str, object] = {"notable": NOTABLE, "reputation_facts": json.dumps([reputation_facts])}
    row = one(run_action("assess risk", [given], asset=asset))
    assert row["destination_verdict"] == "malicious"
    (destination,) = facts(row, AssessedCase).facts.destinations
    assert destination.reputation is not None
    without = one(run_action("assess risk", [{"notable": NOTABLE}], asset=asset))
    (destination,) = facts(without, AssessedCase).facts.destinations
    assert destination.verdict == "undetermined"
    assert destination.verdict_reason == "not looked up: no reputation_facts were given for it"
    assert [len(server.seen) for server in asked.values()] == requests


def test_lists_on_this_machine_are_read_for_roles_without_a_look_up() -> None:
    notable = json.dumps({**json.loads(NOTABLE), "dest_ip": PEER})
    row = one(run_action("assess risk", [{"notable": notable}]))
    (destination,) = facts(row, AssessedCase).facts.destinations
    assert "caps_at_shared" in {each.effect for each in destination.roles}


def test_facts_of_a_look_up_that_no_case_needs_are_named() -> None:
    other = one([looked_up("8.8.8.8", {})])["facts"]
    (answer,) = run_action("assess risk", [{"notable": NOTABLE, "reputation_facts": other}])
    assert answer.message.endswith(" reputation_facts of 8.8.8.8 were not used: no case here talked to it.")


@pytest.mark.parametrize("failed_first", [True, False])
def test_a_failed_look_up_of_the_same_address_lowers_nothing(asked: Vendors, *, failed_first: bool) -> None:
    bad = one([looked_up(RENTED, asset_with(asked))])["facts"]
    nothing = one([looked_up(f"::ffff:{RENTED}", {})])["facts"]
    both = [nothing, bad] if failed_first else [bad, nothing]
    row = one(run_action("assess risk", [{"notable": NOTABLE, "reputation_facts": json.dumps(both)}]))
    assert row["destination_verdict"] == "malicious"


def test_answers_about_another_address_are_refused(asked: Vendors) -> None:
    changed = one([looked_up(RENTED, asset_with(asked))])["facts"].replace(RENTED, "8.8.8.8", 1)
    (answer,) = run_action("assess risk", [{"notable": NOTABLE, "reputation_facts": changed}])
    assert not answer.status
    assert "reputation_facts: holds an answer about another address than" in answer.message


def test_facts_of_the_future_are_refused(asked: Vendors) -> None:
    document = json.loads(one([looked_up(RENTED, asset_with(asked))])["facts"])
    document["facts"]["decided_at"] = "8999-01-01T00:00:00Z"
    given: dict[str, object] = {"notable": NOTABLE, "reputation_facts": json.dumps(document)}
    (answer,) = run_action("assess risk", [given])
    assert not answer.status
    assert "was looked up in the future" in answer.message


def test_an_answer_about_a_private_address_is_none(asked: Vendors) -> None:
    document = one([looked_up(RENTED, asset_with(asked))])["facts"].replace(RENTED, "10.0.0.9")
    notable = json.dumps({**json.loads(NOTABLE), "dest_ip": "10.0.0.9"})
    row = one(run_action("assess risk", [{"notable": notable, "reputation_facts": document}]))
    assert row["destination_verdict"] == "undetermined"


# --- all actions


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("logs", [True, False])
@pytest.mark.parametrize("sources", [True, False])
def test_one_action_gives_the_same_report_as_the_five(
    examples: Path, asked: Vendors, name: str, *, logs: bool, sources: bool
) -> None:
    notable = notable_of(examples, name)
    asset: dict[str, object] = asset_of(examples, name) if logs else {}
    asset |= asset_with(asked, APPROVE) if sources else {"policy": APPROVE}
    whole = facts(one(run_action("respond to notable", [{"notable": notable}], asset=asset)), CaseReport)

    addresses = ", ".join(each.ip for each in whole.facts.destinations)
    (checked,) = run_action("check ip", [{"ip": addresses}], asset=asset)
    parameters: dict[str, object] = {"ip_facts": json.dumps([row["facts"] for row in checked.data])}
    (found,) = run_action("get process lineage", [{"notable": notable}], asset=asset)
    assert found.status is logs
    named = parse_notables(notable, settings=Settings().notable).notables
    peers = {each.peer_ip for each in named if each.peer_ip is not None}
    if found.status:
        parameters["process_facts"] = found.data[0]["facts"]
        peers |= set(found.data[0]["peers"])  # type: ignore[call-overload]  # a list of addresses
    else:
        parameters |= {"notable": notable, "process_problem": found.message}
    if peers:
        looked = looked_up(",".join(sorted(peers)), asset)
        parameters["reputation_facts"] = json.dumps([row["facts"] for row in looked.data])
    assessed = one(run_action("assess risk", [parameters], asset=asset))
    decided = one(run_action("decide isolation", [{"case_facts": assessed["facts"]}], asset=asset))
    assert untimed(facts(decided, CaseReport)) == untimed(whole)


def test_peers_are_the_addresses_to_look_up(examples: Path) -> None:
    for name in CASES:
        row = one(
            run_action(
                "get process lineage",
                [{"notable": notable_of(examples, name)}],
                asset=asset_of(examples, name),
            )
        )
        (risk_row,) = run_action("assess risk", [{"process_facts": row["facts"]}])[0].data
        external = [
            each.ip for each in facts(risk_row, AssessedCase).facts.destinations if each.check.external
        ]
        assert row["peers"] == external


def test_a_case_looked_at_again_tells_a_new_verdict_and_a_failure_lowers_nothing(asked: Vendors) -> None:
    platform = Platform()
    number = platform.add_container()
    platform.add_artifact(number, json.loads(NOTABLE))

    def look(asset: dict[str, object]) -> Any:
        run = {"container_id": number, "session": "session", "asset": asset}
        row = one(run_action("reenrich case", [{}], **run))  # type: ignore[arg-type]  # named above
        if row["state"]:
            platform.add_artifact(number, {"regsvcsState": row["state"]}, label="regsvcs_case")
        return row

    with platform.running():
        assert look({})["changes"] == []
        bad = look(asset_with(asked))
        for server in asked.values():
            server.fails = True
        failed = look(asset_with(asked))
    assert f"destination {RENTED}: undetermined before, malicious now" in bad["changes"]
    assert bad["changed"] is True
    assert len(asked["virustotal"].seen) == 2  # the second look asked past what was kept
    assert (failed["case_verdict"], failed["score"]) == (bad["case_verdict"], bad["score"])
    assert not any("malicious before" in each for each in failed["changes"])


def test_a_round_asks_about_an_address_once_whatever_the_number_of_its_cases(asked: Vendors) -> None:
    platform = Platform()
    for _ in range(3):
        number = platform.add_container()
        platform.add_artifact(number, {**json.loads(NOTABLE), "event_id": f"e{number}"})
    with platform.running():
        for at in range(1, 4):
            row: Any = one(run_action("reenrich case", [{}], container_id=at, session="session"))
            platform.add_artifact(at, {"regsvcsState": row["state"]}, label="regsvcs_case")
        (answer,) = run_action(
            "reenrich case", [{"scope": "open cases"}], asset=asset_with(asked), session="session"
        )
    assert answer.summary["cases"] == 3
    assert asked["virustotal"].asked == [RENTED]


@pytest.mark.parametrize("fails", [False, True])
def test_keys_are_nowhere_but_in_the_requests(
    asked: Vendors, home: Path, capfd: pytest.CaptureFixture[str], *, fails: bool
) -> None:
    for server in asked.values():
        server.fails = fails
    asset = asset_with(asked)
    shown = [looked_up(f"{RENTED},8.8.8.8", asset, fresh=fails)]
    shown += run_action("assess risk", [{"notable": NOTABLE}], asset=asset)
    shown += run_action("respond to notable", [{"notable": NOTABLE}], asset=asset)
    shown += run_action("test connectivity", [], asset=asset)
    out, err = capfd.readouterr()
    told = json.dumps([each._asdict() for each in shown]) + out + err
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert any(path.stat().st_size for path in files)
    for key in [*KEYS.values(), KEYS["taxii_key"].partition(":")[2]]:
        assert key not in told
        assert [path.name for path, held in files.items() if key.encode() in held] == []
