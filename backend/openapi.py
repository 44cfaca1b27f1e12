"""The OpenAPI document: what flask-openapi3 generates, corrected to match the real responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.middleware.auth import SECURITY
from backend.middleware.problems import PROBLEM_TYPE, Problem
from backend.middleware.validation import NOT_AN_OBJECT
from backend.schemas.checks import CheckBody, CheckEvent, CheckReply
from backend.schemas.explanations import ExplanationReply
from backend.schemas.feedback import FeedbackBody, FeedbackReply
from backend.schemas.lookups import LookupBody, PrefixReply
from backend.schemas.ops import Health, Readiness
from backend.schemas.scans import ScanBody, ScanLine, ScanList, ScanReply
from backend.schemas.usage import UsageReply

_SCHEMAS = "#/components/schemas/"
REQUESTS: tuple[type[BaseModel], ...] = (CheckBody, LookupBody, ScanBody, FeedbackBody)
REPLIES: tuple[type[BaseModel], ...] = (
    *(CheckReply, CheckEvent, PrefixReply, ScanReply, ScanList, ScanLine, FeedbackReply),
    *(ExplanationReply, UsageReply, Problem, Health, Readiness),
)
_UNDER_V1 = (400, 401, 403, 421, 422, 503)
_SECONDS = {"description": "Seconds.", "schema": {"type": "integer"}}
_HEADERS: dict[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}}},
    "429": {"Retry-After": _SECONDS},
    "503": {"Retry-After": _SECONDS},
}
# Status → title, and one of its possible details.
_EXAMPLES = {
    "400": ("Bad Request", "The request is not valid HTTP."),
    "401": ("Unauthorized", "This API key is not valid."),
    "403": ("Forbidden", "Pages of this origin may not use this server."),
    "404": ("Not Found", "There is no such check, or it is older than an hour."),
    "406": ("Not Acceptable", "Available: application/jsonl and text/csv."),
    "409": ("Conflict", "The same request is being processed."),
    "413": ("Request Entity Too Large", "The data value transmitted exceeds the capacity limit."),
    "415": ("Unsupported Media Type", "Compressed bodies are not supported."),
    "421": ("Misdirected Request", "This server does not answer for that host name."),
    "422": ("Unprocessable Entity", NOT_AN_OBJECT),
    "429": (
        "Too Many Requests",
        "600 URLs a minute are allowed. Fewer are left than the 20 requested.",
    ),
    "503": ("Service Unavailable", "Assay cannot reach its store."),
    "504": ("Gateway Timeout", "The picture was not drawn in time. Try again later."),
}
_REF = {"$ref": _SCHEMAS + Problem.__name__}


class Api(OpenAPI):
    """A Flask application with an OpenAPI document."""

    needs_key = False
    """Whether calls under ``/v1`` require an API key."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function: none is a coroutine, and Flask would ask ten times per request."""
        return func

    def generate_spec_json(self) -> None:
        """Generate the document."""
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        self.spec_json["components"]["schemas"].update(_schemas())
        for operation in _operations(self.spec_json):
            if self.needs_key and "security" in operation:
                operation["security"] = [each for each in SECURITY if each]
            if "requestBody" in operation:
                for status in ("413", "415"):
                    operation["responses"].setdefault(status, _body_error(status))
            for status, response in operation["responses"].items():
                if _is_problem(response):
                    operation["responses"][status] = _problem(status, response)


def calls(name: str, about: str) -> APIBlueprint:
    """Make a blueprint for calls under ``/v1``, with the responses that all of them share.

    Args:
        name: of the blueprint and its OpenAPI tag.
        about: the tag's description.
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


def operation_id(*, name: str, path: str, method: str) -> str:  # noqa: ARG001 - the caller's signature
    """Return the view function's name as the operation's id."""
    return name


def _operations(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in spec["paths"].values():
        yield from path.values()


def _schemas() -> dict[str, Any]:
    """Return the schemas of all bodies as pydantic generates them.

    flask-openapi3 converts them to a model of its own, which loses examples and definitions.
    """
    _, schemas = models_json_schema(
        [(model, "validation") for model in REQUESTS]
        + [(model, "serialization") for model in REPLIES],
        ref_template=_SCHEMAS + "{model}",
    )
    found: dict[str, Any] = schemas["$defs"]
    return found


def _body_error(status: str) -> dict[str, Any]:
    """Describe the response to a body that is too large or has an unsupported type."""
    title, _ = _EXAMPLES[status]
    return {"description": title, "content": {PROBLEM_TYPE: {"schema": _REF}}}


def _is_problem(response: dict[str, Any]) -> bool:
    schemas = [media.get("schema", {}) for media in response.get("content", {}).values()]
    # flask-openapi3 describes a validation error as a list of problems.
    return any(_REF in (schema, schema.get("items")) for schema in schemas)


def _problem(status: str, response: dict[str, Any]) -> dict[str, Any]:
    """Describe a response that is a problem document."""
    title, detail = _EXAMPLES[status]
    example: dict[str, Any] = {"type": "about:blank", "title": title, "status": int(status)}
    example["detail"] = detail
    if status == "422":
        example["errors"] = [{"field": "body", "detail": NOT_AN_OBJECT}]
    media = {"schema": _REF, "example": example}
    described = {"description": response["description"], "content": {PROBLEM_TYPE: media}}
    return described | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
