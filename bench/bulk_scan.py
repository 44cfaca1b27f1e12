"""Compares a whole scan with the bare ensemble on the same images: `python -m bench.bulk_scan`.

Whole: API, queue, workers, fetching from a web server on loopback, decoding, classification and
storage. The cache answers a second pass. Bare: one process per core classifies the same decoded
arrays. It prints images per second, their ratio, each worker process's memory, and the time of a
cold start.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from skimage import data

from backend.cli.inputs import Input
from backend.cli.scan import scan
from backend.client import Client
from backend.supervisor import Supervisor
from models.ensemble import Ensemble
from models.image import decode
from settings import Settings

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def make_images(count: int) -> list[bytes]:
    """Make different JPEGs of 300 to 1,000 pixels from photographs, by cropping and resizing."""
    random = np.random.default_rng(0)
    files = []
    for number in range(count):
        photograph = Image.fromarray(getattr(data, PHOTOGRAPHS[number % len(PHOTOGRAPHS)])())
        left, top = (int(random.integers(0, side // 4)) for side in photograph.size)
        size = int(random.integers(400, 1000))
        image = photograph.convert("RGB").crop((left, top, *photograph.size))
        buffer = io.BytesIO()
        image.resize((size, size * 3 // 4)).save(buffer, "JPEG", quality=85)
        files.append(buffer.getvalue())
    return files


def largest_image() -> bytes:
    """Make a JPEG of almost 40 megapixels, the most that Assay decodes."""
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).resize((7300, 5475)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


@contextmanager
def web_server(files: Sequence[bytes]) -> Iterator[str]:
    """Serve the files on loopback, in a separate process."""
    ready: SimpleQueue[int] = multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=_serve, args=(files, ready), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ready.get()}"
    process.terminate()


def _serve(files: Sequence[bytes], ready: SimpleQueue[int]) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = files[int(Path(self.path).stem)]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.put(server.server_address[1])
    server.serve_forever()


def bare(files: Sequence[bytes], processes: int) -> float:
    """Return the images per second of the ensemble alone, on decoded arrays."""
    barrier = multiprocessing.Barrier(processes + 1)
    workers = [
        multiprocessing.Process(target=_classify, args=(files[number::processes], barrier))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return len(files) / seconds


def _classify(files: Sequence[bytes], barrier: Barrier) -> None:
    ensemble = Ensemble.load()
    arrays = [decode(each).pixels for each in files]
    ensemble.classify(arrays[0])
    barrier.wait()
    for pixels in arrays:
        ensemble.classify(pixels)
    barrier.wait()


def whole(urls: Sequence[str], client: Client) -> float:
    """Return the images per second of a scan."""
    started = time.perf_counter()
    items = list(scan([Input(*each) for each in enumerate(urls)], client))
    seconds = time.perf_counter() - started
    if failed := [item for _, item in items if item.status != "done"]:
        raise SystemExit(f"{len(failed)} images have no verdict, for example {failed[0]}")
    return len(urls) / seconds


class MemoryWatch:
    """The peak resident memory of processes, sampled ten times per second."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._highest = dict.fromkeys(processes, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            for process in self._highest:
                with suppress(psutil.NoSuchProcess):
                    rss = process.memory_info().rss
                    self._highest[process] = max(self._highest[process], rss)

    def used(self) -> list[str]:
        """Return what each process uses now, a line each."""
        lines = []
        for number, process in enumerate(self._highest):
            now = process.memory_full_info()
            # Its own pages; the same with its share of shared pages; all pages.
            own, share, resident = (each / 2**20 for each in (now.uss, now.pss, now.rss))
            lines.append(
                f"worker process {number}: USS {own:.0f} MiB, PSS {share:.0f} MiB, "
                f"RSS {resident:.0f} MiB"
            )
        return lines

    def stop(self) -> float:
        """Stop the sampling; return the highest resident size of any process, in MiB."""
        self._stop.set()
        self._thread.join()
        return max(self._highest.values()) / 2**20


def main() -> None:
    """Measure, and print one line per result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    count = parser.parse_args().images
    processes = psutil.cpu_count() or 1
    files = make_images(count)
    with (
        tempfile.TemporaryDirectory() as folder,
        web_server([*files, largest_image()]) as site,
    ):
        urls = [f"{site}/{number}.jpg" for number in range(count)]
        before = bare(files, processes)
        settings = Settings(
            data_dir=Path(folder),
            bind="127.0.0.1:0",
            fetch_allow_nets=(ip_network("127.0.0.0/8"),),
            worker_processes=processes,
        )
        started = time.perf_counter()
        with Supervisor(settings) as stack:
            cold = time.perf_counter() - started
            pool = stack.worker_processes()
            watch = MemoryWatch(pool)
            first = whole(urls, Client(stack.url))
            second = whole(urls, Client(stack.url))
            memory = watch.used()
            whole([f"{site}/{count}.jpg"], Client(stack.url))
            peak = watch.stop()
        bare_rate = (
            before + bare(files, processes)
        ) / 2  # before and after, because the machine's speed drifts
    print(f"bare ensemble, {processes} processes: {bare_rate:.1f} images/s")
    print(f"whole path, first pass: {first:.1f} images/s, {first / bare_rate:.2f} of bare")
    print(f"whole path, second pass (cache): {second:.0f} images/s")
    print(*memory, sep="\n")
    print(f"highest RSS of a worker process, with an image of 40 megapixels: {peak:.0f} MiB")
    print(f"cold start to ready: {cold:.1f} s")


if __name__ == "__main__":
    main()
