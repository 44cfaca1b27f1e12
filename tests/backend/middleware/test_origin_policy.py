"""Origin policy: Hosts, Origins and CORS; and the format of every error."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.app import MAX_BODY
from backend.blueprints.images import MAX_IMAGE
from backend.middleware.origin_policy import EXTENSION_ORIGINS

CHROME = EXTENSION_ORIGINS[0].strip("^$")
FIREFOX = "moz-extension://0f3c1d8e-8a53-4f0e-9d64-6d7a3c0f1b2a"
LOOKUP = {"urls": ["https://example.com/a.jpg"]}


@pytest.fixture
def client(app_with: Callable[..., Flask]) -> FlaskClient:
    app = app_with(allowed_hosts="assay.example", allowed_origins="https://desk.example")
    return app.test_client()


def problem_of(answer: TestResponse) -> dict[str, object]:
    assert answer.content_type == "application/problem+json"
    body = json.loads(answer.data)
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return dict(body)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8750", "127.0.0.1:8750", "[::1]:8750", "assay.example"]
)
def test_the_api_answers_under_its_own_names(client: FlaskClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil@localhost:x", "["],
)
def test_a_foreign_host_name_is_refused(client: FlaskClient, host: str) -> None:
    """A name that an attacker points at this machine (DNS rebinding)."""
    answer = client.post("/v1/lookups", json=LOOKUP, headers={"Host": host})
    assert answer.status_code in (400, 421)
    problem_of(answer)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        CHROME + ".evil.example",
        "https://desk.example.evil.example",
        "https://evil.example/#" + CHROME,
    ],
)
@pytest.mark.parametrize("path", ["/v1/lookups", "/v1/checks", "/v1/images"])
def test_a_page_of_a_foreign_origin_can_trigger_nothing(
    client: FlaskClient, origin: str, path: str
) -> None:
    answer = client.post(path, json=LOOKUP, headers={"Origin": origin})
    assert answer.status_code == 403
    problem_of(answer)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", [CHROME, FIREFOX, "https://desk.example"])
def test_the_extension_and_configured_origins_are_let_in(client: FlaskClient, origin: str) -> None:
    answer = client.post("/v1/lookups", json=LOOKUP, headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    preflight = client.options(
        "/v1/checks", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    ("site", "what"),
    [
        pytest.param("cross-site", "no-cors image", id="img"),
        pytest.param("same-site", "no-cors image", id="img of another port"),
        pytest.param("cross-site", "no-cors script", id="script"),
        pytest.param("cross-site", "no-cors empty", id="no-cors fetch"),
        pytest.param("cross-site", "navigate iframe", id="iframe"),
        pytest.param("same-site", "navigate object", id="object"),
        pytest.param("cross-site", "websocket empty", id="WebSocket"),
        pytest.param("unheard-of", "no-cors image", id="a site of a future browser"),
    ],
)
def test_what_a_page_loads_without_an_origin_is_refused(
    client: FlaskClient, site: str, what: str
) -> None:
    answer = client.get("/v1/checks/" + "0" * 32, headers=fetched(site, what))
    assert answer.status_code == 403
    problem_of(answer)


def test_a_link_on_any_page_leads_here_and_a_form_does_not(client: FlaskClient) -> None:
    link = fetched("cross-site", "navigate document")
    assert client.get("/healthz", headers=link).status_code == 200
    assert client.post("/v1/checks", json=LOOKUP, headers=link).status_code == 403


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_a_browser_s_own_requests_and_the_extension_s_without_an_origin_are_let_in(
    client: FlaskClient, site: str
) -> None:
    """Where an extension has the user's permission, its GETs carry no Origin."""
    answer = client.get("/readyz", headers=fetched(site, "cors empty"))
    assert answer.status_code == 503  # no worker runs


@pytest.mark.parametrize("origin", [CHROME, FIREFOX, "https://desk.example"])
def test_a_permitted_origin_counts_more_than_the_site(client: FlaskClient, origin: str) -> None:
    """So asks an extension that has no permission for this server yet."""
    headers = {**fetched("cross-site", "cors empty"), "Origin": origin}
    assert client.post("/v1/lookups", json=LOOKUP, headers=headers).status_code == 200


def fetched(site: str, what: str) -> dict[str, str]:
    """Return what a browser tells of a request (Fetch Metadata): its site, mode and destination."""
    mode, dest = what.split()
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}


def test_a_permitted_origin_may_read_what_it_is_told_in_headers(client: FlaskClient) -> None:
    answer = client.post("/v1/lookups", json=LOOKUP, headers={"Origin": CHROME})
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Location", "Retry-After", "RateLimit", "RateLimit-Policy"} <= set(exposed)


def test_a_foreign_preflight_is_refused(client: FlaskClient) -> None:
    answer = client.options(
        "/v1/checks",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_server_s_own_pages_may_call_it(client: FlaskClient) -> None:
    answer = client.post(
        "/v1/lookups",
        json=LOOKUP,
        base_url="http://localhost:8750",
        headers={"Origin": "http://localhost:8750"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"", "application/json", id="no body"),
        pytest.param(b"[]", "application/json", id="a list"),
        pytest.param(b'{"urls": []}', "application/json", id="no URLs"),
        pytest.param(b'{"urls": "http://e.com/"}', "application/json", id="URLs not a list"),
        pytest.param(b'{"urls": [1, null]}', "application/json", id="wrong types"),
        pytest.param(b'{"urls": ["a"], "wait": 21}', "application/json", id="too long a wait"),
        pytest.param(b'{"urls": ["a"], "wait": -1}', "application/json", id="negative wait"),
        pytest.param(b'{"urls": ["a"], "wiat": 1}', "application/json", id="unknown field"),
        pytest.param(
            json.dumps({"urls": ["http://e.com/"] * 101}).encode(),
            "application/json",
            id="101 URLs",
        ),
    ],
)
def test_a_request_of_the_wrong_form_is_a_problem_that_says_so(
    client: FlaskClient, body: bytes, content_type: str
) -> None:
    answer = client.post("/v1/checks", data=body, content_type=content_type)
    assert answer.status_code == 422
    assert problem_of(answer)["errors"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/checks", 405),
        ("GET", "/v1/lookups", 405),
        ("GET", "/v1/checks/" + "0" * 32, 404),
        ("GET", "/v1/checks/not-an-id", 404),
        ("POST", "/v1/images", 415),
    ],
)
def test_other_errors_are_problems_too(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    problem_of(answer)


@pytest.mark.parametrize(
    ("path", "size", "content_type"),
    [
        ("/v1/checks", MAX_BODY, "application/json"),
        ("/v1/images", MAX_IMAGE + 1, "image/png"),
        ("/v1/images", MAX_IMAGE + 1, "application/octet-stream"),
        ("/v1/images", MAX_IMAGE + 2**16, "multipart/form-data; boundary=x"),
    ],
)
def test_a_body_that_is_too_large_is_refused(
    client: FlaskClient, path: str, size: int, content_type: str
) -> None:
    answer = client.post(path, data=b"x" * (size + 1), content_type=content_type)
    assert answer.status_code == 413
    problem_of(answer)


def test_without_a_store_the_answer_is_503_and_says_when_to_try_again(
    client_with: Callable[..., FlaskClient], free_port: int
) -> None:
    client = client_with(redis_url=f"redis://127.0.0.1:{free_port}/0")
    answer = client.post("/v1/lookups", json=LOOKUP)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    problem_of(answer)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["missing"] == ["store", "broker", "worker"]
    assert client.get("/healthz").status_code == 200


@pytest.mark.usefixtures("redis")
def test_without_a_worker_the_service_is_not_ready(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["missing"] == ["worker"]


def test_the_openapi_document_names_every_call(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {
        "/v1/checks",
        "/v1/checks/{id}",
        "/v1/lookups",
        "/v1/images",
        "/healthz",
        "/readyz",
    }
