"""Which Redis a URL names, for the store and for the broker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from kombu import Connection
from pydantic import ValidationError
from redis import Redis, RedisError

from settings import Settings
from workers.celery_app import VISIBILITY_TIMEOUT, make_celery
from workers.storage.connection import broker_of, connect, subscription

SENTINELS = "redis+sentinel://:p%40ss@10.0.0.1:26380,10.0.0.2/main"
CLUSTER = "redis+cluster://10.0.0.1:7000,10.0.0.2:7000"


@pytest.mark.parametrize(
    "url",
    ["redis://h", "rediss://:p@h:1/2", SENTINELS, CLUSTER],
)
def test_every_form_of_a_redis_is_taken(url: str) -> None:
    assert Settings(redis_url=url, broker_url="redis://h").redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis://",
        "redis+sentinel://h:26379",
        "redis+sentinel:///main",
        "redis+sentinel://h/main/0",
        "redis+cluster://h:7000/0",
        "redis+cluster://",
        "sentinel://h/main",
    ],
)
def test_what_names_no_redis_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValidationError, match="redis_url"):
        Settings(redis_url=url, broker_url="redis://h")


def test_a_cluster_needs_a_broker_beside_it_and_the_message_says_so() -> None:
    with pytest.raises(ValidationError, match=r"(?s)broker_url.*Cluster cannot be the broker"):
        Settings(redis_url=CLUSTER)
    with pytest.raises(ValidationError, match="broker_url"):
        Settings(redis_url=CLUSTER, broker_url=CLUSTER)
    assert Settings(redis_url=CLUSTER, broker_url="amqp://h").broker_url == "amqp://h"


def test_the_broker_reaches_the_master_through_every_sentinel_with_its_password() -> None:
    url, options = broker_of(SENTINELS)
    with Connection(url, transport_options=options) as connection:
        assert [each.split("@")[-1] for each in connection.alt] == [
            "10.0.0.1:26380",
            "10.0.0.2:26379",
        ]
        assert connection.password == "p@ss"
    assert options["master_name"] == "main"
    assert options["sentinel_kwargs"]["password"] == "p@ss"


@pytest.mark.parametrize("url", ["redis://h", "rediss://h", "redis+sentinel://h/main"])
def test_every_redis_that_is_a_broker_gets_our_options(url: str) -> None:
    options = make_celery(Settings(redis_url=url), Redis()).conf.broker_transport_options
    assert options["visibility_timeout"] == VISIBILITY_TIMEOUT
    assert options["global_keyprefix"].startswith("assay:tasks:")


def test_workers_of_one_model_version_never_see_what_is_queued_for_another() -> None:
    never, always = (
        make_celery(Settings(redis_url="redis://h", second_look=value), Redis())
        for value in ("never", "always")
    )
    options = [each.conf.broker_transport_options for each in (never, always)]
    assert options[0]["global_keyprefix"] != options[1]["global_keyprefix"]


def test_another_broker_gets_none_of_them() -> None:
    settings = Settings(redis_url="redis://h", broker_url="amqp://h")
    assert "visibility_timeout" not in make_celery(settings, Redis()).conf.broker_transport_options


def test_a_cluster_that_does_not_answer_is_a_redis_error(free_port: int) -> None:
    with pytest.raises(RedisError):
        connect(f"redis+cluster://127.0.0.1:{free_port}")


def test_a_connection_is_used_again_and_one_that_the_server_closed_is_replaced(
    redis: Redis, valkey_url: str
) -> None:
    with connect(valkey_url) as client:
        first = client.client_id()
        assert client.client_id() == first
        redis.client_kill_filter(_id=str(first))
        second = client.client_id()
        assert second != first
        assert client.client_id() == second


def test_threads_share_no_connection(valkey_url: str) -> None:
    with connect(valkey_url) as client, ThreadPoolExecutor(8) as threads:
        asked = [f"{number}" for number in range(400)]
        assert [*threads.map(client.echo, asked)] == [text.encode() for text in asked]


def test_a_subscription_leaves_its_connection_to_the_next_without_messages(valkey_url: str) -> None:
    redis = connect(valkey_url)
    with redis.client() as publisher:
        for _ in range(2):
            with subscription(redis, ["a", "b"]) as pubsub:
                publisher.publish("b", "heard")
                while (message := pubsub.get_message(timeout=5)) is None:
                    pass
                assert message["data"] == b"heard"
                publisher.publish("a", "never read")
            assert redis.ping()
        opened = redis.info("stats")["total_connections_received"]
        with subscription(redis, ["a"]):
            pass
        assert publisher.info("stats")["total_connections_received"] == opened
