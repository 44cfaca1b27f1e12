from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from backend import scan as scan_module
from backend.client import Client, RefusedError, UnreachableError
from backend.scan import ScanError, scan
from backend.sources import Source
from models.verdict import CheckItem
from tests.backend.fake_api import FakeApi, problem
from tests.pictures import drawing, encoded


@pytest.fixture
def api(site: HTTPServer) -> FakeApi:
    return FakeApi(site)


def urls(*names: str) -> list[Source]:
    return [Source(f"http://h/{name}") for name in names]


def outcomes(items: list[CheckItem]) -> dict[str, str]:
    assert len({item.url for item in items}) == len(items), "an image has two results"
    return {item.url.removeprefix("http://h/"): item.status for item in items}


def test_every_image_has_one_result(api: FakeApi) -> None:
    sources = urls(*(f"{n}.jpg" for n in range(500)), "gone.jpg")

    found = outcomes(list(scan(sources, Client(api.url))))

    assert found == {f"{n}.jpg": "done" for n in range(500)} | {"gone.jpg": "failed"}
    assert max(len(batch) for batch in api.batches) <= 100
    assert set(api.asked.values()) == {1}


def test_an_empty_scan_has_no_results(api: FakeApi) -> None:
    assert list(scan([], Client(api.url))) == []


def test_what_is_known_is_told_before_the_stragglers_of_its_batch(api: FakeApi) -> None:
    items = list(scan(urls("slow1.jpg", "a.jpg", "slow2.jpg", "b.jpg"), Client(api.url)))

    assert list(outcomes(items)) == ["a.jpg", "b.jpg", "slow1.jpg", "slow2.jpg"]


def test_what_the_server_forgot_is_asked_again(api: FakeApi) -> None:
    api.forgetful = True

    found = outcomes(list(scan(urls("a.jpg", "slow.jpg"), Client(api.url))))

    assert found == {"a.jpg": "done", "slow.jpg": "done"}
    assert api.batches == [["http://h/a.jpg", "http://h/slow.jpg"], ["http://h/slow.jpg"]]


def test_a_url_that_the_server_refuses_does_not_spoil_its_batch(api: FakeApi) -> None:
    items = list(scan(urls("a.jpg", "poison", "b.jpg"), Client(api.url)))

    assert outcomes(items) == {"a.jpg": "done", "poison": "failed", "b.jpg": "done"}
    (error,) = [item.error for item in items if item.error]
    assert error.detail == "One of the URLs cannot be taken."


def test_a_url_of_absurd_length_is_not_even_asked(api: FakeApi) -> None:
    long = Source(f"http://h/{'a' * 2**20}")

    items = {item.url: item for item in scan([*urls("a.jpg"), long], Client(api.url))}

    assert api.batches == [["http://h/a.jpg"]]
    assert items[long.name].error is not None
    assert items[long.name].error.code == "bad_url"


def test_a_file_is_uploaded_and_called_by_its_path(api: FakeApi, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data := encoded(drawing(), "PNG"))

    (item,) = scan([Source("my/a.png", path)], Client(api.url))

    assert item.url == "my/a.png"
    assert item.status == "done"
    assert list(api.asked) == [hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize(
    ("content", "code"), [(b"root:x:0:0", "not_an_image"), (None, "bad_url"), (b"", "not_an_image")]
)
def test_a_listed_file_that_is_no_image_never_leaves_the_machine(
    api: FakeApi, tmp_path: Path, content: bytes | None, code: str
) -> None:
    path = tmp_path / "secrets"
    if content is not None:
        path.write_bytes(content)

    (item,) = scan([Source("secrets", path)], Client(api.url))

    assert item.error is not None
    assert item.error.code == code
    assert not api.asked


def test_a_server_that_comes_back_is_waited_for(api: FakeApi) -> None:
    api.troubles.extend(problem(503, "Restarting.") for _ in range(3))

    found = outcomes(list(scan(urls("a.jpg", "b.jpg"), Client(api.url, patience=30))))

    assert set(found.values()) == {"done"}


def test_a_server_that_is_lost_ends_the_scan(free_port: int) -> None:
    with pytest.raises(UnreachableError):
        list(scan(urls("a.jpg"), Client(f"http://127.0.0.1:{free_port}", patience=0.5)))


def test_a_server_that_wants_nothing_of_us_ends_the_scan(api: FakeApi) -> None:
    api.troubles.append(problem(403, "This server wants a key."))

    with pytest.raises(RefusedError, match="wants a key"):
        list(scan(urls("a.jpg", "b.jpg"), Client(api.url)))


def test_workers_that_judge_nothing_end_the_scan(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "_STALLED_AFTER", 0.1)
    api.seconds = 1.0

    with pytest.raises(ScanError, match="do its workers run"):
        list(scan(urls("a.jpg"), Client(api.url)))


def test_the_list_is_read_no_further_than_the_scan_has_come(api: FakeApi) -> None:
    api.seconds = 0.05
    read = 0

    def endless() -> object:
        nonlocal read
        while True:
            read += 1
            yield Source(f"http://h/{read}")

    items = scan(endless(), Client(api.url))  # type: ignore[arg-type]
    told = [next(items) for _ in range(100)]
    items.close()

    assert len(told) == 100
    assert read < 10_000
