"""Connections that keep a deadline whatever the other side does.

A timeout of requests or urllib3 holds for one wait only: each address of a host has its own to connect, and
each piece of an answer has its own to arrive, so a server that sends a byte now and then is never late. Here
every wait of a socket is cut to what is left of the deadline of the exchange under way in the thread.
Resolving a host name is the system's business and not covered.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from connectors.http.deadline import Deadline


class _Bound(NamedTuple):
    deadline: Deadline
    connect_s: float
    read_s: float


class _Current(threading.local):
    bound: _Bound | None = None


_current = _Current()


@contextmanager
def bounded(deadline: Deadline, *, connect_s: float, read_s: float) -> Iterator[None]:
    """Every wait of this thread's connections ends at the deadline, or earlier by the two timeouts."""
    _current.bound = _Bound(deadline, connect_s, read_s)
    try:
        yield
    finally:
        _current.bound = None


def _arm(sock: socket.socket, *, connecting: bool = False) -> None:
    bound = _current.bound
    if bound is None:
        return
    left = bound.deadline.left()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    sock.settimeout(min(left, bound.connect_s if connecting else bound.read_s))


class _PlainSocket(socket.socket):
    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        _arm(self)
        return super().recv(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _arm(self)
        return super().recv_into(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        _arm(self, connecting=True)
        super().do_handshake(block)

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        _arm(self)
        return super().recv(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _arm(self)
        return super().recv_into(*args, **kwargs)


def _connected(connection: HTTPConnection) -> socket.socket:
    """A connection to the first address that answers before the deadline."""
    try:
        addresses = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as exc:
        failure = exc if isinstance(exc, socket.gaierror) else socket.gaierror(str(exc))
        raise NameResolutionError(connection.host, connection, failure) from exc
    problem: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in addresses:
        sock = _PlainSocket(family, kind, protocol)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            _arm(sock, connecting=True)
            sock.connect(address)
        except OSError as exc:
            sock.close()
            problem = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    if isinstance(problem, TimeoutError):
        raise ConnectTimeoutError(connection, "no connection in time") from problem
    raise NewConnectionError(connection, str(problem)) from problem


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


#: For `PoolManager.pool_classes_by_scheme`.
POOL_CLASSES: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}


def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """TLS that verifies the certificate and the host name against one bundle.

    Raises:
        OSError: the bundle cannot be read or holds no certificate (ssl.SSLError is one).
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.check_hostname = True
    context.load_verify_locations(cafile=ca_bundle)
    context.sslsocket_class = _TlsSocket
    return context
