"""Authentication, and that callers see only their own jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.api_keys import KeyStore
from backend.app import create_app
from backend.exposure import exposure
from backend.middleware.origin_policy import EXTENSION_ORIGINS
from settings import Settings
from tests.backend.conftest import bearer
from tests.backend.running import assay
from tests.conftest import settings_at

LOOKUP = {"urls": ["https://example.com/a.jpg"]}
CHECK = {"urls": ["http://10.1.2.3/a.jpg"]}  # refused without a worker
WRONG = f"assay_{'0' * 12}_{'0' * 64}"
CHROME = EXTENSION_ORIGINS[0].strip("^$")


@pytest.fixture
def service(client_with: Callable[..., FlaskClient]) -> FlaskClient:
    """An API that requires a key."""
    return client_with(require_key=True)


@pytest.fixture
def open_api(client_with: Callable[..., FlaskClient]) -> FlaskClient:
    """An API that requires none, as on a local machine."""
    return client_with()


def is_refused(answer: TestResponse) -> bool:
    """Return whether this is a 401 that conforms to RFC 6750 and RFC 9457."""
    if answer.status_code != 401:
        return False
    assert answer.content_type == "application/problem+json"
    assert json.loads(answer.data)["status"] == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
    return True


# A key is required


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/checks"),
        ("GET", "/v1/checks/" + "0" * 32),
        ("POST", "/v1/lookups"),
        ("POST", "/v1/images"),
        ("GET", "/metrics"),
        ("GET", "/v1/what-comes-one-day"),
        ("GET", "/healthz/../v1/lookups"),
        ("GET", "/openapix"),
    ],
)
def test_a_service_answers_nothing_without_a_key(
    service: FlaskClient, method: str, path: str
) -> None:
    assert is_refused(service.open(path, method=method, json=LOOKUP))


@pytest.mark.parametrize(
    "path",
    [
        *("/healthz", "/readyz", "/openapi", "/openapi.json", "/openapi/start.js"),
        *("/", "/bulk", "/status", "/web/style.css"),
    ],
)
def test_what_operates_and_describes_the_service_stays_open(
    service: FlaskClient, path: str
) -> None:
    assert not is_refused(service.get(path, headers=bearer(WRONG), buffered=True))
    assert not is_refused(service.get(path, buffered=True))


def test_a_key_lets_in_until_it_is_revoked(service: FlaskClient, keys: KeyStore) -> None:
    key, secret = keys.create("newsroom")
    assert service.post("/v1/lookups", json=LOOKUP, headers=bearer(secret)).status_code == 200
    keys.revoke(key.id)
    assert is_refused(service.post("/v1/lookups", json=LOOKUP, headers=bearer(secret)))


def test_who_sent_no_key_is_told_how_and_who_sent_a_wrong_one_is_told_so(
    service: FlaskClient,
) -> None:
    without = service.post("/v1/lookups", json=LOOKUP)
    assert "error" not in without.headers["WWW-Authenticate"]
    assert "Bearer" in json.loads(without.data)["detail"]
    wrong = service.post("/v1/lookups", json=LOOKUP, headers=bearer(WRONG))
    assert "error=invalid_token" in wrong.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "authorization",
    ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "", "assay", "Token x", "Bearer\t"],
)
def test_what_carries_no_key_does_not_let_in(service: FlaskClient, authorization: str) -> None:
    headers = {"Authorization": authorization}
    assert is_refused(service.post("/v1/lookups", json=LOOKUP, headers=headers))


def test_the_extension_may_ask_whether_it_may_send_a_key_and_read_why_not(
    service: FlaskClient,
) -> None:
    """Browsers send no key with a preflight request."""
    preflight = service.options(
        "/v1/checks",
        headers={
            "Origin": CHROME,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    refused = service.post("/v1/checks", json=CHECK, headers={"Origin": CHROME})
    assert is_refused(refused)
    assert refused.headers["Access-Control-Allow-Origin"] == CHROME


def test_without_a_store_a_key_cannot_be_known_and_the_answer_is_503(
    tmp_path: Path, free_port: int
) -> None:
    app = create_app(
        settings_at(tmp_path, redis_url=f"redis://127.0.0.1:{free_port}/0", require_key=True)
    )
    answer = app.test_client().post("/v1/lookups", json=LOOKUP, headers=bearer(WRONG))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert app.test_client().get("/healthz", headers=bearer(WRONG)).status_code == 200


# No key is required


def test_on_one_s_own_machine_no_key_is_needed(open_api: FlaskClient) -> None:
    assert open_api.post("/v1/lookups", json=LOOKUP).status_code == 200


def test_a_wrong_key_is_refused_even_where_none_is_needed(open_api: FlaskClient) -> None:
    """Else a service whose key was revoked would seem to work, without its limits and its jobs."""
    assert is_refused(open_api.post("/v1/lookups", json=LOOKUP, headers=bearer(WRONG)))


def test_a_proxy_s_own_authorization_is_no_key(open_api: FlaskClient) -> None:
    headers = {"Authorization": "Basic dXNlcjpwYXNz"}
    assert open_api.post("/v1/lookups", json=LOOKUP, headers=headers).status_code == 200


# Callers see only their own jobs


def test_a_check_is_there_for_who_asked_and_for_nobody_else(
    open_api: FlaskClient, keys: KeyStore
) -> None:
    mine, other = bearer(keys.create("mine")[1]), bearer(keys.create("other")[1])
    location = f"/v1/checks/{open_api.post('/v1/checks', json=CHECK, headers=mine).json['id']}"
    assert open_api.get(location, headers=mine).status_code == 200
    for headers in (other, {}):
        stranger = open_api.get(location, headers=headers)
        unknown = open_api.get("/v1/checks/" + "0" * 32, headers=headers)
        assert stranger.status_code == unknown.status_code == 404
        told = [json.loads(answer.data)["detail"] for answer in (stranger, unknown)]
        assert told[0] == told[1], "nothing tells that there is such a check"


def test_what_was_asked_without_a_key_is_not_a_key_s(open_api: FlaskClient, keys: KeyStore) -> None:
    location = f"/v1/checks/{open_api.post('/v1/checks', json=CHECK).json['id']}"
    assert open_api.get(location).status_code == 200
    assert open_api.get(location, headers=bearer(keys.create("a")[1])).status_code == 404


def test_an_upload_is_its_owner_s_too(open_api: FlaskClient, keys: KeyStore) -> None:
    mine = bearer(keys.create("mine")[1])
    form = {"image": (BytesIO(b"GIF89a"), "a.gif")}
    answer = open_api.post("/v1/images", data=form, headers=mine)
    location = f"/v1/checks/{answer.json['id']}"
    assert open_api.get(location, headers=mine).status_code == 202
    assert open_api.get(location).status_code == 404


def test_every_call_under_v1_is_described_as_taking_a_key(service: FlaskClient) -> None:
    document = service.get("/openapi.json").get_json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            assert all({"key": []} in each["security"] for each in operations.values()), path


# The warning about a public address


@pytest.mark.parametrize(
    ("bind", "require_key", "warns"),
    [
        ("127.0.0.1:8750", False, False),
        ("127.8.0.1:8750", False, False),
        ("[::1]:8750", False, False),
        ("localhost:8750", False, False),
        ("0.0.0.0:8750", False, True),
        ("[::]:8750", False, True),
        ("192.168.1.5:8750", False, True),
        ("assay.example:8750", False, True),
        ("0.0.0.0:8750", True, False),
    ],
)
def test_a_server_that_strangers_can_reach_without_a_key_says_so(
    bind: str, require_key: bool, warns: bool
) -> None:
    warning = exposure(Settings(bind=bind, require_key=require_key))
    assert (warning is not None) is warns
    assert warning is None or "ASSAY_REQUIRE_KEY" in warning


def test_the_warning_comes_once_at_the_start(tmp_path: Path) -> None:
    # An address that is not this machine's, so that it goes no further than the warning.
    settings = settings_at(tmp_path).model_copy(update={"bind": "203.0.113.1:8750"})
    done = assay(settings, "serve")
    assert done.returncode == 1
    assert done.stderr.count("without a key") == 1
    assert "Cannot listen" in done.stderr
