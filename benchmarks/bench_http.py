"""An answer from the warm cache, beside the same answer from a server on this machine.

What eight sources at 200 ms take together is measured where they are asked side by side, in the look-up.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rows import Row, time_row
from connectors.http.call import Call
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.http.settings import HttpSettings

#: Bytes of an answer: from a short one to the largest that were recorded, of VirusTotal and OTX.
SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (1_000,)
REPEATS = 51

#: Seconds that an answer from the warm cache may take.
BOUND_S = 0.005


@contextmanager
def _server(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the client waits for the body

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/ip"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def run(sizes: Sequence[int]) -> list[Row]:
    """Time both; the median of each counts. Imports are not part of it."""
    rows: list[Row] = []
    for size in sizes:
        body = b'{"a": "' + b"x" * (size - 9) + b'"}'
        with TemporaryDirectory() as folder, _server(body) as url:
            http = Http(HttpSettings(), folder=Path(folder))
            call = Call("benchmark", url, params={"ip": "192.0.2.1"}, cache_s=3600)

            def ask(*, fresh: bool, http: Http = http, call: Call = call) -> float:
                return _seconds(lambda: http.send(call, deadline=Deadline.after(10), fresh=fresh).json())

            ask(fresh=True)
            asked = statistics.median(ask(fresh=True) for _ in range(REPEATS))
            warm = statistics.median(ask(fresh=False) for _ in range(REPEATS))
            http.close()
        rows.append(time_row("warm cache vs 5 ms", size, warm, BOUND_S, "<= 1"))
        rows.append(time_row("warm cache vs asking this machine", size, warm, asked, ""))
    return rows
