"""The SDK's client of the SOAR platform, which connects when it is first used.

The SDK builds an HTTP client at its start and logs in before every action. `check ip` asks nobody; it should
wait for neither, and fail for neither. Written against splunk-soar-sdk 7.0.3, which the package bundles;
tests hold what is taken from it.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import soar_sdk.app
from soar_sdk.abstract import SOARClientAuth
from soar_sdk.app_client import AppClient

if TYPE_CHECKING:
    import httpx


class _NotYet(NamedTuple):
    """Stands where the HTTP client will be."""

    base_url: str


class LaterClient(AppClient[Any]):
    """Builds its HTTP client, and logs in, when one of them is needed."""

    # Class attributes, since the SDK's __init__ sets the client before one of ours could.
    _auth: SOARClientAuth | None = None
    _made: "httpx.Client | _NotYet"

    @property
    def _client(self) -> "httpx.Client":
        auth, self._auth = self._auth, None
        if auth is not None:
            try:
                super().authenticate_soar_client(auth)
            except BaseException:
                # Without it the next call would go out as nobody.
                self._auth = auth
                raise
        if isinstance(self._made, _NotYet):
            self._made = super()._create_client(self._made.base_url)
        return self._made

    @_client.setter
    def _client(self, client: "httpx.Client") -> None:
        self._made = client

    @staticmethod
    def _create_client(base_url: str) -> "httpx.Client":
        return cast("httpx.Client", _NotYet(base_url))

    def authenticate_soar_client(self, soar_auth: SOARClientAuth) -> None:
        """Take the credentials; they are used with the first request."""
        # Read before the HTTP client is: they go into the request itself.
        self._user_hash_key = soar_auth.user_hash_key
        self._broker_ph_auth_token = soar_auth.broker_ph_auth_token
        self._auth = soar_auth


@contextlib.contextmanager
def connecting_later() -> Iterator[None]:
    """Apps made inside get a LaterClient: `App.__init__` makes its client itself."""
    names = vars(soar_sdk.app)
    before = names["AppClient"]
    names["AppClient"] = LaterClient
    try:
        yield
    finally:
        names["AppClient"] = before
