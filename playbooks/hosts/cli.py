"""The command line. Thin: each command lives in a module of its own that is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from playbooks.hosts import cli_audit, cli_isolation
from playbooks.hosts.cli_options import (
    AsJson,
    Config,
    Edr,
    Fresh,
    Ips,
    Logs,
    PlainCommand,
    PlainGroup,
    Profiles,
    Reading,
)

app = typer.Typer(
    cls=PlainGroup,
    name="regsvcs-response",
    help=(
        "Respond to the notable 'Detect Regsvcs with Network Connection' (T1218.009): find the process "
        "again, its lineage and its evidence, score it, and say what would be isolated and why not.\n\n"
        "Exit codes: 0 done, 1 failed, 2 bad input or configuration, 130 interrupted."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

feeds = typer.Typer(
    cls=PlainGroup,
    help="Lists of addresses on this machine: download them, and see what is there.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Examples: regsvcs-response feeds update | regsvcs-response feeds list",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(feeds, name="feeds")
cli_isolation.register(app)
cli_audit.register(app)


@app.command(
    epilog=(
        "Examples: regsvcs-response run --sysmon Sysmon.evtx | "
        "regsvcs-response run --notable notable.json --sysmon logs/ --out out | "
        "regsvcs-response run --notable - --json < notable.json | "
        "regsvcs-response run --new --edr defender --out out --write-back | "
        "regsvcs-response run --notable notable.json --edr defender --mode shadow. "
        "Exit code 1: a notable is not in Splunk, one of --new could not be worked (the EDR fails; the next "
        "run takes it again), something could not be written back, or an isolation of this run failed or is "
        "not known. An EDR that fails for a named notable "
        "costs the lineage alone, is told, and ends with 0."
    )
)
def run(
    more: Logs = None,
    sysmon: Annotated[
        list[Path] | None, typer.Option("--sysmon", metavar="PATH...", help="Sysmon logs: files or folders.")
    ] = None,
    notable: Annotated[
        list[str] | None,
        typer.Option(
            "--notable",
            metavar="FILE|-",
            help="Notables as JSON, CSV or XML; repeatable; '-' is standard input.",
        ),
    ] = None,
    config: Config = None,
    profile: Profiles = None,
    semantics: Reading = "strict",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help=(
                "Write each case as a page, as JSON and as Markdown here, with an index.html over them; "
                "unusable notables are kept in DIR/rejected."
            ),
        ),
    ] = None,
    no_lookup: Annotated[
        bool,
        typer.Option(
            "--no-lookup", help="Ask nobody about addresses, and read no list of addresses on this machine."
        ),
    ] = False,
    fresh: Fresh = False,
    edr: Edr = "",
    event_id: Annotated[
        list[str] | None,
        typer.Option(
            "--event-id",
            metavar="ID",
            help="A notable of Splunk's, repeatable: event_id, finding id or SID+RID.",
        ),
    ] = None,
    new: Annotated[
        bool,
        typer.Option(
            "--new",
            help="Take the next notables of Splunk since the last run with this --out DIR, which keeps them "
            "and how far it came; with those of the last 7 days that could not be worked.",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="Of --new: this many at most; default 100."),
    ] = None,
    write_back: Annotated[
        bool,
        typer.Option(
            "--write-back",
            help="Comment on each case's notables in Splunk and add its risk; without it nothing is written "
            "there. With --new also for those of the last 7 days that earlier runs only showed.",
        ),
    ] = False,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="off|shadow|approve|auto",
            help="How far isolation may go at most, where an EDR is asked; default approve. The lowest of "
            "this, the policy and the site counts, and the policy is off unless it is set.",
            show_default=False,
        ),
    ] = "approve",
    as_json: AsJson = False,
) -> None:
    """Work notables, or what a Sysmon log raises; ask about isolation, or isolate, as the policy allows."""
    from playbooks.hosts.commands import run as command
    from playbooks.hosts.commands.run_options import SplunkOptions

    command.run(
        logs=[*(sysmon or ()), *(more or ())],
        notables=notable or [],
        splunk=SplunkOptions(event_id or (), new=new, limit=limit, write_back=write_back),
        config=config,
        profiles=profile or [],
        semantics=semantics,
        out=out,
        lookup=not no_lookup,
        fresh=fresh,
        edr_name=edr,
        as_json=as_json,
        mode=mode,
    )


@app.command(
    cls=PlainCommand,
    epilog=(
        "Examples: regsvcs-response detect Sysmon.evtx | "
        "regsvcs-response detect logs/ --semantics escu --json | "
        "regsvcs-response detect log.xml --profile regsvr32.toml"
    ),
)
def detect(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Sysmon logs: files or folders.")],
    profile: Profiles = None,
    semantics: Reading = "strict",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Run the analytic over Sysmon logs."""
    from playbooks.hosts.commands import detect as command

    command.run(logs=paths, profiles=profile or [], semantics=semantics, config=config, as_json=as_json)


@app.command(
    "check-ip",
    cls=PlainCommand,
    epilog="Examples: regsvcs-response check-ip 8.8.8.8 ::ffff:10.0.0.1 | check-ip 2002:a00:1::1 --json",
)
def check_ip(
    ips: Ips,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether addresses are public, and which registry row says so."""
    from playbooks.hosts.commands import check_ip as command

    command.run(ips=ips, config=config, as_json=as_json)


@app.command(
    cls=PlainCommand,
    epilog=(
        "Examples: regsvcs-response reputation 8.8.8.8 | reputation 8.8.8.8 1.1.1.1 --explain | "
        "reputation 8.8.8.8 --fresh --json. Exit code 1: no source gave a usable answer about an address; "
        "2: a key cannot be read, and the other sources were asked."
    ),
)
def reputation(
    ips: Ips,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Add votes and their weight, roles and why, and who was not asked."),
    ] = False,
    fresh: Fresh = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Look addresses up: a verdict, and what it rests on. Only public addresses of others leave here."""
    from playbooks.hosts.commands import reputation as command

    command.run(ips=ips, explain=explain, fresh=fresh, config=config, as_json=as_json)


@feeds.command(
    "update",
    epilog=(
        "Example: regsvcs-response feeds update. "
        "Exit code 1: a feed could not be updated, and its last good copy stays, or has no usable copy."
    ),
)
def feeds_update(config: Config = None, as_json: AsJson = False) -> None:
    """Download every feed whose time has come."""
    from playbooks.hosts.commands import feeds as command

    command.update(config=config, as_json=as_json)


@feeds.command("list", epilog="Example: regsvcs-response feeds list --json. Exit code 1: a copy is broken.")
def feeds_list(config: Config = None, as_json: AsJson = False) -> None:
    """Show each feed's copy on this machine: age, size, entries, licence."""
    from playbooks.hosts.commands import feeds as command

    command.show(config=config, as_json=as_json)


@app.command(
    epilog=(
        "Examples: regsvcs-response doctor | doctor --config settings.toml --json. "
        "Exit code 1: something that is configured fails."
    )
)
def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Check settings, keys, sources, EDRs, Splunk and folders. Asks each whether it works, and no more."""
    from playbooks.hosts.commands import doctor as command

    command.run(config=config, as_json=as_json)


@app.command(
    "deploy-detection",
    epilog=(
        "Examples: regsvcs-response deploy-detection | deploy-detection --profile regasm --apply | "
        "deploy-detection --generation 7 --without-es --json. Exit code 1: Splunk refused, or the saved "
        "search has changed meanwhile, is newer, or is of no known generation."
    ),
)
def deploy_detection(
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME|FILE", help="Detection profile.", show_default=True)
    ] = "regsvcs",
    name: Annotated[
        str,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the clone, never one of ESCU's; default: regsvcs-response - TITLE - Rule.",
        ),
    ] = "",
    generation: Annotated[
        int | None,
        typer.Option(
            "--generation",
            metavar="7|15",
            help="Generation of the analytic, by its version; default: the profile's latest.",
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the difference; without it, it is only shown.")
    ] = False,
    without_es: Annotated[
        bool, typer.Option("--without-es", help="Leave out what only Enterprise Security understands.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show how a clone of the analytic differs from what is in Splunk and from ESCU's; --apply writes it."""
    from playbooks.hosts.commands import deploy_detection as command

    command.run(
        profile=profile,
        name=name,
        generation=generation,
        apply=apply,
        with_es=not without_es,
        config=config,
        as_json=as_json,
    )


@app.command(
    epilog=(
        "Examples: regsvcs-response lineage Sysmon.evtx --host WS01 --process RegSvcs.exe | "
        "regsvcs-response lineage logs/ --host WS01 --guid 365ABB72-6759-5CD8-0000-0010E2D50F00 --json | "
        "regsvcs-response lineage --edr sysmon_splunk --host WS01 --process RegSvcs.exe"
    )
)
def lineage(
    more: Logs = None,
    sysmon: Annotated[
        list[Path] | None, typer.Option("--sysmon", metavar="PATH...", help="Sysmon logs: files or folders.")
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="Host name, short or full.")] = "",
    process: Annotated[
        str, typer.Option("--process", metavar="NAME", help="Image name, such as RegSvcs.exe.")
    ] = "",
    guid: Annotated[
        str,
        typer.Option(
            "--guid",
            metavar="GUID",
            help="Sysmon ProcessGuid. An EDR with ids of its own is asked by --process, --at and --peer.",
        ),
    ] = "",
    peer: Annotated[str, typer.Option("--peer", metavar="IP", help="An address it was connected to.")] = "",
    at: Annotated[
        str, typer.Option("--at", metavar="TIME", help="When it was at work, ISO 8601 with an offset.")
    ] = "",
    edr: Edr = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find a process in Sysmon logs or by an EDR and print where it came from and what it did."""
    from playbooks.hosts.commands import lineage as command

    command.run(
        logs=[*(sysmon or ()), *(more or ())],
        host=host,
        process=process,
        guid=guid,
        peer=peer,
        at=at,
        edr_name=edr,
        config=config,
        as_json=as_json,
    )


@app.command(
    cls=PlainCommand,
    epilog=(
        "Examples: regsvcs-response backtest logs/ --policy policy.toml | "
        "backtest logs/ --policy policy.toml --against stricter.toml --out backtest.html | "
        "backtest notable.json Sysmon.evtx --policy policy.toml --assume workstation --json. "
        "Exit code 2: a notable was rejected; the others were judged."
    ),
)
def backtest(
    policy: Annotated[
        Path,
        typer.Option(
            "--policy", metavar="FILE", help="Settings, TOML: the policy that is judged.", show_default=False
        ),
    ],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...",
            help="Sysmon logs, files or folders, and notables as JSON; the content tells which it is.",
        ),
    ] = None,
    notable: Annotated[
        list[str] | None,
        typer.Option(
            "--notable",
            metavar="FILE|-",
            help="Notables as JSON, CSV or XML; repeatable; '-' is standard input.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="A second policy: show what it decides differently."),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume",
            metavar="workstation|priority|address",
            help="Repeatable: take for granted, where it is not known, that a host is a workstation; that no "
            "asset list ranks it so that it is protected; that its address in a notable was its own.",
        ),
    ] = None,
    delay: Annotated[
        float,
        typer.Option(
            "--delay", metavar="MINUTES", help="From the last connection of a case to its decision."
        ),
    ] = 5,
    run_per_case: Annotated[
        bool,
        typer.Option(
            "--run-per-case", help="Count each case as a run of its own; without it all are one run."
        ),
    ] = False,
    profile: Profiles = None,
    semantics: Reading = "strict",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", help="Write the whole as a page, with a chart."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a policy would have isolated, and which guard stopped what. Nobody is asked."""
    from playbooks.hosts.commands import backtest as command

    command.run(
        paths=paths or [],
        notables=notable or [],
        policy=policy,
        against=against,
        assume=assume or [],
        delay=delay,
        run_per_case=run_per_case,
        profiles=profile or [],
        semantics=semantics,
        out=out,
        as_json=as_json,
    )


def main() -> None:
    """Run the command line; the only place that turns errors into exit codes."""
    from playbooks.hosts.outcome import run_app

    run_app(app)
