"""Explanations of verdicts: the whole stack, on real images."""

from __future__ import annotations

import hashlib
import io

import pytest
import requests
from PIL import Image
from pytest_httpserver import HTTPServer

from backend.client import Client, RefusedError
from backend.supervisor import Supervisor
from tests.conftest import until
from tests.pictures import drawing, encoded


@pytest.fixture
def client(stack: Supervisor) -> Client:
    return Client(stack.url, retry_timeout=120)


def serve(site: HTTPServer, seed: int) -> tuple[str, bytes]:
    data = encoded(drawing(seed), "PNG")
    site.expect_request("/a.png").respond_with_data(data, content_type="image/png")
    return site.url_for("/a.png"), data


def ask(path: str, **params: str) -> requests.Response:
    """Ask until a worker of a busy machine is done in time."""
    answers: list[requests.Response] = []

    def is_in_time() -> bool:
        answers.append(requests.get(path, params=params, timeout=60))
        return answers[-1].status_code != 504

    until(is_in_time, "it is drawn in time", 120)
    return answers[-1]


def judge(client: Client, data: bytes) -> None:
    check = client.upload(data, wait=20)
    until(lambda: client.look(check.id, wait=1).status == "done", "it has a verdict")


def is_picture(data: bytes) -> bool:
    image = Image.open(io.BytesIO(data))
    return image.format == "PNG" and image.width >= 400


def test_an_image_on_the_web_is_fetched_again_and_explained(
    stack: Supervisor, client: Client, site: HTTPServer
) -> None:
    url, data = serve(site, 910)
    (item,) = client.judge([url])
    assert item.verdict is not None, item
    sha256 = item.verdict.image.sha256
    assert sha256 == hashlib.sha256(data).hexdigest()
    path = f"{stack.url}/v1/images/{sha256}/explanation"
    answer = ask(path, url=url, page=site.url_for("/page"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cache-Control"] == "private, max-age=600"
    assert is_picture(answer.content)
    assert site.log[-1][0].headers["Referer"] == site.url_for("/")
    site.clear()
    serve(site, 911)
    changed = ask(path, url=url)
    assert changed.status_code == 409
    site.clear()
    gone = ask(path, url=url)
    assert gone.status_code == 404
    assert "not at hand" in gone.json()["detail"]


def test_a_file_is_sent_again_and_no_copy_stays(stack: Supervisor, client: Client) -> None:
    data = encoded(drawing(912), "PNG")
    sha256 = hashlib.sha256(data).hexdigest()
    with pytest.raises(RefusedError, match="no verdict"):
        client.explain(sha256, image=data)
    judge(client, data)
    assert is_picture(client.explain(sha256, image=data))
    with pytest.raises(RefusedError) as other:
        client.explain(sha256, image=encoded(drawing(913), "PNG"))
    assert other.value.status == 409
    folder = stack.settings.data_dir / "explanations"
    until(lambda: not list(folder.iterdir()), "nothing is kept")


def test_a_verdict_is_explained_in_sentences(client: Client) -> None:
    data = encoded(drawing(914), "PNG")
    sha256 = hashlib.sha256(data).hexdigest()
    with pytest.raises(RefusedError, match="no verdict"):
        client.explain_in_words(sha256)
    judge(client, data)
    reply = client.explain_in_words(sha256)
    assert reply.decided_by == "pixels"
    decision, rate, missing = reply.sentences
    assert "pixels decided" in decision
    assert "In our test" in rate
    assert missing.startswith("Not looked at")


def test_addresses_inside_the_network_are_refused(client: Client) -> None:
    data = encoded(drawing(915), "PNG")
    judge(client, data)
    sha256 = hashlib.sha256(data).hexdigest()
    for url, status in (("http://10.0.0.1/", 422), ("file:///etc/passwd", 422)):
        with pytest.raises(RefusedError) as error:
            client.explain(sha256, url=url)
        assert error.value.status == status
    with pytest.raises(ValueError, match="either url or image"):
        client.explain(sha256)
