"""The two tasks, and what a worker's processes set up to run it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Sequence
from typing import Any

import structlog
from celery import Celery, Task
from celery.signals import (
    heartbeat_sent,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
    worker_shutting_down,
)

from models.ensemble import Ensemble
from models.manifest import load_manifest
from settings import Settings
from workers.app import make_celery
from workers.connect import connect
from workers.fetch.client import Fetcher
from workers.following import follow_tasks
from workers.judge import Judge
from workers.leases import Leases
from workers.logs import configure_logs
from workers.metrics import meter
from workers.orders import begin_items, begin_jobs
from workers.queue import JUDGE, QUEUES, TURN, Job, Queue
from workers.scans import ScanStore
from workers.spool import Spool
from workers.store import Store, WorkerRecord
from workers.tending import Tender
from workers.turns import TURN_ITEMS

NICENESS = 10
"""Of processes that take bulk work, so that those kept for people have the processor first. It
cannot be taken back when such a process serves people too."""

log = structlog.get_logger()


def make_worker(settings: Settings, queues: Sequence[Queue] = QUEUES) -> Celery:
    """Make the Celery application of a worker: the task, and its processes' set-up.

    Nothing here loads a model: the parent process only forks, and every child loads its own.

    Args:
        settings: the settings.
        queues: the queues that it serves, as it will say of itself.
    """
    celery = make_celery(settings)
    version = load_manifest().version_with(settings.second_look)
    store = Store.open(settings, version)
    worker = WorkerRecord(
        name=worker_name(),
        queues=tuple(queues),
        processes=settings.worker_processes,
        model_version=version,
    )
    scans = ScanStore.open(settings)
    tender = Tender.open(settings, celery, store, scans)
    of_this_process: list[Process] = []
    leaving = threading.Event()

    @celery.task(name=JUDGE, bind=True)
    def judge(self: Task[Any, Any], jobs: Sequence[Job]) -> None:
        of_this_process[0].do_jobs(jobs, owner=str(self.request.id))

    @celery.task(name=TURN)
    def turn(turn_id: str) -> None:
        of_this_process[0].do_turn(turn_id)

    @worker_process_init.connect(weak=False)
    def load(**_: object) -> None:
        if "bulk" in queues:
            os.nice(NICENESS)
        try:
            of_this_process.append(Process(settings, celery))
        except Exception:  # Celery would note it and go on, with a process that can do nothing
            log.exception("worker_cannot_judge")
            os.kill(os.getppid(), signal.SIGTERM)

    @worker_process_shutdown.connect(weak=False)
    def finish(**_: object) -> None:
        if of_this_process:
            of_this_process[0].close()

    follow_tasks(celery.waiting)

    # The parent's signs of life, for which /readyz looks, and its care for all work that waits.
    @heartbeat_sent.connect(weak=False)
    def live(**_: object) -> None:
        if not leaving.is_set():
            store.worker_lives(worker)
            tender.tend()

    @worker_shutting_down.connect(weak=False)
    def leave(**_: object) -> None:
        leaving.set()
        # In a thread, for this is a signal's handler and may have interrupted the same client.
        threading.Thread(target=store.worker_left, args=(worker,)).start()

    @worker_shutdown.connect(weak=False)
    def left(**_: object) -> None:
        store.worker_left(worker)  # once more, should a sign of life have been under way

    @setup_logging.connect(weak=False)
    def set_up_logs(**_: object) -> None:
        configure_logs(settings)

    return celery


class Process:
    """What one worker process needs, and the work of its tasks.

    Args:
        settings: the settings.
        celery: takes what is to be done later.

    Raises:
        models.manifest.WeightsError: the members cannot be loaded.
    """

    def __init__(self, settings: Settings, celery: Celery) -> None:
        ensemble = Ensemble.load(second_look=settings.second_look)
        ensemble.watch = lambda name, seconds: meter.observe("member_seconds", seconds, member=name)
        meter.start(connect(str(settings.redis_url)))
        self._celery = celery
        self._store = Store.open(settings, ensemble.version)
        self._scans = ScanStore.open(settings)
        tender = Tender.open(settings, celery, self._store, self._scans)
        self._turns = tender.turns
        self._leases = Leases()
        self._judge = Judge(
            store=self._store,
            hosts=tender.hosts,
            lanes=tender.lanes,
            fetcher=Fetcher(settings.fetch_allow_nets),
            spool=Spool(settings.data_dir / "uploads"),
            ensemble=ensemble,
            leases=self._leases,
        )

    def do_jobs(self, jobs: Sequence[Job], owner: str) -> None:
        """Do the jobs of checks.

        Args:
            jobs: the batch.
            owner: names this task; the same when the task is delivered again.
        """
        orders = begin_jobs(jobs, owner, self._store, self._celery)
        meter.observe("batch_size", len(orders), queue=jobs[0]["queue"])
        self._judge.run(orders)

    def do_turn(self, turn_id: str) -> None:
        """Do some items of the scans, if the turn is a registered one."""
        if not self._turns.runs(turn_id):
            return
        with self._leases.kept(lambda: self._turns.runs(turn_id)):
            works = self._scans.take(min(TURN_ITEMS, self._judge.room))
            orders, recorded = begin_items(works, turn_id, self._store, self._scans)
            meter.observe("batch_size", len(orders), queue="bulk")
            self._judge.run(orders)
        self._turns.end(turn_id, productive=bool(orders or recorded))

    def close(self) -> None:
        """Finish what is under way."""
        self._judge.close()
        meter.flush()


def worker_name() -> str:
    """Return a name that no other worker has."""
    return f"assay-{os.getpid()}@{socket.gethostname()}"


def run_worker(settings: Settings, queues: Sequence[Queue] = QUEUES) -> None:
    """Run a worker until SIGTERM or SIGINT, which lets it finish what it runs.

    Args:
        settings: the settings.
        queues: those that it serves, the first one first.

    Raises:
        ValueError: no Redis is set.
    """
    configure_logs(settings)  # Celery has things to say before it asks for this
    make_worker(settings, queues).worker_main(
        [
            "--quiet",  # no banner among the lines of JSON, and no end where it cannot be written
            "worker",
            f"--queues={','.join(queues)}",
            f"--concurrency={settings.worker_processes}",
            f"--hostname={worker_name()}",
            f"--loglevel={settings.log_level}",
            "--without-gossip",
            "--without-mingle",
        ]
    )
