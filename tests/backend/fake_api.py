"""A server that speaks Assay's API and judges by the URL alone: fast, and full of tricks."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from backend.schemas.scans import SCAN, ScanLine
from models.errors import CheckError, ErrorCode
from models.verdict import CheckItem, Evidence, ImageFacts, Label, SimilarImage, Verdict

_LAST = re.compile("slow|stuck")
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def verdict(probability: float = 0.93, **fields: object) -> Verdict:
    facts = ImageFacts(sha256="ab" * 32, width=640, height=480, format="jpeg", frames=1)
    label = "ai" if probability > 0.8 else "real" if probability < 0.2 else "uncertain"
    return Verdict.model_validate(
        {
            "label": label,
            "probability": probability,
            "members": {"cnn": 0.9, "efficientnet": 0.95, "efficientnet_art": 0.5},
            "image": facts,
            "model_version": "2026-01-01.0123abcd",
            "checked_at": WHEN,
            "expires_at": WHEN,
            **fields,
        }
    )


def claim(detail: str, *, trusted: bool = False) -> Evidence:
    return Evidence(kind="c2pa", says="ai", detail=detail, trusted=trusted)


def similar(probability: float, label: Label) -> SimilarImage:
    return SimilarImage(
        sha256="cd" * 32, distance=2, label=label, probability=probability, checked_at=WHEN
    )


def done(url: str, probability: float = 0.93, **fields: object) -> CheckItem:
    return CheckItem(url=url, status="done", verdict=verdict(probability, **fields))


def failed(url: str, detail: str = "The server answered 404.") -> CheckItem:
    return CheckItem.failed(url, CheckError(ErrorCode.HTTP_STATUS, detail))


def problem(status: int, detail: str, **headers: str) -> Response:
    body = json.dumps({"title": "Trouble", "status": status, "detail": detail})
    return Response(body, status, headers, content_type="application/problem+json")


class FakeApi:
    """What it does with a URL stands in the URL.

    ``gone`` fails; ``flaky`` fails unless it is forced; ``slow`` ends last, and is pending in a
    check's first answer; ``stuck`` is pending until it is released; a list with ``poison`` is
    answered by 422.

    Attributes:
        asked: how often each URL, or hash of an upload, was to be checked.
        lists: the URLs of each check and scan that was accepted.
        troubles: answers to be given before any other.
        forgetful: whether the next scan is forgotten after its first results.
        seconds: how long it takes to create a scan, and each of its results.
        quota: how many URLs may yet be asked for; any number, if none.
        retry_after: what is said of a quota that is used up, in seconds.
        most: the URLs of a list, at most.
        released: whether what is stuck ends now.
        scans: the URLs of each scan that is not forgotten.
        cancelled: the ids of cancelled scans.
        keys: which scan each idempotency key made.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.asked: Counter[str] = Counter()
        self.lists: list[list[str]] = []
        self.troubles: deque[Response] = deque()
        self.forgetful = False
        self.seconds = 0.0
        self.quota: int | None = None
        self.retry_after = 3600
        self.most = 50_000
        self.released = threading.Event()
        self.scans: dict[str, list[str]] = {}
        self.cancelled: set[str] = set()
        self.keys: dict[str, str] = {}
        self._checks: dict[str, list[str]] = {}
        self._forced: set[str] = set()
        self._lock = threading.Lock()
        expect = server.expect_request
        expect("/healthz").respond_with_data("{}")
        expect("/v1/checks", "POST").respond_with_handler(self._check)
        expect(re.compile("/v1/checks/.+"), "GET").respond_with_handler(self._look)
        expect("/v1/images", "POST").respond_with_handler(self._upload)
        expect("/v1/scans", "POST").respond_with_handler(self._scan)
        expect(re.compile("/v1/scans/.+/results")).respond_with_handler(self._results)
        expect(re.compile("/v1/scans/[^/]+"), "DELETE").respond_with_handler(self._cancel)

    def _accept(self, urls: list[str], *, force: bool) -> Response | None:
        """Charge for a list; return the answer if it is refused."""
        if self.troubles:
            return self.troubles.popleft()
        if len(urls) > self.most:
            return problem(413, f"{self.most} URLs are allowed.")
        if self.quota is not None and len(urls) > self.quota:
            return problem(429, "9 URLs a day.", **{"Retry-After": str(self.retry_after)})
        if any("poison" in url for url in urls):
            return problem(422, "One of the URLs cannot be taken.")
        if self.quota is not None:
            self.quota -= len(urls)
        self.lists.append(urls)
        self._forced.update(urls if force else ())
        self.asked.update(urls)
        return None

    def _item(self, url: str, *, pending: bool = False) -> CheckItem:
        if "gone" in url or ("flaky" in url and url not in self._forced):
            return failed(url)
        return CheckItem(url=url, status="pending") if pending else done(url)

    # Checks

    def _check(self, request: Request) -> Response:
        urls: list[str] = request.get_json()["urls"]
        with self._lock:
            if refusal := self._accept(urls, force=False):
                return refusal
            self._checks[check_id := f"{len(self._checks):032x}"] = urls
        return self._reply(check_id, [self._item(url, pending="slow" in url) for url in urls])

    def _upload(self, request: Request) -> Response:
        sha256 = hashlib.sha256(request.files["image"].read()).hexdigest()
        with self._lock:
            if self.troubles:
                return self.troubles.popleft()
            self.asked[sha256] += 1
        return self._reply("0" * 32, [done(f"sha256:{sha256}")])

    def _look(self, request: Request) -> Response:
        check_id = request.path.rpartition("/")[2]
        return self._reply(check_id, [self._item(url) for url in self._checks[check_id]])

    @staticmethod
    def _reply(check_id: str, items: Sequence[CheckItem]) -> Response:
        pending = any(item.status == "pending" for item in items)
        body = {
            "id": check_id,
            "status": "pending" if pending else "done",
            "items": [item.model_dump(mode="json", exclude_none=True) for item in items],
        }
        return Response(json.dumps(body), 202 if pending else 200, content_type="application/json")

    # Scans

    def _scan(self, request: Request) -> Response:
        time.sleep(self.seconds)
        urls = [json.loads(line)["url"] for line in request.data.splitlines()]
        key = request.headers["Idempotency-Key"]
        with self._lock:
            if (scan_id := self.keys.get(key)) is None:
                if refusal := self._accept(urls, force=request.args["force"] == "true"):
                    return refusal
                self.keys[key] = scan_id = f"{len(self.keys):032x}"
                self.scans[scan_id] = urls
        body = {**SCAN, "id": scan_id}
        return Response(json.dumps(body), 202, content_type="application/json")

    def _cancel(self, request: Request) -> Response:
        scan_id = request.path.rpartition("/")[2]
        self.cancelled.add(scan_id)
        return Response(json.dumps({**SCAN, "id": scan_id}), content_type="application/json")

    def _results(self, request: Request) -> Response:
        scan_id = request.path.split("/")[3]
        if scan_id not in self.scans:
            return problem(404, "There is no such scan.")
        return Response(self._lines(scan_id), content_type="application/jsonl")

    def _lines(self, scan_id: str) -> Iterator[bytes]:
        urls = list(enumerate(self.scans[scan_id]))
        for index, url in sorted(urls, key=lambda each: _LAST.search(each[1]) is not None):
            if self.forgetful and _LAST.search(url):
                self.forgetful = False
                del self.scans[scan_id]
                return
            if "stuck" in url:
                while not self.released.wait(0.05) and scan_id not in self.cancelled:
                    yield b"\n"
            time.sleep(self.seconds)
            item = self._item(url)
            if scan_id in self.cancelled:
                error = CheckError(ErrorCode.CANCELLED, "The scan was cancelled.")
                item = CheckItem.failed(url, error)
            yield ScanLine(index=index, **dict(item)).model_dump_json().encode() + b"\n"
