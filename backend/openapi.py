"""The OpenAPI description: what flask-openapi3 makes of the calls, made true to their answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.auth import SECURITY
from backend.problems import NOT_AN_OBJECT, PROBLEM_TYPE, Problem
from backend.schemas.checks import CheckBody, CheckEvent, CheckReply
from backend.schemas.feedback import FeedbackBody, FeedbackReply
from backend.schemas.lookups import LookupBody, PrefixReply
from backend.schemas.ops import Health, Readiness
from backend.schemas.scans import ScanBody, ScanLine, ScanReply

_SCHEMAS = "#/components/schemas/"
_REQUESTS: tuple[type[BaseModel], ...] = (CheckBody, LookupBody, ScanBody, FeedbackBody)
_REPLIES: tuple[type[BaseModel], ...] = (
    *(CheckReply, CheckEvent, PrefixReply, ScanReply, ScanLine, FeedbackReply),
    *(Problem, Health, Readiness),
)
_UNDER_V1 = (400, 401, 403, 421, 422, 503)
_SECONDS = {"description": "Seconds.", "schema": {"type": "integer"}}
_HEADERS: dict[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}}},
    "429": {"Retry-After": _SECONDS},
    "503": {"Retry-After": _SECONDS},
}
# What went wrong, status by status; `detail` is one of several that there can be.
_EXAMPLES = {
    "400": ("Bad Request", "The request breaks the rules of HTTP."),
    "401": ("Unauthorized", "This API key is not valid."),
    "403": ("Forbidden", "Pages of this origin may not use this server."),
    "404": ("Not Found", "There is no such check, or it is over an hour old."),
    "406": ("Not Acceptable", "There is application/jsonl and text/csv."),
    "409": ("Conflict", "The same request is just being dealt with."),
    "413": ("Request Entity Too Large", "The data value transmitted exceeds the capacity limit."),
    "415": ("Unsupported Media Type", "Compressed bodies are not read."),
    "421": ("Misdirected Request", "This server does not answer under that host name."),
    "422": ("Unprocessable Entity", "The request is not of the form that this call takes."),
    "429": (
        "Too Many Requests",
        "600 URLs a minute are allowed, and too few are left for these 20.",
    ),
    "503": ("Service Unavailable", "Assay cannot reach its store just now."),
}
_REF = {"$ref": _SCHEMAS + Problem.__name__}
_TOO_LARGE = {
    "description": "Request Entity Too Large",
    "content": {PROBLEM_TYPE: {"schema": _REF}},
}


class Api(OpenAPI):
    """A Flask application that describes itself."""

    needs_key = False
    """Whether a call under ``/v1`` needs an API key, and not only takes one."""

    def generate_spec_json(self) -> None:
        """Make the description."""
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        self.spec_json["components"]["schemas"].update(_schemas())
        for operation in _operations(self.spec_json):
            if not operation.get("parameters") and "requestBody" not in operation:
                operation["responses"].pop("422", None)  # nothing of it can be wrong
            if self.needs_key and "security" in operation:
                operation["security"] = [each for each in SECURITY if each]
            if "requestBody" in operation:
                operation["responses"].setdefault("413", _TOO_LARGE)
            for status, answer in operation["responses"].items():
                if _is_problem(answer):
                    operation["responses"][status] = _problem(status, answer)


def calls(name: str, about: str) -> APIBlueprint:
    """Make a blueprint for the calls of one concern, with what is true of all under ``/v1``.

    Args:
        name: the concern.
        about: a sentence about it.
    """
    return APIBlueprint(
        name,
        __name__,
        url_prefix="/v1",
        abp_tags=[Tag(name=name, description=about)],
        abp_security=SECURITY,
        abp_responses=dict.fromkeys(_UNDER_V1, Problem),
        operation_id_callback=operation_id,
    )


def operation_id(*, name: str, path: str, method: str) -> str:  # noqa: ARG001 - its caller's form
    """Name an operation as the function that does it is named."""
    return name


def _operations(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in spec["paths"].values():
        yield from path.values()


def _schemas() -> dict[str, Any]:
    """Return the schemas of all bodies as pydantic writes them.

    flask-openapi3 passes them through a model of its own, which loses examples and definitions.
    """
    _, schemas = models_json_schema(
        [(model, "validation") for model in _REQUESTS]
        + [(model, "serialization") for model in _REPLIES],
        ref_template=_SCHEMAS + "{model}",
    )
    found: dict[str, Any] = schemas["$defs"]
    return found


def _is_problem(answer: dict[str, Any]) -> bool:
    schemas = [media.get("schema", {}) for media in answer.get("content", {}).values()]
    # flask-openapi3 takes a refusal of what is not valid for a list of problems.
    return any(_REF in (schema, schema.get("items")) for schema in schemas)


def _problem(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Describe an answer that is a problem document."""
    title, detail = _EXAMPLES[status]
    example: dict[str, Any] = {"type": "about:blank", "title": title, "status": int(status)}
    example["detail"] = detail
    if status == "422":
        example["errors"] = [{"field": "body", "detail": NOT_AN_OBJECT}]
    media = {"schema": _REF, "example": example}
    described = {"description": answer["description"], "content": {PROBLEM_TYPE: media}}
    return described | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
