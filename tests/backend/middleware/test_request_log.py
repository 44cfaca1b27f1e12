"""Request logging: one JSON event per line, with request ids and without secrets."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer

from backend.api_keys import KeyStore
from backend.supervisor import Supervisor
from tests.conftest import settings_at, until
from tests.pictures import drawing, encoded
from workers.storage.connection import connect
from workers.telemetry.logging import without_queries

SECRET = "hunter2hunter2"
FILE_NAME = "my-private-holiday.png"


# Request ids


def test_every_answer_has_an_id_of_its_own(client: FlaskClient) -> None:
    ids = {client.get("/healthz").headers["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


def test_a_client_may_give_the_id(client: FlaskClient) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": "Batch-7.a_b"})
    assert answer.headers["X-Request-ID"] == "Batch-7.a_b"


@pytest.mark.parametrize("given", ["", "a b", "a" * 65, "a/b", "é", "a\tb", '"', "?x=1"])
def test_an_id_that_could_mean_something_else_is_replaced(client: FlaskClient, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/nowhere", {}), ("/healthz", {"Host": "evil.example"}), ("/v1/checks/x", {})],
    ids=["not found", "refused", "invalid"],
)
def test_a_problem_names_its_request(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    answer = client.get(path, headers={"X-Request-ID": "mine", **headers})
    assert answer.status_code >= 400
    assert json.loads(answer.data)["request_id"] == "mine"
    assert answer.headers["X-Request-ID"] == "mine"


# Queries


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("https://e.com/a.jpg?token=x&b=c", "https://e.com/a.jpg?…"),
        ("url: /a?token=x (Caused by …)", "url: /a?… (Caused by …)"),
        ("['https://e.com/?a', 'https://e.com/?b']", "['https://e.com/?…', 'https://e.com/?…']"),
        ("GET /v1?x=y HTTP/1.1", "GET /v1?… HTTP/1.1"),
        ("Is this a question? No.", "Is this a question? No."),
    ],
)
def test_queries_are_left_out_wherever_they_stand(text: str, logged: str) -> None:
    assert without_queries(text) == logged


# The whole service


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Supervisor]:
    """A service that needs keys and logs all that it can."""
    settings = settings_at(tmp_path, worker_processes=1, log_level="DEBUG", require_key=True)
    with Supervisor(settings) as stack:
        yield stack


def events(stack: Supervisor, name: str) -> list[dict[str, object]]:
    lines = (stack.settings.data_dir / f"{name}.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def send_secrets(url: str, site: HTTPServer, headers: dict[str, str]) -> dict[str, Any]:
    """Put `SECRET` wherever a client can; return the scan."""
    site.expect_request("/a.png").respond_with_data(encoded(drawing(5), "PNG"))
    site.expect_request("/b.png").respond_with_data(encoded(drawing(7), "PNG"))
    site.expect_request("/moved.png").respond_with_data(
        b"", status=302, headers={"Location": f"/none.png?again={SECRET}"}
    )
    urls = [
        f"{site.url_for(path)}?token={SECRET}" for path in ("/a.png", "/none.png", "/moved.png")
    ]
    urls += [f"https://no-such-host.invalid/a.png?token={SECRET}", f"ftp://e.com/?{SECRET}"]
    misspelt = requests.get(f"{url}/v1/scans?secret={SECRET}", headers=headers, timeout=60)
    assert misspelt.status_code == 422
    checked = requests.post(
        f"{url}/v1/checks",
        json={"urls": urls, "wait": 20, "page": f"https://e.com/?{SECRET}"},
        headers=headers,
        timeout=60,
    )
    while checked.status_code == 202:
        place = f"{url}{checked.headers['Location']}?wait=20"
        checked = requests.get(place, headers=headers, timeout=60)
    assert checked.status_code == 200, checked.text
    scan = requests.post(
        f"{url}/v1/scans",
        json={
            "urls": [f"{site.url_for('/b.png')}?token={SECRET}"],
            "webhook": f"{site.url_for('/hook')}?token={SECRET}",
        },
        headers=headers,
        timeout=30,
    )
    requests.post(
        f"{url}/v1/images",
        files={"image": (FILE_NAME, encoded(drawing(6), "PNG"))},
        data={"wait": "20"},
        headers=headers,
        timeout=60,
    )
    requests.get(f"{url}/v1/checks/x", headers={"Authorization": f"Bearer {SECRET}"}, timeout=10)
    refused = requests.get(f"{url}/v1/usage?secret={SECRET}", headers=headers, timeout=10)
    assert refused.status_code == 422
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"GET /?token={SECRET} HTTP/9.9 nonsense\r\n\r\n".encode())
        connection.recv(4096)
    return dict(scan.json())


def test_a_service_s_logs_can_be_followed_and_hold_no_secret(
    talkative: Supervisor, site: HTTPServer
) -> None:
    with connect(str(talkative.settings.redis_url)) as redis:
        key, token = KeyStore(redis).create("test")
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "followed"}
    scan = send_secrets(talkative.url, site, headers)

    def told_of_the_scan() -> bool:
        about = [e for e in all_events(talkative, "worker") if e.get("scan_id") == scan["id"]]
        return {"classified", "webhook_tried"} <= {event["event"] for event in about}

    until(told_of_the_scan, "a worker tells of the scan and of its webhook")
    (request,) = [
        each
        for each in events(talkative, "api")
        if each["event"] == "request" and each["route"] == "/v1/checks"
    ]
    assert request["request_id"] == "followed"
    assert request["status"] == 200
    assert request["caller"] == key.id
    assert float(str(request["ms"])) > 0
    work = [e for e in all_events(talkative, "worker") if e.get("request_id") == "followed"]
    assert {"classified", "check_failed"} <= {event["event"] for event in work}
    assert all(event["task_id"] for event in work)

    logs = list(talkative.settings.data_dir.glob("*.log"))
    assert len(logs) == 4
    for log in logs:
        text = log.read_text()
        signing = scan["webhook"]["secret"].removeprefix("whsec_")
        for secret in (SECRET, token, token.rpartition("_")[2], FILE_NAME, signing):
            assert secret not in text, f"{log.name}: {text[text.index(secret) - 300 :][:600]}"


def all_events(stack: Supervisor, role: str) -> list[dict[str, object]]:
    paths = stack.settings.data_dir.glob(f"{role}*.log")
    return [event for path in paths for event in events(stack, path.stem)]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Making an application configures the logging of the tests' own process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
