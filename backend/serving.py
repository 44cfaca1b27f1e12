"""How gunicorn serves the API: on gevent, where a client that waits costs a greenlet and no thread.

A client that is slow is served for as long as it makes headway, and no longer. Gunicorn reads the
names below as its configuration (``--config python:backend.serving``). The worker processes are
patched by gevent after the fork; Celery's own processes never import this.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import gevent
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker
from werkzeug.exceptions import RequestTimeout

from backend import drain
from settings import get_settings
from workers.logs import configure_logs

BODY_SECONDS = 20.0
"""How long a body may take, beside the time that its size allows it."""
SLOWEST_BODY = 16 * 1024
"""Bytes a second: a body that comes slower is given up when `BODY_SECONDS` have passed."""
SEND_SECONDS = 30.0
"""How long a client may need to take in one piece of an answer."""
_STEP = 64 * 1024


class PatientReader:
    """Reads a request's body, within a time that grows with what has come.

    Args:
        read: reads so many bytes of the body at most.
        seconds: beside what the size allows.
        slowest: bytes a second.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        seconds: float = BODY_SECONDS,
        slowest: float = SLOWEST_BODY,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._slowest = slowest
        self._began: float | None = None
        self._received = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """Read the next bytes, fewer than asked for if those are many.

        Raises:
            RequestTimeout: they come too slowly.
        """
        if self._ended:
            return b""
        now = time.monotonic()
        self._began = self._began or now
        left = self._began + self._seconds + self._received / self._slowest - now
        too_slow = RequestTimeout("The request's body came too slowly.")
        with gevent.Timeout(max(left, 0.001), too_slow):
            data = self._read(min(size, _STEP))
        self._received += len(data)
        self._ended = not data
        return data


class Worker(GeventWorker):
    """Gunicorn's gevent worker, with bounds on slow clients, and told when it is to end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take SIGTERM: what waits for news is answered now."""
        drain.begin()
        super().handle_exit(sig, frame)

    def handle_request(
        self, listener_name: Any, req: Request, sock: socket.socket, addr: Any
    ) -> bool:
        """Serve one request.

        Raises:
            StopIteration: the connection is to be closed.
        """
        if req.body is not None:
            req.body.reader = PatientReader(req.body.reader.read)  # type: ignore[assignment]  # as good as one
        sock.settimeout(SEND_SECONDS)
        try:
            return bool(super().handle_request(listener_name, req, sock, addr))
        except TimeoutError:  # the client does not take its answer
            raise StopIteration from None
        finally:
            sock.settimeout(None)


class Logs(Logger):
    """Gunicorn's own events, among the others; the application writes the access log."""

    def setup(self, cfg: Config) -> None:
        """Send what gunicorn has to say where everything goes."""
        super().setup(cfg)
        configure_logs(get_settings())
        self.error_log.handlers.clear()
        self.error_log.propagate = True


# Gunicorn's settings

worker_class = "backend.serving.Worker"
workers = 2  # for Python runs one thread at a time
worker_connections = 1000
backlog = 2048
keepalive = 5  # seconds; also for a request's head
graceful_timeout = 25  # seconds; above the longest wait
control_socket_disable = True
loglevel = "warning"
logger_class = "backend.serving.Logs"
