"""The commands about the audit: verify it, write it out, tell where it ends."""

from __future__ import annotations

from typing import Annotated

import typer

from playbooks.hosts.cli_options import AsJson, Config, PlainGroup

audit = typer.Typer(
    cls=PlainGroup,
    help="What was decided and done about hosts, in an order that cannot be changed unseen.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Examples: regsvcs-response audit verify | audit export audit.jsonl | audit head",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@audit.command(
    "verify",
    epilog=(
        "Examples: regsvcs-response audit verify | audit verify audit.jsonl --head head.txt | "
        "audit verify --head 41:9f86... Exit code 1: a line was changed, deleted, put in or moved, or lines "
        "were cut off."
    ),
)
def audit_verify(
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="An exported audit; default: the ledger's own.")
    ] = "",
    head: Annotated[
        str,
        typer.Option(
            "--head",
            metavar="NUMBER:DIGEST|FILE",
            help="A head that was kept elsewhere: without one, lines that are cut off the end do not show.",
        ),
    ] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check that no line of the audit was changed, deleted or moved."""
    from playbooks.hosts.commands import audit as command

    command.verify(file, head=head, config=config, as_json=as_json)


@audit.command("export", epilog="Examples: regsvcs-response audit export audit.jsonl | audit export -")
def audit_export(
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="A new file; '-' is standard output, the default.")
    ] = "-",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write the audit, one line of JSON for each of its lines."""
    from playbooks.hosts.commands import audit as command

    command.export(file, config=config, as_json=as_json)


@audit.command(
    "head", epilog="Example: regsvcs-response audit head > head.txt, kept where nobody of this machine writes"
)
def audit_head(config: Config = None, as_json: AsJson = False) -> None:
    """Print where the audit ends, as NUMBER:DIGEST."""
    from playbooks.hosts.commands import audit as command

    command.head(config=config, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    app.add_typer(audit, name="audit")
