"""The OpenAPI description, held against the API by what schemathesis makes of it.

No worker runs, so nothing that is asked for is ever fetched, whatever host its URL names.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from backend.api_keys import KeyStore
from backend.app import create_app
from backend.middleware.problems import Problem
from backend.openapi import REPLIES, REQUESTS
from backend.schemas.checks import LONGEST_WAIT, CheckEvent
from backend.schemas.ops import Health, Readiness
from backend.schemas.scans import ScanLine
from tests.conftest import settings_at
from tests.machines.roles import api

CALLS = (
    *("POST /v1/checks", "GET /v1/checks/{id}", "GET /v1/checks/{id}/events"),
    *("POST /v1/lookups", "GET /v1/lookups/{prefix}", "POST /v1/images", "POST /v1/feedback"),
    *("GET /v1/images/{sha256}/explanation", "POST /v1/images/{sha256}/explanation"),
    "GET /v1/images/{sha256}/explanation/text",
    *("GET /v1/checks/{id}/report", "GET /v1/scans/{id}/report"),
    *("POST /v1/scans", "GET /v1/scans", "GET /v1/scans/{id}", "DELETE /v1/scans/{id}"),
    *("GET /v1/scans/{id}/results", "GET /v1/scans/{id}/events", "GET /v1/usage"),
    *("GET /healthz", "GET /readyz", "GET /metrics"),
)
LINES = (CheckEvent, ScanLine)
"""What is in a stream, and shown in docs/api.md."""
MOST_EXAMPLES = 10
"""Examples for each call and kind of data."""


@pytest.fixture(scope="module")
def described(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """An API whose jobs no worker takes: they are in a database of their own, and forgotten."""
    own = valkey_url.removesuffix("/0") + "/1"
    folder = tmp_path_factory.mktemp("openapi")
    with Redis.from_url(own) as redis:
        try:
            with api(settings_at(folder, redis_url=own), folder) as url:
                yield schemathesis.openapi.from_url(f"{url}/openapi.json")
        finally:
            redis.flushdb()


def test_every_call_is_tried(described: BaseSchema) -> None:
    assert {operation.ok().label for operation in described.get_all_operations()} == set(CALLS)


def test_every_body_has_an_example_that_is_one() -> None:
    for model in (*REQUESTS, *REPLIES):
        examples = model.model_json_schema().get("examples", [])
        assert examples or model in (*LINES, Problem, Health, Readiness), model
        for example in examples:
            model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize(
    ("call", "mode"),
    [
        *((call, GenerationMode.POSITIVE) for call in CALLS),
        *((call, GenerationMode.NEGATIVE) for call in CALLS if "/v1/" in call),
    ],
)
def test_every_answer_is_as_described(
    described: BaseSchema, call: str, mode: GenerationMode
) -> None:
    method, path = call.split()
    operation = described[path][method]

    @settings(
        max_examples=MOST_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def as_described(case: schemathesis.Case) -> None:
        _do_not_wait(case)
        if mode.is_positive:
            _keep_to_the_words(case)
        answer = case.call(timeout=30)
        # Gunicorn itself refuses a request line of more than 4,094 bytes.
        if answer.status_code != HTTPStatus.REQUEST_URI_TOO_LONG:
            case.validate_response(answer, excluded_checks=_beyond_description(case))

    as_described()


def test_where_a_key_is_needed_none_and_a_wrong_one_are_refused(
    valkey_url: str, tmp_path: Path
) -> None:
    own = valkey_url.removesuffix("/0") + "/2"
    app = create_app(settings_at(tmp_path, redis_url=own, require_key=True))
    description = schemathesis.openapi.from_wsgi("/openapi.json", app)
    with Redis.from_url(own) as redis:
        _, secret = KeyStore(redis).create("tests")

        @settings(
            max_examples=1, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(data=st.data())
        def as_described(data: st.DataObject) -> None:
            for call in (call for call in CALLS if "/v1/" in call):
                method, path = call.split()
                case = data.draw(description[path][method].as_strategy())
                _do_not_wait(case)
                key = {"Authorization": f"Bearer {secret}"}
                assert case.call(headers=key).status_code != 401
                case.call_and_validate(headers=key, checks=[ignored_auth])

        as_described()
        redis.flushdb()


def _do_not_wait(case: schemathesis.Case) -> None:
    """Nothing is ever done here, so that to wait for it would only take time."""
    for part in (case.body, case.query):
        if isinstance(part, dict) and type(wait := part.get("wait")) in (int, float):
            part["wait"] = 0 if 0 <= wait <= LONGEST_WAIT else wait


def _keep_to_the_words(case: schemathesis.Case) -> None:
    """Keep to what is said of the calls in words, for which OpenAPI has no form."""
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex  # "the same request"
    for part in (case.body, case.query):
        if isinstance(part, dict) and "webhook" in part:
            part["webhook"] = "https://hooks.example/"  # "An https URL", and in one place
    if isinstance(case.body, dict) and "webhook" in case.body:
        case.query.pop("webhook", None)
    if case.query.get("follow"):
        case.query["order"] = "finished"


def _beyond_description(case: schemathesis.Case) -> list[CheckFunction]:
    """Return the checks that cannot be asked of this case."""
    if case.path == "/readyz":
        return [not_a_server_error]  # 503 is what it is for
    if case.path == "/v1/scans" and case.media_type != "application/json":
        return [positive_data_acceptance]  # OpenAPI has no words for what a line of a list may be
    return []
