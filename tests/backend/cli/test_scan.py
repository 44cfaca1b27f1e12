from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backend.cli import scan as scan_module
from backend.cli.inputs import Input
from backend.cli.pending_scan import PendingScan
from backend.cli.scan import Result, ScanError, scan
from backend.client import (
    Client,
    LimitedError,
    ServerError,
    UnreachableError,
    api_connection,
)
from tests.backend.fake_api import FakeApi, problem
from tests.conftest import until
from tests.pictures import drawing, encoded


def urls(*names: str) -> list[Input]:
    return [Input(index, f"http://h/{name}") for index, name in enumerate(names)]


def numbered(count: int) -> list[Input]:
    return urls(*(f"{n}.jpg" for n in range(count)))


def outcomes(results: list[Result]) -> dict[str, str]:
    assert len({item.url for _, item in results}) == len(results), "an image has two results"
    assert all(given.name == item.url for given, item in results)
    return {item.url.removeprefix("http://h/"): item.status for _, item in results}


def test_every_image_has_one_result(api: FakeApi) -> None:
    found = outcomes(list(scan([*numbered(500), *urls("gone.jpg")], Client(api.url))))

    assert found == {f"{n}.jpg": "done" for n in range(500)} | {"gone.jpg": "failed"}
    assert len(api.scans) == 1
    assert set(api.asked.values()) == {1}


def test_an_empty_scan_has_no_results(api: FakeApi) -> None:
    assert list(scan([], Client(api.url))) == []


def test_a_list_that_is_too_long_for_one_scan_becomes_several(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "MOST_URLS", 200)

    found = outcomes(list(scan(numbered(500), Client(api.url))))

    assert len(found) == 500
    assert [len(each) for each in api.lists] == [200, 200, 100]


def test_a_server_that_allows_less_gets_less(api: FakeApi) -> None:
    api.most = 30

    assert len(outcomes(list(scan(numbered(100), Client(api.url))))) == 100
    assert set(api.asked.values()) == {1}


def test_what_is_known_comes_before_the_stragglers(api: FakeApi) -> None:
    items = list(scan(urls("slow1.jpg", "a.jpg", "slow2.jpg", "b.jpg"), Client(api.url)))

    assert list(outcomes(items)) == ["a.jpg", "b.jpg", "slow1.jpg", "slow2.jpg"]


def test_what_the_server_forgot_is_asked_again(api: FakeApi) -> None:
    api.forgetful = True

    found = outcomes(list(scan(urls("a.jpg", "slow.jpg"), Client(api.url))))

    assert found == {"a.jpg": "done", "slow.jpg": "done"}
    assert api.lists == [["http://h/a.jpg", "http://h/slow.jpg"], ["http://h/slow.jpg"]]


def test_a_url_that_the_server_refuses_does_not_spoil_the_list(api: FakeApi) -> None:
    items = list(scan(urls("a.jpg", "poison", "b.jpg"), Client(api.url)))

    assert outcomes(items) == {"a.jpg": "done", "poison": "failed", "b.jpg": "done"}
    (error,) = [item.error for _, item in items if item.error]
    assert error.detail == "One of the URLs cannot be taken."


def test_a_row_with_a_fault_is_not_even_asked(api: FakeApi) -> None:
    faulty = Input(0, "no URL", fault="This is not a URL.")

    found = {item.url: item for _, item in scan([*urls("a.jpg"), faulty], Client(api.url))}

    assert api.lists == [["http://h/a.jpg"]]
    assert found["no URL"].error is not None
    assert found["no URL"].error.code == "bad_url"


def test_a_file_is_uploaded_and_called_by_its_path(api: FakeApi, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data := encoded(drawing(), "PNG"))

    ((_, item),) = scan([Input(0, "my/a.png", path)], Client(api.url))

    assert item.url == "my/a.png"
    assert item.status == "done"
    assert list(api.asked) == [hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize(
    ("content", "code"), [(b"root:x:0:0", "not_an_image"), (None, "bad_url"), (b"", "not_an_image")]
)
def test_a_listed_file_that_is_not_an_image_never_leaves_the_machine(
    api: FakeApi, tmp_path: Path, content: bytes | None, code: str
) -> None:
    path = tmp_path / "secrets"
    if content is not None:
        path.write_bytes(content)

    ((_, item),) = scan([Input(0, "secrets", path)], Client(api.url))

    assert item.error is not None
    assert item.error.code == code
    assert not api.asked


def test_a_server_that_comes_back_is_waited_for(api: FakeApi) -> None:
    api.troubles.extend(problem(status, "Restarting.") for status in (503, 502, 409))

    found = outcomes(list(scan(urls("a.jpg", "b.jpg"), Client(api.url, retry_timeout=30))))

    assert set(found.values()) == {"done"}


def test_a_server_that_is_lost_ends_the_scan(free_port: int) -> None:
    with pytest.raises(UnreachableError):
        list(scan(urls("a.jpg"), Client(f"http://127.0.0.1:{free_port}", retry_timeout=0.5)))


def test_a_quota_is_used_to_its_end(api: FakeApi) -> None:
    api.quota = 77
    found: list[Result] = []

    with pytest.raises(LimitedError, match="9 URLs a day") as raised:
        found.extend(scan(numbered(300), Client(api.url)))

    assert raised.value.retry_after == 3600
    assert api.quota == 0
    assert len(outcomes(found)) == 77, "what was charged has its result"
    assert set(api.asked.values()) == {1}


def test_a_quota_that_soon_allows_more_is_waited_for(api: FakeApi, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(drawing(), "PNG"))
    api.troubles.extend(problem(429, "9 URLs a second.", **{"Retry-After": "1"}) for _ in range(3))
    client = Client(api.url, retry_timeout=30)
    waits: list[tuple[type, float]] = []
    client.on_wait(lambda reason, seconds: waits.append((type(reason), seconds)))

    found = outcomes(list(scan([*urls("a.jpg", "b.jpg"), Input(2, "a.png", path)], client)))

    assert set(found.values()) == {"done"}
    assert waits == [(LimitedError, 1.0)] * 3


def test_a_quota_refuses_files_too(api: FakeApi, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(drawing(), "PNG"))
    api.troubles.extend(problem(429, "9 a day.", **{"Retry-After": "3600"}) for _ in range(9))

    with pytest.raises(LimitedError):
        list(scan([Input(0, "a.png", path)], Client(api.url)))


def test_workers_that_stand_still_end_the_scan(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_connection, "STALL_TIMEOUT", 0.5)

    with pytest.raises(ServerError, match="workers run"):
        list(scan(urls("stuck"), Client(api.url)))
    api.released.set()


# Scans that an earlier run began


def begin(api: FakeApi, pending: PendingScan, inputs: list[Input]) -> list[Result]:
    """Scan until the server is stuck, and stop there."""
    running = scan(inputs, Client(api.url), pending=pending)
    found = [next(running) for given in inputs if "stuck" not in given.name]
    running.close()
    return found


def test_the_next_run_follows_the_scan_of_the_first(api: FakeApi, tmp_path: Path) -> None:
    inputs = urls("a.jpg", "stuck.jpg", "b.jpg")
    found = begin(api, PendingScan(tmp_path / "o"), inputs[:2])
    api.released.set()

    found += scan(inputs[1:], Client(api.url), pending=PendingScan(tmp_path / "o"))

    assert set(outcomes(found)) == {"a.jpg", "stuck.jpg", "b.jpg"}
    assert set(api.asked.values()) == {1}, "only what is new is asked"
    assert list(tmp_path.iterdir()) == []


def test_a_run_killed_before_it_knew_the_scan_asks_for_the_same_scan(
    api: FakeApi, tmp_path: Path
) -> None:
    inputs = urls("a.jpg", "stuck.jpg")
    unknown = PendingScan(tmp_path / "o")
    unknown.remember = lambda *_: None  # type: ignore[method-assign]
    begin(api, unknown, inputs)
    api.released.set()

    found = outcomes(list(scan(inputs, Client(api.url), pending=PendingScan(tmp_path / "o"))))

    assert set(found) == {"a.jpg", "stuck.jpg"}
    assert len(api.scans) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"seed": "x"}'])
def test_a_damaged_memory_of_the_scan_counts_as_none(
    api: FakeApi, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "o.scan").write_bytes(content)

    assert len(list(scan(urls("a"), Client(api.url), pending=PendingScan(tmp_path / "o")))) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_scan_that_the_server_forgot_meanwhile_is_asked_anew(
    api: FakeApi, tmp_path: Path
) -> None:
    inputs = urls("a.jpg", "stuck.jpg")
    begin(api, PendingScan(tmp_path / "o"), inputs)
    api.released.set()
    api.scans.clear()

    found = outcomes(list(scan(inputs[1:], Client(api.url), pending=PendingScan(tmp_path / "o"))))

    assert found == {"stuck.jpg": "done"}


def test_a_scan_that_somebody_cancels_ends_and_the_next_run_goes_on(
    api: FakeApi, tmp_path: Path
) -> None:
    inputs = urls("a.jpg", "stuck.jpg")
    running = scan(inputs, Client(api.url), pending=PendingScan(tmp_path / "o"))
    next(running)
    until(lambda: bool(api.scans), "the scan runs")
    Client(api.url).cancel(next(iter(api.scans)))

    with pytest.raises(ScanError, match="cancelled"):
        list(running)
    api.released.set()
    found = outcomes(list(scan(inputs[1:], Client(api.url), pending=PendingScan(tmp_path / "o"))))
    assert found == {"stuck.jpg": "done"}


def test_a_scan_that_was_cancelled_between_two_runs_is_asked_anew(
    api: FakeApi, tmp_path: Path
) -> None:
    inputs = urls("a.jpg", "stuck.jpg")
    begin(api, PendingScan(tmp_path / "o"), inputs)
    api.cancelled.update(api.scans)
    api.released.set()

    found = outcomes(list(scan(inputs[1:], Client(api.url), pending=PendingScan(tmp_path / "o"))))

    assert found == {"stuck.jpg": "done"}
