"""Draw where an image looks AI-made, for someone who waits for it."""

from __future__ import annotations

import hashlib
import threading
import time
from functools import partial

import structlog

from models.ensemble import Ensemble
from models.errors import CheckError
from workers.fetching.client import Fetcher
from workers.processing.pipeline import explain
from workers.processing.resolve import HostSlots, HostUnavailableError
from workers.scheduling.queues import ExplanationJob
from workers.storage.explanations import ExplanationStore, Outcome
from workers.storage.uploads import Uploads
from workers.telemetry.metrics import meter

log = structlog.get_logger()


class Explainer:
    """Runs the explanations of one worker process.

    Args:
        outcomes: tells the API how a job ended.
        files: uploaded images, and the drawn pictures.
        slots: the slots of hosts.
        fetcher: fetches URLs.
        ensemble: judges the parts.
        classifying: held while the ensemble is used.
    """

    def __init__(
        self,
        outcomes: ExplanationStore,
        files: Uploads,
        slots: HostSlots,
        fetcher: Fetcher,
        ensemble: Ensemble,
        classifying: threading.Lock,
    ) -> None:
        self._outcomes = outcomes
        self._files = files
        self._slots = slots
        self._fetcher = fetcher
        self._ensemble = ensemble
        self._classifying = classifying

    def explain(self, job: ExplanationJob) -> None:
        """Draw one picture and tell the API, unless nobody waits any more."""
        try:
            if time.time() < job["deadline"]:
                self._outcomes.finish(job["id"], self._outcome(job))
        finally:
            self._files.drop(job["id"])

    def _outcome(self, job: ExplanationJob) -> Outcome:
        try:
            data = self._obtain(job)
            if hashlib.sha256(data).hexdigest() != job["sha256"]:
                return Outcome(status="changed")
            with self._classifying, meter.timed("explain_seconds"):
                picture = explain(data, self._ensemble)
            self._files.put(f"{job['id']}.png", picture)
        except HostUnavailableError:
            return Outcome(status="failed", detail="The image's server is busy. Try again later.")
        except CheckError as error:
            return Outcome(status="failed", detail=error.detail)
        except Exception:
            log.exception("explanation_broke")
            return Outcome(status="failed", detail="Assay failed on this image.")
        return Outcome(status="drawn")

    def _obtain(self, job: ExplanationJob) -> bytes:
        """Return the image's bytes.

        Raises:
            CheckError: there are none.
            HostUnavailableError: the host has no slot.
        """
        url = job["url"]
        if url is None:
            return self._files.get(job["id"])
        fetched = self._fetcher.get(
            url, referer=job["referer"], slot=partial(self._slots.held, url)
        )
        assert fetched is not None, "an unconditional request is not answered by 304"  # noqa: S101
        return fetched.data
