"""The one task, and what a worker's processes set up to run it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from typing import Any

import structlog
from celery import Celery, Task
from celery.signals import heartbeat_sent, setup_logging, worker_process_init, worker_shutdown

from models.ensemble import Ensemble
from models.manifest import load_manifest
from settings import Settings
from workers.app import make_celery
from workers.fetch.client import Fetcher
from workers.judge import BatchJudge
from workers.logs import configure_logs
from workers.queue import JUDGE, QUEUES, Job, Queue, enqueue
from workers.spool import Spool
from workers.store import Store, WorkerRecord

log = structlog.get_logger()


def make_worker(settings: Settings, queues: Sequence[Queue] = QUEUES) -> Celery:
    """Make the Celery application of a worker: the task, and its processes' set-up.

    Nothing here loads a model: the parent process only forks, and every child loads its own.

    Args:
        settings: the settings.
        queues: the queues that it serves, as it will say of itself.
    """
    celery = make_celery(settings)
    store = Store.open(settings, load_manifest().version_with(settings.second_look))
    worker = WorkerRecord(
        name=worker_name(), queues=tuple(queues), processes=settings.worker_processes
    )
    of_this_process: list[BatchJudge] = []

    @celery.task(name=JUDGE, bind=True)
    def judge(self: Task[Any, Any], jobs: Sequence[Job]) -> None:
        of_this_process[0].run(jobs, owner=str(self.request.id))

    @worker_process_init.connect(weak=False)
    def load(**_: object) -> None:
        try:
            of_this_process.append(make_judge(settings, celery))
        except Exception:  # Celery would note it and go on, with a process that can do nothing
            log.exception("worker_cannot_judge")
            os.kill(os.getppid(), signal.SIGTERM)

    # The parent's signs of life; /readyz looks for them.
    @heartbeat_sent.connect(weak=False)
    def live(**_: object) -> None:
        store.worker_lives(worker)

    @worker_shutdown.connect(weak=False)
    def leave(**_: object) -> None:
        store.worker_left(worker)

    @setup_logging.connect(weak=False)
    def set_up_logs(**_: object) -> None:
        configure_logs(settings)

    return celery


def make_judge(settings: Settings, celery: Celery) -> BatchJudge:
    """Load what one worker process needs."""
    ensemble = Ensemble.load(second_look=settings.second_look)
    return BatchJudge(
        store=Store.open(settings, ensemble.version),
        fetcher=Fetcher(settings.fetch_allow_nets),
        spool=Spool(settings.data_dir / "uploads"),
        ensemble=ensemble,
        put_back=lambda jobs: _put_back(celery, jobs),
    )


def _put_back(celery: Celery, jobs: Sequence[Job]) -> None:
    for job in jobs:
        enqueue(celery, [job], job["queue"])


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
    make_worker(settings, queues).worker_main(
        [
            "--quiet",  # no banner among the lines of JSON
            "worker",
            f"--queues={','.join(queues)}",
            f"--concurrency={settings.worker_processes}",
            f"--hostname={worker_name()}",
            f"--loglevel={settings.log_level}",
            "--without-gossip",
            "--without-mingle",
        ]
    )
