"""Secrets from the environment: a variable, or a file that a variable of the same name with _FILE names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from connectors.errors import ConfigError

#: What the variable that names a file ends with.
IN_FILE = "_FILE"

#: Characters of a secret at most; a bearer token of an identity provider has a few thousand.
MAX_SECRET = 8192


def secret_of(environ: Mapping[str, str], variable: str) -> SecretStr | None:
    """The secret of a variable, or of the file that VARIABLE_FILE names; None when neither is set.

    Args:
        environ: such as os.environ. An empty variable counts as not set.
        variable: its name.

    Raises:
        ConfigError: both are set, the file cannot be read or is empty, or the secret has a character that no
            header may hold. The secret itself is never in the text.
    """
    direct, path = environ.get(variable, "").strip(), environ.get(f"{variable}{IN_FILE}", "")
    if direct and path:
        raise ConfigError(variable, f"and {variable}{IN_FILE} are both set", "Set one of them")
    field = f"{variable}{IN_FILE}" if path else variable
    secret = _read(Path(path), field) if path else direct
    if path and not secret:
        raise ConfigError(field, "names an empty file", "Write the secret into it")
    if len(secret) > MAX_SECRET or (secret and not (secret.isascii() and secret.isprintable())):
        raise ConfigError(field, "has characters that no secret has, or is too long", "Give it alone")
    return SecretStr(secret) if secret else None


def _read(path: Path, field: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SECRET + 1).decode("ascii").strip()
    except OSError as error:
        raise ConfigError(field, f"names a file that cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        # Not chained: the error's text would hold bytes of the secret.
        raise ConfigError(field, "names a file that is not plain text", "Give the secret alone") from None
