"""The commands about isolation: answers, orders and what stands; each imports its own module."""

from __future__ import annotations

from typing import Annotated

import typer

from playbooks.hosts.cli_options import AsJson, Config, PlainCommand, PlainGroup

_HELP = {"help_option_names": ["-h", "--help"]}

commands = typer.Typer(rich_markup_mode=None)

lease = typer.Typer(
    cls=PlainGroup,
    help="Isolations that stand: when somebody has to look at them again.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog='Example: regsvcs-response lease extend WS01 --hours 12 --why "reinstalled tomorrow"',
    context_settings=_HELP,
)

Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, kept in the audit.")]
Edr = Annotated[
    str,
    typer.Option(
        "--edr",
        metavar="NAME",
        help="The EDR to ask: crowdstrike, defender or elastic; else the one the order is of, or that of the "
        "settings.",
    ),
]
Question = Annotated[
    str, typer.Argument(metavar="CASE|APPROVAL", help="The case that is asked about, or the question's id.")
]


@commands.command(
    cls=PlainCommand,
    epilog="Examples: regsvcs-response question case-0123456789abcdef | question ask-0123 --json",
)
def question(question: Question, config: Config = None, as_json: AsJson = False) -> None:
    """Show a question with the evidence that was kept with it, and how it is answered. No EDR is asked."""
    from playbooks.hosts.commands import question as command

    command.run(question, config=config, as_json=as_json)


@commands.command(
    cls=PlainCommand,
    epilog=(
        'Example: regsvcs-response approve case-0123456789abcdef --why "the user confirms it was not them". '
        "Exit code 1: the host is not isolated, because a guard stands in the way or the answer is too late, "
        "or it is not known whether it is. In JSON `outcome` tells what came of it, too_late for an answer "
        "that changed nothing, and containment.note why."
    ),
)
def approve(
    question: Question, why: Why, edr: Edr = "", config: Config = None, as_json: AsJson = False
) -> None:
    """Approve an isolation that is asked about: every guard is evaluated again, then the host is isolated."""
    from playbooks.hosts.commands import answer as command

    command.run(question, approve=True, why=why, edr_name=edr, config=config, as_json=as_json)


@commands.command(
    cls=PlainCommand,
    epilog=(
        'Example: regsvcs-response decline case-0123456789abcdef --why "a known installer". '
        "Exit code 1: the question was answered before, or expired."
    ),
)
def decline(
    question: Question, why: Why, edr: Edr = "", config: Config = None, as_json: AsJson = False
) -> None:
    """Decline an isolation that is asked about. Nothing is sent."""
    from playbooks.hosts.commands import answer as command

    command.run(question, approve=False, why=why, edr_name=edr, config=config, as_json=as_json)


@commands.command(
    cls=PlainCommand,
    epilog=(
        'Examples: regsvcs-response isolate case-0123456789abcdef --why "seen by IR" | '
        'isolate case-0123456789abcdef --despite score --despite verdict --why "seen by IR" --yes. '
        "Exit code 1: the host is not isolated, or it is not known whether it is."
    ),
)
def isolate(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case that an earlier run worked.")],
    why: Why,
    despite: Annotated[
        list[str] | None,
        typer.Option(
            "--despite",
            metavar="GUARD",
            help="A guard of the case's judgement that you decide against, repeatable; others always hold.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    edr: Edr = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Isolate the host of a case by hand; asks whether you are sure."""
    from playbooks.hosts.commands import isolate as command

    command.run(case, why=why, despite=despite or [], yes=yes, edr_name=edr, config=config, as_json=as_json)


@commands.command(
    epilog=(
        'Examples: regsvcs-response release WS01 --why "cleaned" | '
        'release case-0123456789abcdef --why "false alarm" | '
        'release --run run-20260924T074100Z-1a2b --why "a wrong threshold" | '
        'release WS07 --not-ours --edr defender --why "IR asks for it". '
        "Exit code 1: a host is not released, or it is not known whether it is."
    )
)
def release(
    target: Annotated[
        str,
        typer.Argument(
            metavar="[HOST|CASE|INTENT]", help="A host's name or agent id, a case, or the isolation's id."
        ),
    ] = "",
    why: Why = "",
    run_id: Annotated[
        str,
        typer.Option(
            "--run", metavar="RUN", help="Release every host that this run isolated, in their turn."
        ),
    ] = "",
    not_ours: Annotated[
        bool,
        typer.Option(
            "--not-ours", help="Release a host that somebody else isolated; its name must be exact."
        ),
    ] = False,
    edr: Edr = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """End the isolation of a host, or of all hosts of a run. Neither kill switch nor caps stop it."""
    from playbooks.hosts.commands import release as command

    command.run(
        target,
        run_id=run_id,
        not_ours=not_ours,
        why=why,
        edr_name=edr,
        config=config,
        as_json=as_json,
    )


@commands.command(
    epilog=(
        "Examples: regsvcs-response status | status --read --json. "
        "Without --read a state is the ledger's, of when the isolation was verified: JSON has how_known null "
        "then, and the text says (ledger). Nothing is made where there is no ledger; it is named, as new. "
        "With --read exit code 1: a host is not proved to be isolated as the ledger has it, could not be "
        "read, or an order is not finished or not known."
    )
)
def status(
    read: Annotated[
        bool,
        typer.Option(
            "--read",
            help="Ask the EDR how each host stands, those of unfinished orders too; a call for each.",
        ),
    ] = False,
    edr: Edr = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the isolations that stand, what is not finished or not known, and which questions are open."""
    from playbooks.hosts.commands import status as command

    command.run(read=read, edr_name=edr, config=config, as_json=as_json)


@commands.command(
    epilog=(
        "Examples: regsvcs-response reconcile | reconcile --edr defender --json. "
        "Exit code 1: something needs a person, or the EDR's list of isolated hosts could not be read."
    )
)
def reconcile(edr: Edr = "", config: Config = None, as_json: AsJson = False) -> None:
    """Compare the ledger with the EDR: finish what was begun, find strays. Isolates and releases nothing."""
    from playbooks.hosts.commands import reconcile as command

    command.run(edr_name=edr, config=config, as_json=as_json)


@commands.command(
    "kill-switch",
    cls=PlainCommand,
    epilog=(
        'Examples: regsvcs-response kill-switch on --why "outage" | kill-switch off --why "over" | '
        "kill-switch show"
    ),
)
def kill_switch(
    action: Annotated[str, typer.Argument(metavar="on|off|show", help="on stops all isolation at once.")],
    why: Why = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Stop all isolation, or let it go on. Releases are never stopped."""
    from playbooks.hosts.commands import stops as command

    command.kill_switch(action, why=why, config=config, as_json=as_json)


@commands.command(
    cls=PlainCommand,
    epilog='Examples: regsvcs-response breaker show | breaker close --why "the EDR answers again"',
)
def breaker(
    action: Annotated[str, typer.Argument(metavar="show|close", help="close lets isolation go on.")],
    why: Why = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show how many isolations in a row came to nothing; close the breaker after you have looked."""
    from playbooks.hosts.commands import stops as command

    command.breaker(action, why=why, config=config, as_json=as_json)


@commands.command(
    "close-intent",
    cls=PlainCommand,
    epilog=(
        'Examples: regsvcs-response close-intent iso-0123 --as failed --why "the console shows no action" | '
        'close-intent iso-0123 --as verified --why "seen on the host". '
        "Exit code 1: it is not closed, because what the EDR says does not allow it."
    ),
)
def close_intent(
    intent: Annotated[str, typer.Argument(metavar="INTENT", help="An order whose outcome is not known.")],
    end: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="failed|verified",
            help="verified only where the EDR's state proves it at this moment.",
        ),
    ],
    why: Why,
    edr: Edr = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Decide what became of an order whose outcome is not known. The EDR is asked once more first."""
    from playbooks.hosts.commands import close_intent as command

    command.run(intent, end=end, why=why, edr_name=edr, config=config, as_json=as_json)


@lease.command(
    "extend",
    cls=PlainCommand,
    epilog='Example: regsvcs-response lease extend WS01 --hours 12 --why "reinstalled tomorrow"',
)
def lease_extend(
    target: Annotated[str, typer.Argument(metavar="HOST|CASE", help="A host's name or agent id, or a case.")],
    hours: Annotated[
        int, typer.Option("--hours", metavar="N", min=1, max=720, help="From this moment, 1 to 720.")
    ],
    why: Why,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Set a later moment at which somebody has to look at an isolation again."""
    from playbooks.hosts.commands import lease as command

    command.extend(target, hours=hours, why=why, config=config, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    app.add_typer(commands)
    app.add_typer(lease, name="lease")
