"""Settings of every outgoing HTTP request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from connectors.facts.base import Fact

#: Largest body that is read, decompressed. The largest recorded answer of a source has under 100 kB.
MAX_BODY_BYTES = 4 * 1024 * 1024

#: Who asks. Vendors ask for an identifiable client.
USER_AGENT = "regsvcs-response/0.1"


def _proxy(value: SecretStr) -> SecretStr:
    """A proxy's URL may hold a password, so it is secret and no message repeats it."""
    try:
        parts = urlsplit(value.get_secret_value())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("a proxy is http://HOST:PORT or https://HOST:PORT")
    return value


def _bundle(value: Path) -> Path:
    if not value.is_file():
        raise ValueError("there is no such file")
    return value


def _header_text(value: str) -> str:
    if not (value.isascii() and value.isprintable() and value == value.strip()):
        raise ValueError("only printable ASCII without blanks at the ends")
    return value


class HttpSettings(Fact):
    """How requests are sent. TLS certificates are always verified: there is no setting to switch it off.

    Attributes:
        connect_s: seconds to wait for a connection.
        read_s: seconds to wait for the next bytes of an answer.
        max_body_bytes: a larger body, decompressed, is refused.
        retries: further attempts after a transient failure, all under the call's one deadline.
        proxies: by scheme of the request; empty takes HTTPS_PROXY and HTTP_PROXY of the environment.
            NO_PROXY of the environment is honoured in any case, and this machine is never asked by proxy.
        ca_bundle: PEM file of the certificates to trust instead of the built-in ones; None takes
            REQUESTS_CA_BUNDLE of the environment, else the built-in ones.
        user_agent: how the client names itself.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # a proxy's URL may hold a password

    connect_s: float = Field(default=5.0, gt=0, le=120)
    read_s: float = Field(default=10.0, gt=0, le=600)
    max_body_bytes: int = Field(default=MAX_BODY_BYTES, ge=1024, le=256 * 1024 * 1024)
    retries: int = Field(default=2, ge=0, le=10)
    proxies: dict[Literal["http", "https"], Annotated[SecretStr, AfterValidator(_proxy)]] = Field(
        default_factory=dict
    )
    ca_bundle: Annotated[Path, AfterValidator(_bundle)] | None = None
    user_agent: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_header_text)] = USER_AGENT
