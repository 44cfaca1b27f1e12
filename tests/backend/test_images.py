"""Uploads as the body itself. `test_checks.py` has uploads in a form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient

from backend.blueprints.images import MAX_IMAGE
from backend.supervisor import Supervisor
from models.errors import ErrorCode
from tests.conftest import until
from tests.pictures import drawing, encoded
from workers.storage.uploads import Uploads


def send(
    stack: Supervisor, data: bytes | Iterator[bytes], kind: str, query: str
) -> requests.Response:
    headers = {"Content-Type": kind}
    return requests.post(f"{stack.url}/v1/images{query}", data=data, headers=headers, timeout=60)


def left_on_the_disk(folder: Path) -> list[Path]:
    return list((folder / "uploads").iterdir())


@pytest.fixture
def client(client_with: Callable[..., FlaskClient]) -> FlaskClient:
    return client_with(rate_limit="1/day")


@pytest.mark.parametrize(
    "kind", ["image/png", "image/jpeg", "image/x-unheard-of", "application/octet-stream"]
)
def test_an_image_is_judged_whatever_kind_of_image_it_is_called(
    stack: Supervisor, kind: str
) -> None:
    data = encoded(drawing(500 + len(kind)), "PNG")
    answer = send(stack, data, kind, "?wait=20")
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["items"]
    assert item["url"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert item["verdict"]["image"]["format"] == "png"
    until(lambda: not left_on_the_disk(stack.settings.data_dir), "it is deleted")


def test_the_same_image_in_a_form_is_known(stack: Supervisor) -> None:
    data = encoded(drawing(530), "PNG")
    first = send(stack, data, "image/png", "?wait=20").json()["items"]
    answer = requests.post(
        f"{stack.url}/v1/images?wait=20", files={"image": data}, data={"queue": "bulk"}, timeout=60
    )
    (known,) = answer.json()["items"]
    assert known["verdict"]["cached"] is True
    assert known["verdict"]["probability"] == first[0]["verdict"]["probability"]


def test_an_image_may_come_in_chunks_of_no_known_number(stack: Supervisor) -> None:
    data = encoded(drawing(531), "PNG")
    pieces = (data[at : at + 100] for at in range(0, len(data), 100))
    answer = send(stack, pieces, "image/png", "?wait=20")
    assert answer.json()["items"][0]["url"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert answer.json()["items"][0]["status"] == "done"


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", encoded(drawing(532))[:2000]])
def test_what_is_no_image_fails_as_an_item_and_is_not_kept(stack: Supervisor, data: bytes) -> None:
    (item,) = send(stack, data, "image/png", "?wait=20").json()["items"]
    assert item["status"] == "failed"
    assert item["error"]["code"] in (
        ErrorCode.NOT_AN_IMAGE,
        ErrorCode.CORRUPT_IMAGE,
        ErrorCode.UNSUPPORTED_FORMAT,
    )
    until(lambda: not left_on_the_disk(stack.settings.data_dir), "it is deleted")
    (again,) = send(stack, data, "image/png", "").json()["items"]
    assert again == item
    assert not left_on_the_disk(stack.settings.data_dir)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(MAX_IMAGE, 202), (MAX_IMAGE + 1, 413)])
def test_an_image_has_20_mib_at_most(
    stack: Supervisor, size: int, status: int, chunked: bool
) -> None:
    data = bytes([size % 251, chunked]) + bytes(size - 2)
    body = (data[at : at + 2**20] for at in range(0, size, 2**20)) if chunked else data
    assert send(stack, body, "application/octet-stream", "").status_code == status
    until(lambda: not left_on_the_disk(stack.settings.data_dir), "nothing is left")


def test_an_upload_that_is_refused_leaves_nothing(client: FlaskClient, tmp_path: Path) -> None:
    kept = b"the first of the day"
    assert client.post("/v1/images", data=kept, content_type="image/png").status_code == 202
    first = [tmp_path / "uploads" / hashlib.sha256(kept).hexdigest()]
    assert left_on_the_disk(tmp_path) == first
    answer = client.post("/v1/images", data=b"another", content_type="image/png")
    assert answer.status_code == 429
    assert left_on_the_disk(tmp_path) == first


def test_a_body_that_ends_too_early_is_refused_and_costs_nothing(
    client: FlaskClient, tmp_path: Path
) -> None:
    answer = client.post(
        "/v1/images",
        data=b"short",
        content_type="image/png",
        environ_overrides={"CONTENT_LENGTH": "100"},
    )
    assert answer.status_code == 400
    assert left_on_the_disk(tmp_path) == []
    assert client.post("/v1/images", data=b"whole", content_type="image/png").status_code == 202


@pytest.mark.parametrize("query", ["?wait=21", "?queue=fast", "?image=x", "?wiat=1"])
def test_what_is_wrong_in_the_query_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.post(f"/v1/images{query}", data=b"x", content_type="image/png")
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"][0]["field"].startswith("query.")


def test_what_was_received_and_not_kept_is_gone(tmp_path: Path) -> None:
    spool = Uploads(tmp_path)
    with spool.receive([b"ab", b"c"]) as upload:
        assert upload.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), spool.receive(bytes(1 // n) for n in (1, 0)):
        pass
    assert list(tmp_path.iterdir()) == []
    with spool.receive([b"abc"]) as upload:
        upload.keep()
    assert spool.get(upload.sha256) == b"abc"
