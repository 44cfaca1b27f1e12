"""Servers on loopback that do exactly what a test tells them, well-behaved or not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

CERTIFICATE = Path(__file__).with_name("pictures.localhost.pem")

OK = b"HTTP/1.1 200 OK\r\n"

Step = bytes | float
"""What a server does next: send these bytes, or wait for so many seconds."""


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole response with its true length."""
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {location}", status=status)


class ScriptedServer:
    """Plays its script to every connection, or the script that fits the requested path.

    Attributes:
        requests: the head of each request, as text, in order.
        connections: how many connections were accepted.
    """

    def __init__(
        self, *script: Step, host: str = "127.0.0.1", tls: bool = False, **paths: Sequence[Step]
    ) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self._script = script
        self._paths = paths
        self._tls = tls
        self._closing = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family)
        self.host, self.port = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._accept)

    def url(self, path: str = "", host: str | None = None) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host or self.host}:{self.port}/{path}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _accept(self) -> None:
        threads: list[threading.Thread] = []
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                break
            self.connections += 1
            threads.append(threading.Thread(target=self._serve, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._wrapped(connection) as peer:
                head = peer.recv(65_536).decode("latin-1")
                self.requests.append(head)
                path = head.split(" ")[1].strip("/") if " " in head else ""
                for step in self._paths.get(path, self._script):
                    if isinstance(step, bytes):
                        peer.sendall(step)
                    elif self._closing.wait(step):
                        break
        except OSError:
            pass  # the fetcher hung up, as it should on bad servers

    def _wrapped(self, connection: socket.socket) -> socket.socket:
        if not self._tls:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        try:
            return context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            raise


Serve = Callable[..., ScriptedServer]
