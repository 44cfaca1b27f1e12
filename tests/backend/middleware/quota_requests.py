"""Requests that cost quota, and what a response says is left."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

BAD_URL = "http://10.0.0.1/"
"""Refused in the API itself, so that no worker is needed."""

Ask = Callable[..., TestResponse]
"""Sends a request to an endpoint: ``ask(client, urls, **headers)``."""


def check(client: FlaskClient, urls: int, **headers: str) -> TestResponse:
    return client.post("/v1/checks", json={"urls": [BAD_URL] * urls}, headers=headers)


def lookup(client: FlaskClient, urls: int, **headers: str) -> TestResponse:
    return client.post("/v1/lookups", json={"urls": [BAD_URL] * urls}, headers=headers)


def scan(client: FlaskClient, urls: int, **headers: str) -> TestResponse:
    return client.post("/v1/scans", json={"urls": [BAD_URL] * urls}, headers=headers)


def scan_of(content_type: str, line: str, first: str = "") -> Ask:
    """Return what sends a list of so many lines as a scan."""

    def ask(client: FlaskClient, urls: int, **headers: str) -> TestResponse:
        body = first + line * urls
        return client.post("/v1/scans", data=body, content_type=content_type, headers=headers)

    return ask


def scan_of_items(client: FlaskClient, urls: int, **headers: str) -> TestResponse:
    json = {"items": [{"url": BAD_URL, "custom_id": str(n)} for n in range(urls)]}
    return client.post("/v1/scans", json=json, headers=headers)


def upload(client: FlaskClient, _: int, **headers: str) -> TestResponse:
    form = {"image": (BytesIO(b"GIF89a"), "a.gif")}
    return client.post("/v1/images", data=form, headers=headers)


def raw_upload(client: FlaskClient, _: int, **headers: str) -> TestResponse:
    return client.post("/v1/images", data=b"GIF89a", content_type="image/gif", headers=headers)


def lookup_by_prefix(client: FlaskClient, _: int, **headers: str) -> TestResponse:
    return client.get("/v1/lookups/0123a", headers=headers)


def contest(client: FlaskClient, _: int, **headers: str) -> TestResponse:
    body = {"sha256": "0" * 64, "says": "ai"}
    return client.post("/v1/feedback", json=body, headers=headers)


_NO_VERDICT = f"/v1/images/{'0' * 64}/explanation"


def explain(client: FlaskClient, _: int, **headers: str) -> TestResponse:
    return client.get(_NO_VERDICT, query_string={"url": BAD_URL}, headers=headers)


def explain_file(client: FlaskClient, _: int, **headers: str) -> TestResponse:
    return client.post(_NO_VERDICT, data=b"GIF89a", content_type="image/gif", headers=headers)


def explain_in_words(client: FlaskClient, _: int, **headers: str) -> TestResponse:
    return client.get(f"{_NO_VERDICT}/text", headers=headers)


def left(answer: TestResponse) -> dict[str, int]:
    """Return what is left, by the name of each quota (the `RateLimit` field)."""
    found = re.findall(r'"(\w+)";r=(\d+);t=\d+', answer.headers.get("RateLimit", ""))
    return {name: int(remaining) for name, remaining in found}
