from __future__ import annotations

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from backend.client import Client, RefusedError, ServerError, UnreachableError, local_server
from backend.schemas.scans import ItemBody, ScanLine
from tests.backend.fake_api import FakeApi, problem

URLS = ["http://h/a.jpg", "http://h/gone.jpg", "http://h/slow.jpg"]


@pytest.fixture
def api(site: HTTPServer) -> FakeApi:
    return FakeApi(site)


def test_a_check_has_one_item_per_url_in_order(api: FakeApi) -> None:
    check = Client(api.url).check(URLS)

    assert [item.url for item in check.items] == URLS
    assert [item.status for item in check.items] == ["done", "failed", "pending"]
    assert check.status == "pending"


def test_a_pending_check_can_be_looked_at_again(api: FakeApi) -> None:
    client = Client(api.url)

    assert client.look(client.check(URLS).id).status == "done"


def test_judging_waits_for_every_verdict_and_takes_any_number_of_urls(api: FakeApi) -> None:
    urls = [f"http://h/slow{n}.jpg" for n in range(150)]

    items = list(Client(api.url).judge(urls))

    assert [item.url for item in items] == urls
    assert {item.status for item in items} == {"done"}
    assert [len(batch) for batch in api.lists] == [100, 50]


def test_what_is_pending_when_time_is_up_is_told_so(api: FakeApi) -> None:
    (item,) = Client(api.url).judge(["http://h/slow.jpg"], within=0)

    assert item.status == "pending"


def test_an_upload_is_one_item(api: FakeApi) -> None:
    check = Client(api.url).upload(b"bytes", queue="bulk")

    assert [item.url[:7] for item in check.items] == ["sha256:"]


def test_a_refusal_is_told_in_the_servers_words(api: FakeApi) -> None:
    api.troubles.append(problem(403, "This server wants a key."))

    with pytest.raises(RefusedError, match=r"^This server wants a key\.$") as refused:
        Client(api.url).check(URLS)
    assert refused.value.status == 403


def test_an_answer_that_is_not_assays_is_an_error(site: HTTPServer) -> None:
    site.expect_request("/v1/checks").respond_with_data("<html>", content_type="text/html")

    with pytest.raises(ServerError, match="not Assay's"):
        Client(site.url_for("")).check(URLS)


def test_a_redirect_is_not_followed(site: HTTPServer) -> None:
    site.expect_request("/v1/checks").respond_with_data(
        status=302, headers={"Location": "http://127.0.0.1:9/"}
    )

    with pytest.raises(RefusedError, match="302"):
        Client(site.url_for("")).check(URLS)


def test_a_server_in_trouble_is_asked_again_while_patience_lasts(api: FakeApi) -> None:
    api.troubles.extend([problem(503, "Starting."), problem(502, "No upstream.")])

    check = Client(api.url, retry_timeout=30).check(URLS[:1])

    assert check.status == "done"
    assert not api.troubles


def test_a_server_that_breaks_off_is_asked_again(api: FakeApi) -> None:
    broken = Response("{")
    broken.content_length = 1000  # more than there is
    api.troubles.append(broken)

    assert Client(api.url, retry_timeout=30).check(URLS[:1]).status == "done"
    assert not api.troubles


def test_without_patience_a_server_in_trouble_is_asked_once(api: FakeApi) -> None:
    api.troubles.extend([problem(503, "Starting."), problem(503, "Starting.")])

    with pytest.raises(UnreachableError, match="Starting"):
        Client(api.url).check(URLS)
    assert len(api.troubles) == 1


def test_a_server_that_asks_for_more_time_than_there_is_patience_is_given_up(api: FakeApi) -> None:
    api.troubles.append(problem(503, "Later.", **{"Retry-After": "3600"}))

    with pytest.raises(UnreachableError) as trouble:
        Client(api.url, retry_timeout=30).check(URLS)
    assert trouble.value.retry_after == 3600


def test_a_server_that_is_not_there_cannot_be_reached(free_port: int) -> None:
    client = Client(f"http://127.0.0.1:{free_port}")

    assert not client.is_alive()
    with pytest.raises(UnreachableError, match="cannot be reached"):
        client.check(URLS)


def test_a_server_that_answers_is_alive(api: FakeApi) -> None:
    assert Client(api.url).is_alive()


def test_an_address_that_is_none_is_an_error_and_not_alive() -> None:
    assert not Client("localhost:8750").is_alive()
    with pytest.raises(ServerError, match="cannot be asked"):
        Client("localhost:8750").check(URLS)


def test_the_server_on_this_machine_is_not_asked_through_a_proxy(
    api: FakeApi, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert Client(api.url).check(URLS[:1]).status == "done"


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8750", "http://127.0.0.1:8750"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:8750", "http://[::1]:8750"),
        ("[::1]:8750", "http://[::1]:8750"),
        ("assay.lan:8750", "http://assay.lan:8750"),
    ],
)
def test_the_server_on_this_machine_is_where_it_is_bound(bind: str, url: str) -> None:
    assert local_server(bind) == url


def scan_line(index: int) -> str:
    return ScanLine(url=f"http://h/{index}", status="pending", index=index).model_dump_json()


def test_results_go_on_where_the_connection_broke_and_each_comes_once(site: HTTPServer) -> None:
    answers = [
        Response(f"{scan_line(0)}\n\n{scan_line(1)}\n{scan_line(2)[:9]}"),
        problem(503, "Starting."),
        Response("".join(f"{scan_line(n)}\n" for n in range(4))),
    ]
    answers[0].content_length = 1000  # more than there is
    asked = site.expect_request("/v1/scans/7/results", "GET")
    asked.respond_with_handler(lambda _: answers.pop(0))

    lines = Client(site.url_for(""), retry_timeout=30).results("7", order="finished", follow=True)

    assert [line.index for line in lines] == [0, 1, 2, 3]
    (request, _), *_ = site.log
    assert dict(request.args) == {"format": "jsonl", "order": "finished", "follow": "true"}


def test_without_patience_results_that_break_off_are_an_error(site: HTTPServer) -> None:
    answer = Response(f"{scan_line(0)}\n")
    answer.content_length = 1000
    site.expect_request("/v1/scans/7/results").respond_with_handler(lambda _: answer)

    lines = Client(site.url_for("")).results("7")

    with pytest.raises(UnreachableError, match="broke off"):
        list(lines)


def test_results_that_are_not_assays_are_an_error(site: HTTPServer) -> None:
    site.expect_request("/v1/scans/7/results").respond_with_data("<html>")

    with pytest.raises(ServerError, match="not Assay's"):
        list(Client(site.url_for("")).results("7"))


def test_a_scan_that_is_asked_for_again_is_asked_for_by_the_same_key(site: HTTPServer) -> None:
    site.expect_request("/v1/scans", "POST").respond_with_handler(lambda _: problem(503, "Later."))

    with pytest.raises(UnreachableError, match="Later"):
        Client(site.url_for(""), retry_timeout=1).create_scan(
            ["http://h/1", ItemBody(url="http://h/2")]
        )

    assert len(site.log) > 1
    assert len({request.headers["Idempotency-Key"] for request, _ in site.log}) == 1
    assert site.log[0][0].data == b'{"url":"http://h/1"}\n{"url":"http://h/2"}\n'
