"""Sealed values: JSON in the cache that can be served without a look at what is in it.

A seal is a short hash, the first field of the JSON object. It covers every other byte, and the
schema and release of the writer. So an object whose seal is right is what this release would write,
and needs no validation. Any other, from another release or damaged, is validated first.

The seal finds damage and old forms. It is no signature: who can write to Redis can also seal.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import orjson
import structlog
from pydantic import BaseModel, ValidationError

_START = b'{"seal":"'
_DIGEST_SIZE = 8
_CONTENT = len(_START) + 2 * _DIGEST_SIZE
"""Where what is sealed begins."""

log = structlog.get_logger()


def seal(value: BaseModel) -> bytes:
    """Write a model with at least one field as sealed JSON, without fields that are None."""
    content = b'",' + value.model_dump_json(exclude_none=True).encode()[1:]
    return _START + _digest(type(value), content) + content


def unseal(raw: bytes | None, model: type[BaseModel]) -> dict[str, Any] | None:
    """Return the JSON object of a model's value, without fields that are None.

    Args:
        raw: sealed JSON, or JSON that another release wrote.
        model: its model.

    Returns:
        The object; None if there is none or it is not valid.
    """
    if raw is None:
        return None
    content = raw[_CONTENT:]
    if raw.startswith(_START) and raw[len(_START) : _CONTENT] == _digest(model, content):
        found: dict[str, Any] = orjson.loads(raw)
        del found["seal"]
        return found
    try:
        return model.model_validate_json(raw).model_dump(mode="json", exclude_none=True)
    except ValidationError:
        log.warning("cached_value_invalid", model=model.__name__)
        return None


def _digest(model: type[BaseModel], content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST_SIZE, key=_writer(model)).hexdigest().encode()


@cache
def _writer(model: type[BaseModel]) -> bytes:
    """Return a hash of what this release would write for a model."""
    schema = json.dumps(model.model_json_schema(mode="serialization"), sort_keys=True)
    return blake2b(f"{version('assay')}\n{schema}".encode(), digest_size=32).digest()
