"""A web site that can fail: a different small picture at every path, on several loopback hosts."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, Self

SIDE = 64
"""Pixels a side of the pictures; the smallest that is judged."""

Ill = Literal["silent", "resets", "refuses", "unreachable"]
"""What a host does that is ill: accept and say nothing; break connections off; listen no more; let
no connection come about, as an address that no packet reaches."""


def picture(number: int) -> bytes:
    """Return the file of noise with this number, a bitmap: nothing to encode."""
    pixels = random.Random(number).randbytes(SIDE * SIDE * 3)
    return (
        struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, len(pixels), 2835, 2835, 0, 0)
        + pixels
    )


class ImageSite:
    """Serves `picture(n)` at ``/n.bmp`` on every host, in a thread of its own.

    Args:
        hosts: how many; each has an address in 127.0.0.0/8 and a port.
        delay: seconds before each answer.

    Attributes:
        hits: requests for each path.
        held_from: the pictures from this number on are not answered until this is None.
    """

    def __init__(self, hosts: int = 16, delay: float = 0.0) -> None:
        self.hits: Counter[str] = Counter()
        self.delay = delay
        self.held_from: int | None = None
        self._ill: dict[str, Ill] = {}
        self._loop = asyncio.new_event_loop()
        self._listening: dict[str, socket.socket] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._clogs: list[socket.socket] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="site", daemon=True)
        for number in range(hosts):
            listening = socket.create_server((f"127.0.1.{number + 1}", 0), backlog=512)
            address, port = listening.getsockname()
            self._listening[f"{address}:{port}"] = listening

    def __enter__(self) -> Self:
        self._thread.start()
        for host, listening in self._listening.items():
            self._do(self._open(host, listening))
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close(list(self._servers)))
        self._do(self._hang_up())
        for clog in self._clogs:
            clog.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def hosts(self) -> list[str]:
        """The hosts, each as ``address:port``."""
        return list(self._listening)

    def urls(self, count: int, first: int = 0) -> list[str]:
        """Return addresses of pictures, one after the other at every host."""
        hosts = self.hosts
        return [f"http://{hosts[n % len(hosts)]}/{n}.bmp" for n in range(first, first + count)]

    def fall_ill(self, hosts: Sequence[str], how: Ill) -> None:
        """Let these hosts fail from now on."""
        for host in hosts:
            self._ill[host] = how
        if how in ("refuses", "unreachable"):
            self._do(self._close(hosts))
        if how == "unreachable":
            for host in hosts:
                self._clog(host)

    def _clog(self, host: str) -> None:
        """Take the port again, and fill its queue: the kernel drops who else wants to connect."""
        address, _, port = host.rpartition(":")
        deaf = socket.create_server((address, int(port)), backlog=0)
        self._clogs.append(deaf)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((address, int(port)))
            self._clogs.append(waiting)

    # In the site's thread

    def _do(self, what: object) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)  # type: ignore[arg-type]

    async def _open(self, host: str, listening: socket.socket) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._answer(host, reader, writer)

        self._servers[host] = await asyncio.start_server(answer, sock=listening)

    async def _close(self, hosts: Sequence[str]) -> None:
        for host in hosts:
            if server := self._servers.pop(host, None):
                server.close()

    async def _hang_up(self) -> None:
        """End what still answers."""
        answering = asyncio.all_tasks() - {asyncio.current_task()}
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)

    async def _answer(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ", 2)[1].decode()
            self.hits[path] += 1
            await asyncio.sleep(self.delay)
            while self.held_from is not None and number_of(path) >= self.held_from:
                await asyncio.sleep(0.05)
            ill = self._ill.get(host)
            if ill == "silent":
                await asyncio.sleep(60)
            if ill is not None:
                writer.transport.abort()
                return
            data = picture(number_of(path))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/bmp\r\nConnection: close\r\n"
                + f"Content-Length: {len(data)}\r\n\r\n".encode()
                + data
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # whoever asked was killed
        finally:
            writer.close()


def number_of(url: str) -> int:
    """Return which picture a URL or path leads to."""
    return int(url.rpartition("/")[2].partition(".")[0])


def sha256_of(url: str) -> str:
    """Return the hash of what is at the URL."""
    return hashlib.sha256(picture(number_of(url))).hexdigest()
