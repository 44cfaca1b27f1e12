"""Validation: an invalid request gets a response that says in plain sentences what is wrong.

pydantic finds the errors and flask-openapi3 passes them here. This module also refuses what
flask-openapi3 ignores: unknown query parameters, and bodies that are not JSON.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import flask
from flask import Flask, Response, current_app, request
from flask_openapi3 import APIBlueprint
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from backend.middleware.bodies import refuse_compressed
from backend.middleware.problems import InvalidField, InvalidRequestError, problem

NOT_AN_OBJECT = "A JSON object is needed."
JSON_NEEDED = "The Content-Type must be application/json."
_MAX_ERRORS = 20
"""Errors that one response lists; a list of thousands of URLs may have thousands."""
_MAX_ERRORS_IN_DETAIL = 3
"""Errors in the problem's `detail`."""
_MAX_NAME = 60
"""Characters of a client's name that a response repeats."""
_PARTS = ("path", "query", "header", "body")
"""The arguments of a view function that flask-openapi3 fills, each from a model."""

# pydantic's error types (https://docs.pydantic.dev/latest/errors/validation_errors/) in words that
# follow the field's name. `str.format` fills in the bounds.
_WORDS = {
    "missing": "is needed.",
    "list_type": "must be a list.",
    "string_type": "must be text.",
    "string_unicode": "must be valid Unicode.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_parsing_size": "must be a smaller number.",
    "int_from_float": "must be a whole number.",
    "float_type": "must be a number.",
    "float_parsing": "must be a number.",
    "finite_number": "must be a finite number.",
    "greater_than_equal": "must be at least {ge:g}.",
    "less_than_equal": "must be at most {le:g}.",
    "too_short": "must have at least {min_length:,} entries.",
    "too_long": "must have at most {max_length:,} entries.",
    "string_too_short": "must have at least {min_length:,} characters.",
    "string_too_long": "must have at most {max_length:,} characters.",
    "literal_error": "must be {expected}.",
    "enum": "must be {expected}.",
}


class Request(flask.Request):
    """A request whose JSON body must have the Content-Type of JSON."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:  # noqa: ARG002
        """Return the body's object. `silent`, which flask-openapi3 sets, is ignored.

        Raises:
            UnsupportedMediaType: the Content-Type is not JSON, or the body is compressed.
            InvalidRequestError: the body is not JSON, or not an object.
        """
        refuse_compressed(self)
        found = super().get_json(force=force, cache=cache)
        if not isinstance(found, dict):
            raise InvalidRequestError("body", NOT_AN_OBJECT)
        return found

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Refuse a body that is not JSON, or has another Content-Type."""
        if e is None:
            raise UnsupportedMediaType(JSON_NEEDED)
        size = len(self.get_data())
        if size == 0:
            raise InvalidRequestError("body", NOT_AN_OBJECT)
        if size == self.max_content_length:  # werkzeug truncates a chunked body to this
            raise RequestEntityTooLarge
        raise InvalidRequestError("body", "The body is not JSON.", status=400)


def register(app: Flask) -> None:
    """Read bodies strictly, and refuse unknown query parameters."""
    app.request_class = Request

    @app.before_request
    def refuse_unknown_parameters() -> None:
        blueprint = app.blueprints.get(request.blueprint or "")
        if not isinstance(blueprint, APIBlueprint) or request.method == "OPTIONS":
            return
        model = _models(str(request.endpoint)).get("query")
        known = model.model_fields if model else {}
        for name, values in request.args.lists():
            if name not in known:
                raise InvalidRequestError(f"query.{_short(name)}", _unknown(name, list(known)))
            if len(values) > 1 and not _is_list(known[name].annotation):
                raise InvalidRequestError(f"query.{name}", f"{name} is given more than once.")


def invalid_request(error: ValidationError) -> Response:
    """Make the response for errors that flask-openapi3 found."""
    models = _models(str(request.endpoint))
    part = next(part for part, model in models.items() if model.__name__ == error.title)
    return invalid(error, part, models[part])


def invalid(error: ValidationError, part: str, model: type[BaseModel]) -> Response:
    """Make the response for a request's errors. It does not repeat what was sent.

    Args:
        error: pydantic's errors.
        part: the part of the request: ``query``, ``form``, ``body`` …
        model: the model of that part.
    """
    found = error.errors(include_url=False, include_input=False)
    errors = [
        InvalidField(field=_field(part, each), detail=_sentence(each, model))
        for each in found[:_MAX_ERRORS]
    ]
    sentences = [each.detail for each in errors[:_MAX_ERRORS_IN_DETAIL]]
    if more := len(found) - len(sentences):
        sentences.append(f"And {more:,} more.")
    return problem(422, " ".join(sentences), errors)


@cache
def _models(endpoint: str) -> dict[str, type[BaseModel]]:
    """Return the models of an endpoint by the part of the request that they describe."""
    hints = get_type_hints(current_app.view_functions[endpoint])
    return {part: hints[part] for part in _PARTS if part in hints}


def _is_list(annotation: object) -> bool:
    """Return whether a field is a list, such as ``list[str] | None``."""
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _field(part: str, error: ErrorDetails) -> str:
    return ".".join([part, *(_short(str(step)) for step in error["loc"])])


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Describe an error in a sentence that names the field."""
    kind, context = error["type"], error.get("ctx", {})
    name = ".".join(_short(str(step)) for step in error["loc"])
    if kind == "value_error":  # raised by a model of Assay; about one field, it begins with a verb
        words = f"{context['error']}."
        return f"{name} {words}" if name else words[0].upper() + words[1:]
    if kind == "extra_forbidden":
        return _unknown(name, list(model.model_fields))
    if kind not in _WORDS or not name:
        return f"{name or 'This'} is not valid for this call."
    return f"{name} {_WORDS[kind].format_map(context)}"


def _unknown(name: str, known: list[str]) -> str:
    what = f"Known: {', '.join(known)}." if known else "This call takes no parameters."
    return f"{_short(name)!r} is unknown. {what}"


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"
