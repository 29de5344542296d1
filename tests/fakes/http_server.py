"""An HTTP server on this machine that answers what a test tells it to and remembers what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

#: Longest that a held request waits for the end of the test.
_PATIENCE_S = 20.0


class Seen(NamedTuple):
    """One request as it arrived; header names in lower case, `connection` the client's port."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


class Answer(NamedTuple):
    """What to answer.

    Attributes:
        drip_s: seconds between the bytes of the body; 0 sends it at once.
        raw: sent as the whole answer, status line and all, a byte every `drip_s`.
        hold: True never answers.
        cut: True announces more than is sent, and closes.
        drop: True closes the connection without a byte.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    drip_s: float = 0.0
    raw: bytes = b""
    hold: bool = False
    cut: bool = False
    drop: bool = False


class FakeServer:
    """A context manager. `answers` are given one by one, the last one for ever; or a function decides."""

    def __init__(
        self,
        *answers: Answer,
        decide: Callable[[Seen], Answer] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.seen: list[Seen] = []
        self._answers = list(answers or (Answer(),))
        self._decide = decide
        self._lock = threading.Lock()
        self._ended = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body go out at once

            def do_GET(self) -> None:
                fake._handle(self)

            def do_POST(self) -> None:
                fake._handle(self)

            def do_PUT(self) -> None:
                fake._handle(self)

            def do_PATCH(self) -> None:
                fake._handle(self)

            def do_DELETE(self) -> None:
                fake._handle(self)

            def do_CONNECT(self) -> None:
                fake._handle(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """Clients that hang up are part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_PATIENCE_S)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", "0"))
        seen = Seen(
            handler.command,
            handler.path,
            {name.lower(): value for name, value in handler.headers.items()},
            handler.rfile.read(length),
            handler.client_address[1],
        )
        with self._lock:
            self.seen.append(seen)
            if self._decide is not None:
                answer = self._decide(seen)
            else:
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        try:
            self._send(handler, answer)
        except OSError:
            handler.close_connection = True

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.hold:
            self._ended.wait(_PATIENCE_S)
            handler.close_connection = True
            return
        if answer.drop:
            handler.close_connection = True
            return
        if answer.raw:
            handler.close_connection = True
            self._drip(handler, answer.raw, answer.drip_s)
            return
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        if answer.status == 204:
            handler.end_headers()
            return
        if not any(name.lower() in {"content-length", "transfer-encoding"} for name, _ in answer.headers):
            handler.send_header("Content-Length", str(len(answer.body) + (100 if answer.cut else 0)))
        handler.end_headers()
        self._drip(handler, answer.body, answer.drip_s)
        if answer.cut:
            handler.close_connection = True

    def _drip(self, handler: BaseHTTPRequestHandler, data: bytes, pause_s: float) -> None:
        if not pause_s:
            handler.wfile.write(data)
            return
        for byte in data:
            if self._ended.wait(pause_s):
                return
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
