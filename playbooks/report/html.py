"""The templates as pages of their own: escaped throughout, no script, and a policy that allows none.

The same templates are rendered by the SOAR SDK for the widgets. It escapes only files that end in .html,
so every template and partial does.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


@cache
def environment() -> Environment:
    """Escapes everything and refuses a name that is not given; blanks as the SDK has them."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, context: Mapping[str, object]) -> str:
    """A whole page with its style and its content security policy."""
    style, policy = _style()
    return environment().get_template(template).render(**context, style=style, policy=policy)


@cache
def _style() -> tuple[Markup, str]:
    """The text of the one style element, and a policy that allows it by its hash and nothing else."""
    text = environment().get_template("parts/page_style.html").render().strip()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'none'; script-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    return Markup(text), policy  # noqa: S704  our own style sheet; no text of a case is in it
