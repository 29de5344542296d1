"""The command line. Thin: each command lives in a module of its own that is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
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

Logs = Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help="Sysmon logs: files or folders.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, TOML.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile", metavar="NAME|FILE", help="Detection profile, repeatable; default: all shipped."
    ),
]
Reading = Annotated[
    str,
    typer.Option(
        "--semantics",
        metavar="escu|strict",
        help="escu: the search as Splunk ships it; strict, the default: a true public check of the peer.",
        show_default=False,  # Typer writes it with a backslash where no markup is read
    ),
]


@app.command(
    epilog=(
        "Examples: regsvcs-response run --sysmon Sysmon.evtx | "
        "regsvcs-response run --notable notable.json --sysmon logs/ --out out | "
        "regsvcs-response run --notable - --json < notable.json"
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
            "--notable", metavar="FILE|-", help="Notables as JSON, repeatable; '-' is standard input."
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
    as_json: AsJson = False,
) -> None:
    """Work notables, or what a Sysmon log raises, up to the isolation decision."""
    from playbooks.hosts.commands import run as command

    command.run(
        logs=[*(sysmon or ()), *(more or ())],
        notables=notable or [],
        config=config,
        profiles=profile or [],
        semantics=semantics,
        out=out,
        as_json=as_json,
    )


@app.command(
    epilog=(
        "Examples: regsvcs-response detect Sysmon.evtx | "
        "regsvcs-response detect logs/ --semantics escu --json | "
        "regsvcs-response detect log.xml --profile regsvr32.toml"
    )
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
    epilog="Examples: regsvcs-response check-ip 8.8.8.8 ::ffff:10.0.0.1 | check-ip 2002:a00:1::1 --json",
)
def check_ip(
    ips: Annotated[list[str], typer.Argument(metavar="IP...", help="IPv4 or IPv6 addresses.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether addresses are public, and which registry row says so."""
    from playbooks.hosts.commands import check_ip as command

    command.run(ips=ips, config=config, as_json=as_json)


@app.command(
    epilog=(
        "Examples: regsvcs-response lineage Sysmon.evtx --host WS01 --process RegSvcs.exe | "
        "regsvcs-response lineage logs/ --host WS01 --guid 365ABB72-6759-5CD8-0000-0010E2D50F00 --json"
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
    guid: Annotated[str, typer.Option("--guid", metavar="GUID", help="Sysmon ProcessGuid.")] = "",
    peer: Annotated[str, typer.Option("--peer", metavar="IP", help="An address it was connected to.")] = "",
    at: Annotated[
        str, typer.Option("--at", metavar="TIME", help="When it was at work, ISO 8601 with an offset.")
    ] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find a process in Sysmon logs and print where it came from and what it did."""
    from playbooks.hosts.commands import lineage as command

    command.run(
        logs=[*(sysmon or ()), *(more or ())],
        host=host,
        process=process,
        guid=guid,
        peer=peer,
        at=at,
        config=config,
        as_json=as_json,
    )


def main() -> None:
    """Run the command line; the only place that turns errors into exit codes."""
    from playbooks.hosts.outcome import run_app

    run_app(app)
