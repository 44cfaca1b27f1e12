"""Validation of requests: the same rules for all calls, and plain sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from backend.api_keys import KeyStore
from tests.backend.test_openapi import CALLS

ID = "0" * 32
JSON_CALLS = ("/v1/checks", "/v1/lookups", "/v1/feedback", "/v1/scans")
"""The calls that take JSON."""
WITH_BODIES = (*JSON_CALLS, "/v1/images")
PYDANTIC = re.compile(
    r"Input should|Value error|Field required|Extra inputs|should have at|validation error|pattern"
    r"|\^\[|\bstring\b|\bdict\w*|\btuple\b|\bNone\b|\bTrue\b|type="
)
"""Words of pydantic or Python that must not reach a client."""


def refusal(answer: TestResponse, status: int) -> dict[str, Any]:
    """Return the problem document, which must be in plain sentences."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem: dict[str, Any] = json.loads(answer.text)
    for sentence in (problem["detail"], *(each["detail"] for each in problem.get("errors", []))):
        assert not PYDANTIC.search(sentence), sentence
        assert sentence.endswith("."), sentence
    return problem


# Query parameters


def address(path: str) -> str:
    return path.replace("{id}", ID).replace("{prefix}", "0123a")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("query", ["wiat=3", "WAIT=3", "wait =3", "wait[]=3", "x", "=3"])
def test_a_query_parameter_that_the_call_does_not_know_is_refused(
    client: FlaskClient, call: str, query: str
) -> None:
    method, path = call.split()
    problem = refusal(client.open(f"{address(path)}?{query}", method=method), 422)
    name = query.partition("=")[0]
    assert problem["errors"][0]["field"] == f"query.{name}"
    assert repr(name) in problem["detail"]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (f"/v1/checks/{ID}", "wait"),
        (f"/v1/scans/{ID}/results", "format, order, label, status, follow"),
        (f"/v1/scans/{ID}/events", None),
    ],
)
def test_a_refused_parameter_is_told_what_is_known(
    client: FlaskClient, path: str, known: str | None
) -> None:
    detail = refusal(client.get(f"{path}?nonsense=1"), 422)["detail"]
    assert (known or "no parameters") in detail


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/v1/checks/{ID}?wait=1&wait=2", "wait"),
        (f"/v1/scans/{ID}/results?format=csv&format=jsonl", "format"),
        ("/v1/scans?limit=2&limit=2", "limit"),
    ],
)
def test_a_parameter_of_which_one_value_would_be_ignored_is_refused(
    client: FlaskClient, path: str, name: str
) -> None:
    problem = refusal(client.get(path), 422)
    assert [each["field"] for each in problem["errors"]] == [f"query.{name}"]


def test_a_parameter_that_is_a_list_may_be_given_again(client: FlaskClient) -> None:
    path = client.post("/v1/scans", json={"urls": ["x:"]}).get_json()["links"]["results"]
    assert client.get(f"{path}?label=ai&label=real&status=failed&status=done").status_code == 200


def test_a_name_of_a_kilobyte_is_not_told_back_whole(client: FlaskClient) -> None:
    answer = client.get(f"/v1/checks/{ID}?{'a' * 4000}=1")
    assert len(answer.text) < 1000
    body = {"urls": ["x:"], "b" * 4000: 1}
    answer = client.post("/v1/checks", json=body)
    refusal(answer, 422)
    assert len(answer.text) < 1000


def test_who_is_not_known_is_told_nothing_of_the_parameters(
    client_with: Callable[..., FlaskClient],
) -> None:
    client = client_with(require_key=True)
    assert client.get(f"/v1/checks/{ID}?wiat=1").status_code == 401


def test_the_pages_for_people_may_be_linked_to_with_anything(client: FlaskClient) -> None:
    assert client.get("/openapi?utm_source=mail").status_code == 200
    assert client.get("/?x=1").status_code == 200


# Media types


@pytest.mark.parametrize("path", WITH_BODIES)
@pytest.mark.parametrize(
    "content_type", [None, "", "application/x-www-form-urlencoded", "application/xml", "json", "/"]
)
def test_a_body_that_is_not_called_what_it_is_is_refused_alike_by_every_call(
    client: FlaskClient, path: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    for data in (b'{"urls": ["x:"]}', b"", b"nonsense"):
        problem = refusal(client.post(path, data=data, headers=headers), 415)
        assert "Content-Type" in problem["detail"]


@pytest.mark.parametrize("path", WITH_BODIES)
def test_a_compressed_body_is_refused_alike_by_every_call(client: FlaskClient, path: str) -> None:
    kind = "image/png" if path == "/v1/images" else "application/json"
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    refusal(client.post(path, data=b"\x1f\x8b", headers=headers), 415)


@pytest.mark.parametrize("path", JSON_CALLS)
@pytest.mark.parametrize("body", ["{urls:", "nonsense", '{"urls": ["x:"]', "\x00"])
def test_what_is_called_json_and_is_none_is_refused_alike_by_every_call(
    client: FlaskClient, path: str, body: str
) -> None:
    answer = client.post(path, data=body, content_type="application/json")
    assert refusal(answer, 400)["errors"][0]["field"] == "body"


@pytest.mark.parametrize("path", JSON_CALLS)
@pytest.mark.parametrize("body", ["", "[]", "3", "null", '"text"', r'"{\"urls\": [\"x:\"]}"'])
def test_json_that_is_no_object_is_refused_alike_by_every_call(
    client: FlaskClient, path: str, body: str
) -> None:
    answer = client.post(path, data=body, content_type="application/json")
    assert answer.status_code in (400, 422) if path == "/v1/scans" else answer.status_code == 422
    assert refusal(answer, answer.status_code)["errors"][0]["field"] == "body"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_is_known_however_its_type_is_spelt(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/v1/checks", data='{"urls": ["x:"]}', content_type=content_type)
    assert answer.status_code == 200


# Ids


@pytest.mark.parametrize(
    "wrong",
    ["abc", "0" * 31, "0" * 33, "A" * 32, "g" * 32, f"%20{ID}", f"{ID}%0a", "%00", "é", "{id}"],
)
@pytest.mark.parametrize("call", [call for call in CALLS if "{id}" in call])
def test_what_is_no_id_is_the_id_of_nothing(client: FlaskClient, call: str, wrong: str) -> None:
    """As with an id that is well formed, so that nobody has to know what ids look like."""
    method, path = call.split()
    found = refusal(client.open(path.replace("{id}", wrong), method=method), 404)
    unknown = refusal(client.open(path.replace("{id}", ID), method=method), 404)
    assert found["detail"] == unknown["detail"]


# What the response names


@pytest.mark.parametrize(
    ("path", "body", "field", "named"),
    [
        ("checks", {}, "body.urls", ""),
        ("checks", {"urls": []}, "body.urls", "1"),
        ("checks", {"urls": ["x:"] * 101}, "body.urls", "100"),
        ("checks", {"urls": "x:"}, "body.urls", "list"),
        ("checks", {"urls": None}, "body.urls", "list"),
        ("checks", {"urls": ["x:", 3]}, "body.urls.1", "text"),
        ("checks", {"urls": ["x:"], "wait": 21}, "body.wait", "20"),
        ("checks", {"urls": ["x:"], "wait": -1}, "body.wait", "0"),
        ("checks", {"urls": ["x:"], "wait": "2"}, "body.wait", "number"),
        ("checks", {"urls": ["x:"], "wait": None}, "body.wait", "number"),
        ("checks", {"urls": ["x:"], "force": 1}, "body.force", "true false"),
        ("checks", {"urls": ["x:"], "page": 1}, "body.page", "text"),
        ("checks", {"urls": ["x:"], "page": "a" * 8193}, "body.page", "8,192"),
        ("checks", {"urls": ["x:"], "wiat": 2}, "body.wiat", "urls wait page force"),
        ("lookups", {}, "body", "urls sha256 500"),
        ("lookups", {"sha256": ["x"]}, "body.sha256.0", "64"),
        ("feedback", {"says": "ai"}, "body", "url sha256"),
        ("feedback", {"url": "x:"}, "body.says", ""),
        ("feedback", {"url": "x:", "says": "no"}, "body.says", "'ai' 'real'"),
        ("feedback", {"sha256": "x", "says": "ai"}, "body.sha256", "64"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_error_in_a_body_names_the_field_and_what_it_takes(
    client: FlaskClient, path: str, body: dict[str, object], field: str, named: str
) -> None:
    problem = refusal(client.post(f"/v1/{path}", json=body), 422)
    assert_names(problem, field, named)
    assert problem["detail"] == problem["errors"][0]["detail"]


def assert_names(problem: dict[str, Any], field: str, named: str) -> None:
    """Check that the only error is of this field, and that its sentence has certain words."""
    (error,) = problem["errors"]
    assert error["field"] == field
    for word in (field.partition(".")[2], *named.split()):
        assert word.lower() in error["detail"].lower()


@pytest.mark.parametrize(
    ("path", "field", "named"),
    [
        (f"checks/{ID}?wait=abc", "query.wait", "number"),
        (f"checks/{ID}?wait=", "query.wait", "number"),
        (f"checks/{ID}?wait=nan", "query.wait", "20"),
        (f"checks/{ID}?wait=inf", "query.wait", "20"),
        (f"scans/{ID}/results?format=xml", "query.format", "'jsonl' 'csv'"),
        (f"scans/{ID}/results?label=fake", "query.label.0", "'ai' 'uncertain' 'real'"),
        (f"scans/{ID}/results?follow=2", "query.follow", "true false"),
        (f"scans/{ID}/results?follow=true", "query", "follow order=finished"),
        ("scans?limit=0", "query.limit", "1"),
        ("scans?limit=101", "query.limit", "100"),
        ("scans?limit=ten", "query.limit", "number"),
        ("scans?limit=" + "9" * 5000, "query.limit", "number"),
        ("scans?before=x", "query.before", "`next`"),
        ("lookups/ABCDE", "path.prefix", "5 64"),
        ("lookups/abcd", "path.prefix", "5 64"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_error_in_an_address_names_the_parameter_and_what_it_takes(
    client: FlaskClient, path: str, field: str, named: str
) -> None:
    assert_names(refusal(client.get(f"/v1/{path}"), 422), field, named)


def test_an_error_in_a_header_names_it_and_what_it_takes(client: FlaskClient) -> None:
    headers = {"Idempotency-Key": "two words"}
    problem = refusal(client.post("/v1/scans", json={"urls": ["x:"]}, headers=headers), 422)
    assert_names(problem, "header.Idempotency-Key", "255 ASCII")


@pytest.mark.parametrize(
    ("form", "field", "named"),
    [
        ({}, "form.image", ""),
        ({"image": "text"}, "form.image", "file text"),
        ({"image": (BytesIO(b"x"), "a"), "wiat": "2"}, "form.wiat", "wait"),
        ({"image": (BytesIO(b"x"), "a"), "wait": "x"}, "form.wait", "number"),
        ({"image": (BytesIO(b"x"), "a"), "wait": "[" * 9999}, "form.wait", "number"),
        ({"picture": (BytesIO(b"x"), "a")}, "form", "'image' 'picture'"),
        ({"image": [(BytesIO(b"x"), "a"), (BytesIO(b"y"), "b")]}, "form.image", "one"),
    ],
    ids=lambda value: ("+".join(value) or "empty") if isinstance(value, dict) else value,
)
def test_an_error_in_a_form_names_the_field_and_what_it_takes(
    client: FlaskClient, form: dict[str, Any], field: str, named: str
) -> None:
    answer = client.post("/v1/images", data=form, content_type="multipart/form-data")
    assert_names(refusal(answer, 422), field, named)


def test_many_faults_are_counted_and_not_all_told(client: FlaskClient) -> None:
    body = {"urls": [1] * 100}
    problem = refusal(client.post("/v1/checks", json=body), 422)
    assert len(problem["errors"]) == 20
    assert "97" in problem["detail"]


def test_a_refused_request_tells_nothing_of_what_is_secret(
    client: FlaskClient, redis: Redis
) -> None:
    key = KeyStore(redis).create("mine")[1]
    headers = {"Authorization": f"Bearer {key}"}
    body = {"urls": [{"password": "hunter2"}], "force": "hunter2"}
    text = client.post("/v1/checks", json=body, headers=headers).text
    assert "hunter2" not in text
    assert key not in text
