"""The exporter: metrics, and the dashboard and documentation that name them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from pytest_httpserver import HTTPServer
from redis import Redis

from backend.supervisor import Supervisor
from models.manifest import load_manifest
from models.verdict import Label
from tests.conftest import settings_at, until
from tests.pictures import drawing, encoded
from workers.celery_app import make_celery
from workers.scheduling.queues import enqueue

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"
DOCUMENTATION = DASHBOARD.with_name("operations.md")
NAMES = re.compile(r"\bassay_[a-z_]+")
VERSION = load_manifest().version

Key = tuple[object, ...]
"""A figure's name and its labels, sorted."""


def samples_of(text: str):
    return [sample for family in prometheus(text) for sample in family.samples]


@pytest.fixture
def unused_stack(tmp_path: Path) -> Iterator[Supervisor]:
    """Of its own, for what other tests leave under way on the common one would be counted too."""
    with Supervisor(settings_at(tmp_path)) as running:
        yield running


def test_the_figures_of_a_running_service(unused_stack: Supervisor, site: HTTPServer) -> None:
    stack = unused_stack
    site.expect_request("/a.png").respond_with_data(encoded(drawing(77), "PNG"))
    urls = [site.url_for("/a.png"), site.url_for("/none.png")]
    before = scrape(stack)
    begun = ask(stack, urls)
    assert begun.status_code == 202
    where = stack.url + begun.headers["Location"]
    until(lambda: requests.get(where, timeout=60).status_code == 200, "both URLs are known")
    assert ask(stack, urls).status_code == 200
    requests.get(f"{stack.url}/no/such/page", timeout=10)

    expected = {
        key("assay_cache_requests_total", call="check", result="hit"): 2,
        key("assay_cache_requests_total", call="check", result="miss"): 2,
        key("assay_fetch_seconds_count", outcome="ok"): 1,
        key("assay_fetch_seconds_count", outcome="http_status"): 1,
        key("assay_failures_total", code="http_status"): 1,
        key("assay_member_seconds_count", member="clip_shallow"): 1,
        key("assay_judge_seconds_count"): 1,
        key("assay_batch_size_sum", queue="interactive"): 2,
        key("assay_http_requests_total", method="POST", route="/v1/checks", status="202"): 1,
        key("assay_http_requests_total", method="POST", route="/v1/checks", status="200"): 1,
        key("assay_http_requests_total", method="GET", route="none", status="404"): 1,
    }
    verdicts = [key("assay_verdicts_total", label=label) for label in Label]

    def rose(keys: Iterable[Key]) -> dict[Key, float]:
        now = scrape(stack)
        return {each: now.get(each, 0) - before.get(each, 0) for each in keys}

    with suppress(AssertionError):  # each process tells its figures every second
        until(lambda: rose(expected) == expected and sum(rose(verdicts).values()) == 1, "")
    assert rose(expected) == expected
    assert sum(rose(verdicts).values()) == 1
    waits = key("assay_queue_wait_seconds_count", queue="interactive")
    assert rose([waits])[waits] >= 1
    now = scrape(stack)
    labels = ("model_version", VERSION)
    processes = stack.settings.worker_processes
    assert now["assay_worker_processes", labels, ("queue", "bulk")] == processes
    assert now["assay_worker_processes", labels, ("queue", "interactive")] == processes + 1
    assert now["assay_queue_depth", ("queue", "interactive")] == 0
    assert now["assay_store_memory_limit_bytes",] == 2**30


def ask(stack: Supervisor, urls: list[str]) -> requests.Response:
    return requests.post(f"{stack.url}/v1/checks", json={"urls": urls}, timeout=60)


def key(name: str, **labels: str) -> Key:
    return (name, *sorted(labels.items()))


def scrape(stack: Supervisor) -> dict[Key, float]:
    text = requests.get(f"{stack.url}/metrics", timeout=30).text
    return {(s.name, *sorted(s.labels.items())): s.value for s in samples_of(text)}


def test_tasks_that_nobody_takes_are_seen_in_depth_and_age(
    client: FlaskClient, redis: Redis, valkey_url: str, tmp_path: Path
) -> None:
    celery = make_celery(settings_at(tmp_path, redis_url=valkey_url), redis)
    for n in range(3):
        job = {"address": f"https://e.com/{n}", "since": 0, "referer": None, "queue": "bulk"}
        enqueue(celery, [job], "bulk")  # type: ignore[list-item]
    time.sleep(0.3)
    samples = {
        (s.name, *s.labels.values()): s.value for s in samples_of(client.get("/metrics").text)
    }
    assert samples["assay_queue_depth", "bulk"] == 3
    assert samples["assay_queue_oldest_seconds", "bulk"] >= 0.3
    assert samples["assay_queue_depth", "interactive"] == 0


def test_open_metrics_is_written_for_who_asks(client: FlaskClient) -> None:
    answer = client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
    )
    assert answer.content_type.startswith("application/openmetrics-text")
    assert "assay_build" in {family.name for family in open_metrics(answer.text)}
    assert client.get("/metrics").content_type.startswith("text/plain")


def test_strangers_cannot_make_labels(client: FlaskClient, redis: Redis) -> None:
    for answer in (
        client.get("/v1/checks/../../etc/passwd"),
        client.open("/healthz", method="PROPFIND"),
        client.get("/healthz", headers={"Host": "evil.example"}),
    ):
        answer.close()  # as a server does when it has sent it
    until(lambda: redis.hlen("assay:metrics") > 0, "they are counted")
    series = b" ".join(redis.hkeys("assay:metrics"))
    for theirs in (b"passwd", b"PROPFIND", b"evil"):
        assert theirs not in series


# The dashboard


def exported(client: FlaskClient) -> set[str]:
    """Every name under which a series is exported, as Prometheus will know it."""
    names = set()
    for family in prometheus(client.get("/metrics").text):
        names |= {
            "counter": {f"{family.name}_total"},
            "histogram": {f"{family.name}_{part}" for part in ("bucket", "sum", "count")},
        }.get(family.type, {family.name})
    return names


def test_the_dashboard_and_the_documentation_name_only_what_is_exported(
    client: FlaskClient,
) -> None:
    series = exported(client)
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) for name in series}
    assert NAMES.findall(DASHBOARD.read_text())
    assert set(NAMES.findall(DASHBOARD.read_text())) <= series
    assert set(NAMES.findall(DOCUMENTATION.read_text())) == whole


def test_the_dashboard_is_one_that_grafana_can_import() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["schemaVersion"] >= 36
    assert [each["type"] for each in dashboard["templating"]["list"]] == ["datasource"]
    panels = [each for each in dashboard["panels"] if each["type"] != "row"]
    assert len({each["id"] for each in dashboard["panels"]}) == len(dashboard["panels"])
    places = [tuple(each["gridPos"][side] for side in "xywh") for each in panels]
    for number, (x, y, w, h) in enumerate(places):
        assert x + w <= 24
        for x2, y2, w2, h2 in places[:number]:
            apart = x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
            assert apart, "no panel lies on another"
    for panel in panels:
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
