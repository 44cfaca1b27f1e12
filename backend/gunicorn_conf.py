"""Gunicorn settings. The API runs on gevent: a waiting client costs a greenlet, not a thread.

A slow client is served as long as it makes progress. Gunicorn reads the names below as its settings
(``--config python:backend.gunicorn_conf``). gevent patches the worker processes after the fork.
Celery's processes never import this module.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import gevent
import structlog
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker
from werkzeug.exceptions import RequestTimeout

from backend import drain
from settings import get_settings
from workers.telemetry.logging import configure_logs

if TYPE_CHECKING:
    from backend.openapi import Api

BODY_SECONDS = 20.0
"""Time that a body may take in addition to its size divided by `MIN_BODY_RATE`."""
MIN_BODY_RATE = 16 * 1024
"""Bytes per second."""
SEND_SECONDS = 30.0
"""Time that a client may take to receive one chunk of a response."""
_CHUNK_SIZE = 64 * 1024

log = structlog.get_logger()


class DeadlineReader:
    """Reads a request's body within a deadline that grows with the bytes received.

    Args:
        read: reads at most this many bytes of the body.
        seconds: base of the deadline, from the first read.
        min_rate: each received byte adds 1 / `min_rate` seconds.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        seconds: float = BODY_SECONDS,
        min_rate: float = MIN_BODY_RATE,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._min_rate = min_rate
        self._started: float | None = None
        self._received = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes, and at most 64 KiB.

        Raises:
            RequestTimeout: the deadline has passed.
        """
        if self._ended:
            return b""
        now = time.monotonic()
        self._started = self._started or now
        left = self._started + self._seconds + self._received / self._min_rate - now
        too_slow = RequestTimeout("The request's body arrived too slowly.")
        with gevent.Timeout(max(left, 0.001), too_slow):
            data = self._read(min(size, _CHUNK_SIZE))
        self._received += len(data)
        self._ended = not data
        return data


class Worker(GeventWorker):
    """Gunicorn's gevent worker, with time limits for slow clients and early answers on SIGTERM."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM: answer waiting requests now."""
        drain.begin()
        super().handle_exit(sig, frame)

    def handle_request(
        self, listener_name: Any, req: Request, sock: socket.socket, addr: Any
    ) -> bool:
        """Serve one request.

        Raises:
            StopIteration: the connection must be closed.
        """
        if req.body is not None:
            req.body.reader = DeadlineReader(req.body.reader.read)  # type: ignore[assignment]  # has the same method
        sock.settimeout(SEND_SECONDS)
        try:
            return bool(super().handle_request(listener_name, req, sock, addr))
        except TimeoutError:  # the client does not read its response
            raise StopIteration from None
        finally:
            sock.settimeout(None)


def application() -> Api:
    """Make the API from the environment's settings; gunicorn calls this in each worker process."""
    from backend.app import create_app  # not before gevent has patched the process

    return create_app(get_settings())


class Logs(Logger):
    """Gunicorn's events go to the common log. The application itself logs requests."""

    def setup(self, cfg: Config) -> None:
        """Configure the common log."""
        super().setup(cfg)
        configure_logs(get_settings())
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def when_ready(server: Arbiter) -> None:
    """Report where the API listens: in the log, or as a sentence on a terminal."""
    for listener in server.LISTENERS:
        if sys.stdout.isatty():
            print(f"Assay's API listens at {listener}. Ctrl-C stops it.", flush=True)
        else:
            log.info("listening", address=str(listener))


# Gunicorn's settings (https://docs.gunicorn.org/en/stable/settings.html)

worker_class = "backend.gunicorn_conf.Worker"
workers = 2  # Python runs one thread at a time
worker_connections = 1000
backlog = 2048
keepalive = 5  # seconds; also the time limit of a request's head
graceful_timeout = 25  # seconds; longer than the longest `wait` of a request
control_socket_disable = True
loglevel = "warning"
logger_class = "backend.gunicorn_conf.Logs"
