"""A server that speaks Assay's API and judges by the URL alone: fast, and full of tricks."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from models.errors import CheckError, ErrorCode
from models.verdict import CheckItem, Evidence, ImageFacts, Verdict

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


def done(url: str, probability: float = 0.93, **fields: object) -> CheckItem:
    return CheckItem(url=url, status="done", verdict=verdict(probability, **fields))


def failed(url: str, detail: str = "The server answered 404.") -> CheckItem:
    return CheckItem.failed(url, CheckError(ErrorCode.HTTP_STATUS, detail))


def problem(status: int, detail: str, **headers: str) -> Response:
    body = json.dumps({"title": "Trouble", "status": status, "detail": detail})
    return Response(body, status, headers, content_type="application/problem+json")


class FakeApi:
    """What it does with a URL stands in the URL.

    ``gone`` fails; ``slow`` is pending when it is asked for first; ``poison`` is answered by 422.

    Attributes:
        asked: how often each URL, or hash of an upload, was to be judged.
        batches: the URLs of each request.
        troubles: answers to be given before any other.
        forgetful: whether the checks are forgotten as soon as they are begun.
        seconds: how long each request takes.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.asked: Counter[str] = Counter()
        self.batches: list[list[str]] = []
        self.troubles: deque[Response] = deque()
        self.forgetful = False
        self.seconds = 0.0
        self._checks: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        server.expect_request("/healthz").respond_with_data("{}")
        server.expect_request("/v1/checks", "POST").respond_with_handler(self._create)
        server.expect_request("/v1/images", "POST").respond_with_handler(self._upload)
        server.expect_request(re.compile("/v1/checks/.+"), "GET").respond_with_handler(self._look)

    def _create(self, request: Request) -> Response:
        time.sleep(self.seconds)
        urls: list[str] = request.get_json()["urls"]
        with self._lock:
            if self.troubles:
                return self.troubles.popleft()
            self.batches.append(urls)
            if any("poison" in url for url in urls):
                return problem(422, "One of the URLs cannot be taken.")
            self.asked.update(urls)
            self._checks[check_id := f"{len(self._checks):032x}"] = urls
        return self._reply(check_id, [self._item(url, look=False) for url in urls])

    def _upload(self, request: Request) -> Response:
        sha256 = hashlib.sha256(request.files["image"].read()).hexdigest()
        with self._lock:
            if self.troubles:
                return self.troubles.popleft()
            self.asked[sha256] += 1
        return self._reply("0" * 32, [done(f"sha256:{sha256}")])

    def _look(self, request: Request) -> Response:
        check_id = request.path.rpartition("/")[2]
        with self._lock:
            if self.forgetful:
                self.forgetful = False
                return problem(404, "There is no such check.")
        return self._reply(check_id, [self._item(url, look=True) for url in self._checks[check_id]])

    def _item(self, url: str, *, look: bool) -> CheckItem:
        if "gone" in url:
            return failed(url)
        if "slow" in url and not look and self.asked[url] < 2:
            return CheckItem(url=url, status="pending")
        return done(url)

    @staticmethod
    def _reply(check_id: str, items: Sequence[CheckItem]) -> Response:
        pending = any(item.status == "pending" for item in items)
        body = {
            "id": check_id,
            "status": "pending" if pending else "done",
            "items": [item.model_dump(mode="json", exclude_none=True) for item in items],
        }
        return Response(json.dumps(body), 202 if pending else 200, content_type="application/json")
