"""A Celery worker: its two tasks, and what its processes set up and report."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from celery import Celery, current_task
from celery.exceptions import Reject
from celery.signals import (
    heartbeat_sent,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
    worker_shutting_down,
)
from redis import RedisError

from models.ensemble import Ensemble
from models.manifest import load_manifest
from models.processor import fastest_precision, instructions
from settings import Settings
from workers.celery_app import make_celery
from workers.fetching.client import Fetcher
from workers.fetching.host_limits import HostLimiter
from workers.maintenance import Maintenance
from workers.pages.robots import Robots
from workers.processing.batch import BatchRunner
from workers.processing.explanations import Explainer
from workers.processing.read_pages import PageReader
from workers.processing.resolve import HostSlots, UrlResolver
from workers.processing.work_items import begin_items, begin_jobs
from workers.scheduling.dispatch import ITEMS_PER_DISPATCH, Dispatcher
from workers.scheduling.leases import Leases
from workers.scheduling.queues import (
    CHECK_TASK,
    EXPLAIN_TASK,
    QUEUES,
    SCAN_TASK,
    ExplanationJob,
    Job,
    Queue,
)
from workers.scheduling.wait_queues import WaitQueues
from workers.storage.quotas import Payer
from workers.storage.stores import Stores
from workers.storage.uploads import Uploads, explanation_files
from workers.storage.worker_registry import WorkerRecord
from workers.telemetry.instrumentation import instrument_tasks
from workers.telemetry.logging import configure_logs
from workers.telemetry.metrics import meter
from workers.webhooks.deliver import Deliverer
from workers.webhooks.post import Poster

NICENESS = 10
"""Of processes that take bulk work, so that those kept for people get the processor first. It
cannot be taken back while such a process serves people too."""

YIELD_PAUSE = 0.1
"""Seconds for which a process pauses when it gives a bulk task back, so that it does not spin."""

_CACHED_SECONDS = 0.5
"""How long a dispatch records cached results before it makes room for other tasks."""

log = structlog.get_logger()


class Worker:
    """A Celery application with its tasks and signal handlers.

    The parent process loads no model: it only forks, and every child loads its own.

    Args:
        settings: the settings.
        queues: the queues that it serves.

    Attributes:
        celery: the application.

    Raises:
        ValueError: no Redis is set.
    """

    def __init__(self, settings: Settings, queues: Sequence[Queue] = QUEUES) -> None:
        version = load_manifest().version_for(settings.second_look)
        self._settings = settings
        self._stores = Stores.open(settings, version)
        self.celery = make_celery(settings, self._stores.redis)
        self._record = WorkerRecord(
            name=worker_name(),
            queues=tuple(queues),
            processes=settings.worker_processes,
            model_version=version,
            precision=fastest_precision(instructions()),
        )
        log.info("worker_starts", model_version=version, precision=self._record.precision)
        dispatcher = Dispatcher(self._stores, self.celery)
        hosts = HostLimiter(self._stores.redis)
        wait_queues = WaitQueues(hosts, self._stores, self.celery, dispatcher)
        self._maintenance = Maintenance(wait_queues, dispatcher, self._stores.scans.lifecycle)
        self._process: WorkerProcess | None = None
        self._stopping = threading.Event()
        self.celery.task(name=CHECK_TASK)(self.check)
        self.celery.task(name=SCAN_TASK)(self.scan)
        # Acknowledged at once: an image that kills its process must not kill the next one.
        self.celery.task(name=EXPLAIN_TASK, acks_late=False)(self.explain)
        instrument_tasks(self.celery.queue_latency)
        worker_process_init.connect(self.start_process, weak=False)
        worker_process_shutdown.connect(self.close_process, weak=False)
        heartbeat_sent.connect(self.heartbeat, weak=False)
        worker_shutting_down.connect(self.shutting_down, weak=False)
        worker_shutdown.connect(self.shutdown, weak=False)
        setup_logging.connect(self.set_up_logs, weak=False)

    # Tasks, in a child process

    def check(self, jobs: Sequence[Job]) -> None:
        """Process the jobs of checks."""
        self._yield_to_interactive(jobs[0]["queue"])
        self._running().check(jobs, owner=str(current_task.request.id))

    def scan(self, dispatch_id: str) -> None:
        """Process some items of the scans."""
        self._yield_to_interactive("bulk")
        self._running().scan(dispatch_id)

    def explain(self, job: ExplanationJob) -> None:
        """Draw where an image looks AI-made."""
        self._running().explain(job)

    def _yield_to_interactive(self, queue: Queue) -> None:
        """Give a bulk task back to its queue while interactive tasks wait.

        A Redis broker always delivers `interactive` first. RabbitMQ delivers from either queue at
        random when a process becomes free. To prefetch from each queue separately would not do: a
        worker that is busy would then hold interactive tasks that another one could run.

        Raises:
            celery.exceptions.Reject: the task is to be requeued.
        """
        latency = self.celery.queue_latency
        if (
            queue == "bulk"
            and "interactive" in self._record.queues
            and latency.is_behind("interactive")
        ):
            time.sleep(YIELD_PAUSE)
            latency.sent(queue, str(current_task.request.id))
            raise Reject(requeue=True)

    def _running(self) -> WorkerProcess:
        assert self._process is not None, "Celery starts a process before its tasks"  # noqa: S101
        return self._process

    # Signal handlers of a child process

    def start_process(self, **_: object) -> None:
        """Load the models; end the worker if that fails."""
        if "bulk" in self._record.queues:
            os.nice(NICENESS)
        try:
            self._process = WorkerProcess(self._settings, self.celery)
        except Exception:  # Celery would log it and keep a process that can do nothing
            log.exception("worker_not_started")
            os.kill(os.getppid(), signal.SIGTERM)

    def close_process(self, **_: object) -> None:
        """Finish what is under way."""
        if self._process is not None:
            self._process.close()

    # Signal handlers of the parent process

    def heartbeat(self, **_: object) -> None:
        """Register as alive, and run the maintenance."""
        if not self._stopping.is_set():
            with _redis_may_be_away():
                self._stores.workers.heartbeat(self._record)
                self._maintenance.run()

    def shutting_down(self, **_: object) -> None:
        """Tell the others that this worker takes no more work."""
        self._stopping.set()
        # In a thread, because this handler of a signal may have interrupted the same client.
        threading.Thread(target=self._unregister).start()

    def shutdown(self, **_: object) -> None:
        """Tell it once more, in case a heartbeat was under way."""
        self._unregister()

    def _unregister(self) -> None:
        with _redis_may_be_away():  # the registration expires soon
            self._stores.workers.remove(self._record)

    def set_up_logs(self, **_: object) -> None:
        """Configure logs, in place of Celery."""
        configure_logs(self._settings)


@contextmanager
def _redis_may_be_away() -> Iterator[None]:
    """Log in one line that Redis could not be reached, and go on."""
    try:
        yield
    except RedisError as error:
        log.warning("redis_away", reason=str(error))


class WorkerProcess:
    """What one child process needs to run the tasks.

    Args:
        settings: the settings.
        celery: takes work that is queued again.

    Raises:
        models.manifest.WeightsError: the models cannot be loaded.
    """

    def __init__(self, settings: Settings, celery: Celery) -> None:
        ensemble = Ensemble.load(cascade_mode=settings.second_look)
        ensemble.on_inference = lambda name, seconds: meter.observe(
            "member_seconds", seconds, member=name
        )
        self._celery = celery
        self._stores = Stores.open(settings, ensemble.version)
        meter.start(self._stores.redis)
        self._dispatcher = Dispatcher(self._stores, celery)
        self._leases = Leases()
        hosts = HostLimiter(self._stores.redis)
        uploads = Uploads(settings.data_dir / "uploads")
        slots = HostSlots(hosts, WaitQueues(hosts, self._stores, celery, self._dispatcher))
        fetcher = Fetcher(settings.fetch_allow_nets)
        robots = Robots(self._stores.redis, settings.fetch_allow_nets)
        resolver = UrlResolver(
            self._stores.cache,
            self._stores.similar,
            self._stores.image_locks,
            slots,
            fetcher,
            uploads,
            ensemble,
            self._leases,
            robots,
        )
        self._explainer = Explainer(
            self._stores.explanations,
            explanation_files(settings),
            slots,
            fetcher,
            ensemble,
            resolver.classifying,
        )
        pages = PageReader(
            self._stores,
            slots,
            robots,
            self._leases,
            charge=Payer(self._stores.redis).charge,
            allow_nets=settings.fetch_allow_nets,
        )
        self._batches = BatchRunner(resolver, pages, self._stores.cache, uploads, self._leases)
        self._webhooks = Deliverer(self._stores.scans, hosts, Poster(settings.fetch_allow_nets))
        self._webhooks.start()

    def check(self, jobs: Sequence[Job], owner: str) -> None:
        """Process the jobs of checks.

        Args:
            jobs: the jobs of one task.
            owner: identifies the task; the same when the task is delivered again.
        """
        work = begin_jobs(jobs, owner, self._stores, self._celery)
        meter.observe("batch_size", len(work), queue=jobs[0]["queue"])
        self._batches.run(work)

    def scan(self, dispatch_id: str) -> None:
        """Process some items of the scans, if the dispatch is registered."""
        if not self._dispatcher.renew(dispatch_id):
            return
        recorded = 0
        with self._leases.held(lambda: self._dispatcher.renew(dispatch_id)):
            deadline = time.monotonic() + _CACHED_SECONDS
            while True:
                items = self._stores.scans.items.take(min(ITEMS_PER_DISPATCH, self._batches.room))
                work, cached = begin_items(items, dispatch_id, self._stores)
                recorded += cached
                if work or not cached or time.monotonic() > deadline:
                    break
            meter.observe("batch_size", len(work), queue="bulk")
            self._batches.run(work)
        self._dispatcher.finish(dispatch_id, productive=bool(work or recorded))

    def explain(self, job: ExplanationJob) -> None:
        """Draw where an image looks AI-made."""
        self._explainer.explain(job)

    def close(self) -> None:
        """Finish what is under way."""
        self._webhooks.close()
        self._batches.close()
        meter.flush()


def worker_name() -> str:
    """Return a name that no other worker has."""
    return f"assay-{os.getpid()}@{socket.gethostname()}"


def run_worker(settings: Settings, queues: Sequence[Queue] = QUEUES) -> None:
    """Run a worker until SIGTERM or SIGINT, upon which it finishes what it runs.

    Args:
        settings: the settings.
        queues: those that it serves, the first one first.

    Raises:
        ValueError: no Redis is set.
    """
    configure_logs(settings)  # Celery logs events before it asks for this
    Worker(settings, queues).celery.worker_main(
        [
            "--quiet",  # no banner among the lines of JSON, and no failure if it cannot be written
            "worker",
            f"--queues={','.join(queues)}",
            f"--concurrency={settings.worker_processes}",
            f"--hostname={worker_name()}",
            f"--loglevel={settings.log_level}",
            "--without-gossip",
            "--without-mingle",
        ]
    )
