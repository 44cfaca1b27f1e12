"""Webhooks over HTTP: a scan's URL, its secret, and the state of its delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from backend.api_keys import KeyStore
from backend.app import create_app
from backend.client import Client
from backend.supervisor import Supervisor
from tests.conftest import settings_at, until
from tests.workers.webhooks.receiver import Receiver
from workers.storage.stores import Stores

HOOK = "https://hooks.example/assay?token=a%2fb"
URL = "https://example.com/a.jpg"
FORMS = [
    ("application/jsonl", '{"url": "https://example.com/a.jpg"}\n'),
    ("text/csv", "url\nhttps://example.com/a.jpg\n"),
    ("text/plain", "https://example.com/a.jpg\n"),
    ("application/json", '{"urls": ["https://example.com/a.jpg"]}'),
]


@pytest.fixture
def client(
    redis: Redis,  # noqa: ARG001 - makes it empty
    valkey_url: str,
    tmp_path: Path,
) -> FlaskClient:
    """Of a server whose operator allows no network beyond the public web."""
    settings = settings_at(tmp_path, redis_url=valkey_url)
    return create_app(settings.model_copy(update={"fetch_allow_nets": ()})).test_client()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


def begin(client: FlaskClient, webhook: object = HOOK, **headers: str) -> TestResponse:
    return client.post("/v1/scans", json={"urls": [URL], "webhook": webhook}, headers=headers)


def kept(redis: Redis, answer: TestResponse) -> dict[bytes, bytes]:
    return redis.hgetall(f"assay:scan:{{{answer.json['id']}}}:webhook")  # type: ignore[return-value]


# The URL


def test_a_json_body_names_it(client: FlaskClient, redis: Redis) -> None:
    answer = begin(client)
    assert answer.status_code == 202
    webhook = answer.json["webhook"]
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert webhook == {"status": "pending", "attempts": 0, "last_status": None, "last_error": None}
    assert kept(redis, answer)[b"secret"].decode() == secret
    assert kept(redis, answer)[b"url"].startswith(b"https://hooks.example/assay?token=")


@pytest.mark.parametrize(("content_type", "body"), FORMS)
def test_the_query_names_it_for_every_form(
    client: FlaskClient, redis: Redis, content_type: str, body: str
) -> None:
    answer = client.post(
        "/v1/scans", query_string={"webhook": HOOK}, data=body, content_type=content_type
    )
    assert answer.status_code == 202
    assert answer.json["webhook"]["status"] == "pending"
    assert kept(redis, answer)[b"url"].startswith(b"https://hooks.example/")


def test_it_may_come_before_and_after_the_urls_and_be_null(client: FlaskClient) -> None:
    for body in (
        f'{{"webhook": "{HOOK}", "urls": ["{URL}"], "force": true}}',
        f'{{"items": [{{"url": "{URL}"}}], "webhook": "{HOOK}"}}',
    ):
        answer = client.post("/v1/scans", data=body, content_type="application/json")
        assert answer.json["webhook"]["attempts"] == 0
    assert "webhook" not in begin(client, None).json


def test_a_scan_without_one_looks_as_before(client: FlaskClient) -> None:
    made = client.post("/v1/scans", json={"urls": [URL]}).json
    assert "webhook" not in made
    assert "webhook" not in client.get(made["links"]["self"]).json


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "https://10.0.0.1/", "https://127.0.0.1/", "https://localhost/"),
        *("https://169.254.169.254/latest", "https://[::1]/", "https://hooks.example:25/"),
        *("https://me:pw@hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "x", ""),
        *("https://hooks.example/\n", "https://\0/", "https://hooks.example/" + "a" * 4096),
    ],
)
def test_one_that_can_never_be_called_is_refused_at_once_and_nothing_begins(
    client: FlaskClient, redis: Redis, url: str
) -> None:
    answers = {
        "body.webhook": begin(client, url, **{"Idempotency-Key": "k"}),
        "query.webhook": client.post(
            "/v1/scans", query_string={"webhook": url}, data=URL, content_type="text/plain"
        ),
    }
    for field, answer in answers.items():
        assert answer.status_code == 422, answer.text
        (error,) = json.loads(answer.data)["errors"]
        assert error["field"] == field
        assert error["detail"].endswith(".")
    assert redis.keys("assay:scan*") == []


@pytest.mark.parametrize("wrong", [7, True, [HOOK], {"url": HOOK}])
def test_what_is_no_text_is_refused(client: FlaskClient, wrong: object) -> None:
    answer = begin(client, wrong)
    assert answer.status_code == 422
    assert json.loads(answer.data)["errors"][0]["field"] == "body.webhook"


def test_two_of_them_are_refused(client: FlaskClient) -> None:
    for body in (
        {"path": f"/v1/scans?webhook={HOOK}", "json": {"urls": [URL], "webhook": HOOK}},
        {
            "path": "/v1/scans",
            "data": f'{{"urls": ["{URL}"], "webhook": "{HOOK}", "webhook": "{HOOK}"}}',
            "content_type": "application/json",
        },
    ):
        assert client.post(**body).status_code == 422  # type: ignore[arg-type]


def test_http_is_for_networks_that_the_operator_allows(
    redis: Redis,  # noqa: ARG001 - makes it empty
    valkey_url: str,
    tmp_path: Path,
) -> None:
    allowed = {"fetch_allow_nets": (ip_network("10.1.0.0/16"),)}
    settings = settings_at(tmp_path, redis_url=valkey_url).model_copy(update=allowed)
    client = create_app(settings).test_client()
    assert begin(client, "http://10.1.0.1:9000/hook").status_code == 202
    assert begin(client, "http://10.2.0.1:9000/hook").status_code == 422
    assert begin(client, "http://8.8.8.8/hook").status_code == 422


# The secret


def test_the_secret_is_shown_to_who_began_the_scan_and_by_no_other_call(
    client: FlaskClient,
) -> None:
    made = begin(client).json
    secret = made["webhook"]["secret"]
    for path in (made["links"]["self"], made["links"]["results"]):
        assert secret not in client.get(path).text
    assert client.get(made["links"]["self"]).json["webhook"]["status"] == "pending"
    assert secret not in client.delete(made["links"]["self"]).text
    assert secret not in client.get(made["links"]["events"]).text


def test_the_same_request_again_shows_the_same_secret_for_the_answer_may_have_been_lost(
    client: FlaskClient,
) -> None:
    first, again = (begin(client, **{"Idempotency-Key": "monday-7"}).json for _ in range(2))
    assert again["id"] == first["id"]
    assert again["webhook"]["secret"] == first["webhook"]["secret"]


def test_another_key_s_owner_sees_nothing_of_it(client: FlaskClient, redis: Redis) -> None:
    keys = KeyStore(redis)
    mine, other = ({"Authorization": f"Bearer {keys.create(n)[1]}"} for n in ("mine", "other"))
    made = begin(client, **mine).json
    assert client.get(made["links"]["self"], headers=other).status_code == 404


def test_every_scan_has_a_secret_of_its_own(client: FlaskClient) -> None:
    assert len({begin(client).json["webhook"]["secret"] for _ in range(5)}) == 5


def test_the_url_which_may_hold_a_token_is_shown_to_nobody(client: FlaskClient) -> None:
    made = begin(client)
    assert "token" not in made.text + client.get(made.json["links"]["self"]).text


# The whole service


def test_a_scan_s_end_reaches_a_receiver(stack: Supervisor, receiver: Receiver) -> None:
    client = Client(stack.url)
    scan = client.create_scan(["no url", "ftp://x/"], webhook=receiver.url)
    assert scan.webhook is not None
    assert scan.webhook.secret is not None

    def told() -> str:
        webhook = client.scan(scan.id).webhook
        assert webhook is not None
        assert webhook.secret is None
        return webhook.status

    until(lambda: told() == "delivered", "the end is told")
    (got,) = receiver.received
    said: dict[str, Any] = got.verified(scan.webhook.secret)
    assert said["data"]["counts"]["failed"] == 2
    assert Stores.open(stack.settings, "any").scans.webhooks.claim(1) == []
