"""Options that several commands of the command line share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

if TYPE_CHECKING:
    import click


class PlainGroup(TyperGroup):
    """Commands whose errors name no variable of the environment where an option has none."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        found = super().get_command(ctx, cmd_name)
        for each in found.params if found is not None else ():
            if isinstance(each, TyperOption) and each.envvar is None:
                each.show_envvar = False
        return found


class PlainCommand(TyperCommand):
    """Writes "[required]" in its help, which Typer escapes for a markup that is not read here."""

    def get_help(self, ctx: click.Context) -> str:
        """The help text."""
        return super().get_help(ctx).replace("\\[", "[")


Logs = Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help="Sysmon logs: files or folders.")]
Edr = Annotated[
    str,
    typer.Option(
        "--edr",
        metavar="NAME",
        help="The EDR to ask where no Sysmon log is given: crowdstrike, defender, elastic or sysmon_splunk; "
        "else the one of the settings.",
    ),
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, TOML.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile", metavar="NAME|FILE", help="Detection profile, repeatable; default: all shipped."
    ),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="Ask sources whose answers change within hours again, and not the cache.",
    ),
]
Ips = Annotated[list[str], typer.Argument(metavar="IP...", help="IPv4 or IPv6 addresses.")]
Reading = Annotated[
    str,
    typer.Option(
        "--semantics",
        metavar="escu|escu-15|strict",
        help="escu: the search as Splunk shipped it in version 7; escu-15: in version 15; strict, the "
        "default: a true public check of the peer.",
        show_default=False,  # Typer writes it with a backslash where no markup is read
    ),
]
