"""A real receiver of webhooks on loopback, which verifies them by the standard's own library."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks import Webhook

from tests.workers.fetching.servers import CERTIFICATE


class Received(NamedTuple):
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """Return what it says, if it was signed with the secret just now."""
        return Webhook(secret).verify(self.body, dict(self.headers))  # type: ignore[no-any-return]


class Receiver:
    """Answers with its statuses in turn, the last for ever.

    Args:
        statuses: of HTTP.
        headers: of each answer.
        tls: whether it speaks TLS, with the tests' certificate for pictures.localhost.
    """

    def __init__(
        self, *statuses: int, headers: Mapping[str, str] | None = None, tls: bool = False
    ) -> None:
        self.received: list[Received] = []
        self.at_once = self.most_at_once = 0
        self.hold = threading.Event()
        """Clear it, and answers wait until it is set."""
        self.hold.set()
        self._statuses = list(statuses or (204,))
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(headers or {}))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def _handler(receiver, headers: Mapping[str, str]) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._lock:
                    receiver.received.append(Received(self.path, self.headers, body))
                    left = receiver._statuses
                    status = left.pop(0) if len(left) > 1 else left[0]
                    receiver.at_once += 1
                    receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
                receiver.hold.wait(60)
                with receiver._lock:
                    receiver.at_once -= 1
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def handle(self) -> None:
                with suppress(OSError):  # a client that hangs up, as on a bad certificate
                    super().handle()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.hold.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in self.received]
