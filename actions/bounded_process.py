"""Lineage and evidence of a process in a size that can be handed on, whatever a log holds."""

from __future__ import annotations

from collections.abc import Sequence

from actions.long_text import is_long, shortened, shortened_path
from connectors.facts.notable import Notable
from connectors.facts.process import Connection, Lineage, Process, ProcessEvidence

#: Pairs of ends kept of a process's connections; the notables' own come first.
CONNECTIONS_KEPT = 1000


def bounded_lineage(lineage: Lineage) -> tuple[Lineage, int]:
    """The lineage with long texts of siblings and children cut, and how many of their command lines were.

    Target and ancestors, a few processes, stay as logged.
    """
    relatives = (*lineage.siblings, *lineage.children)
    cut = sum(is_long(each.command_line) for each in relatives)
    handy = lineage.model_copy(
        update={
            "siblings": tuple(_shortened(each) for each in lineage.siblings),
            "children": tuple(_shortened(each) for each in lineage.children),
        }
    )
    return handy, cut


def _shortened(process: Process) -> Process:
    directory, parent_line = process.current_directory, process.parent_command_line
    texts = (process.command_line, parent_line, directory, process.user, process.integrity)
    behind = process.effective_parent
    behind_image = behind.image if behind is not None else ""
    paths = (process.ref.image, process.parent_image, process.original_file_name, behind_image)
    if not any(is_long(each) for each in (*texts, *paths)):
        return process
    return process.model_copy(
        update={
            "ref": process.ref.model_copy(update={"image": shortened_path(process.ref.image)}),
            "command_line": None if process.command_line is None else shortened(process.command_line),
            "current_directory": shortened(directory),
            "user": shortened(process.user),
            "integrity": shortened(process.integrity),
            "original_file_name": shortened_path(process.original_file_name),
            "parent_image": shortened_path(process.parent_image),
            "effective_parent": None
            if behind is None
            else behind.model_copy(update={"image": shortened_path(behind.image)}),
            "parent_command_line": None if parent_line is None else shortened(parent_line),
        }
    )


def bounded_evidence(evidence: ProcessEvidence, notables: Sequence[Notable]) -> ProcessEvidence:
    """The evidence with CONNECTIONS_KEPT connections at most: the notables' own, then the first ones."""
    found = evidence.connections
    if len(found) <= CONNECTIONS_KEPT:
        return evidence
    own_first = sorted(range(len(found)), key=lambda at: not _is_of(found[at], notables))
    kept = tuple(found[at] for at in sorted(own_first[:CONNECTIONS_KEPT]))
    return evidence.model_copy(update={"connections": kept, "truncated": True})


def _is_of(connection: Connection, notables: Sequence[Notable]) -> bool:
    return any(
        connection.dest_ip == each.dest_ip and each.src_ip in (None, connection.src_ip) for each in notables
    )
