"""API keys: what is kept of them, and the commands that make and revoke them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from redis import Redis

from backend.keys import KeyStore
from backend.stack import Stack
from settings import Settings
from tests.backend.running import Finished, assay
from tests.conftest import settings_at


@pytest.fixture
def keys(redis: Redis) -> KeyStore:
    return KeyStore(redis)


def test_a_key_opens_what_it_was_made_for(keys: KeyStore) -> None:
    key, secret = keys.create("newsroom", per_minute=60, per_day=1000)
    assert keys.find(secret) == key
    assert (key.name, key.per_minute, key.per_day) == ("newsroom", 60, 1000)


def test_nothing_that_is_kept_of_a_key_opens_anything(keys: KeyStore, redis: Redis) -> None:
    _, secret = keys.create("newsroom")
    kept = b" ".join(redis.hgetall("assay:keys").values()).decode()
    assert secret.rpartition("_")[2] not in kept
    assert keys.find(json.loads(kept)["sha256"]) is None


def test_a_key_has_a_form_that_scanners_for_secrets_can_know(keys: KeyStore) -> None:
    key, secret = keys.create("newsroom")
    assert re.fullmatch(rf"assay_{key.id}_[0-9a-f]{{64}}", secret)


def test_no_two_keys_are_alike(keys: KeyStore) -> None:
    made = [keys.create("twin") for _ in range(20)]
    assert len({key.id for key, _ in made}) == 20
    assert len({secret for _, secret in made}) == 20


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s[:-1] + ("0" if s[-1] != "0" else "1"), id="last digit"),
        pytest.param(lambda s: s[:19] + "0" * 64, id="another secret"),
        pytest.param(lambda s: s + "0", id="longer"),
        pytest.param(lambda s: s[:-1], id="shorter"),
        pytest.param(lambda s: s + "\n", id="newline"),
        pytest.param(str.upper, id="capitals"),
        pytest.param(lambda s: s.replace("_", "-"), id="other dashes"),
        pytest.param(lambda s: s[6:18], id="the id alone"),
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(lambda _: "assay_٣٣٣٣٣٣٣٣٣٣٣٣_" + "0" * 64, id="digits of other scripts"),
        pytest.param(lambda _: "assay_000000000000_" + "0" * 64, id="no key's id"),
        pytest.param(lambda _: "x" * 100_000, id="very long"),
    ],
)
def test_what_is_not_exactly_a_key_opens_nothing(keys: KeyStore, change) -> None:
    _, secret = keys.create("newsroom")
    assert keys.find(change(secret)) is None


def test_a_revoked_key_opens_nothing_and_the_others_still_do(keys: KeyStore) -> None:
    (first, secret), (_, other) = keys.create("first"), keys.create("other")
    assert keys.revoke(first.id)
    assert keys.find(secret) is None
    assert keys.find(other) is not None
    assert not keys.revoke(first.id)


def test_keys_are_listed_from_the_oldest(keys: KeyStore) -> None:
    made = [keys.create(name)[0] for name in ("a", "b", "c")]
    assert keys.list() == made


def test_keys_never_expire_and_so_are_never_evicted(keys: KeyStore, redis: Redis) -> None:
    keys.create("newsroom")
    assert redis.ttl("assay:keys") == -1


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "n" * 101}, {"name": "n", "per_day": 0}], ids=str
)
def test_a_key_that_cannot_be_is_not_made(keys: KeyStore, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        keys.create(**wrong)  # type: ignore[arg-type]
    assert keys.list() == []


# assay keys


@pytest.fixture
def shared(tmp_path: Path, valkey_url: str, redis: Redis) -> Settings:
    """Settings that name an empty Redis."""
    redis.flushall()
    return settings_at(tmp_path, redis_url=valkey_url)


def keys_command(settings: Settings, *arguments: str) -> Finished:
    return assay(settings, "keys", *arguments)


def test_a_new_key_alone_goes_to_standard_output_so_that_a_script_can_take_it(
    shared: Settings, keys: KeyStore
) -> None:
    done = keys_command(shared, "create", "newsroom", "--per-minute", "60")
    assert done.returncode == 0
    key = keys.find(done.stdout.strip())
    assert key is not None
    assert (key.name, key.per_minute, key.per_day) == ("newsroom", 60, None)
    assert "this once" in done.stderr


def test_a_key_is_never_shown_again(shared: Settings) -> None:
    made = json.loads(keys_command(shared, "create", "newsroom", "--json").stdout)
    secret = made.pop("key")
    table = keys_command(shared, "list").stdout
    lines = keys_command(shared, "list", "--json").stdout
    assert made["id"] in table
    assert json.loads(lines) == made
    assert secret[-20:] not in table + lines


def test_a_revoked_key_is_gone_and_revoking_it_again_fails(shared: Settings) -> None:
    key_id = json.loads(keys_command(shared, "create", "newsroom", "--json").stdout)["id"]
    assert keys_command(shared, "revoke", key_id).returncode == 0
    assert "no keys" in keys_command(shared, "list").stdout
    again = keys_command(shared, "revoke", key_id)
    assert again.returncode == 1
    assert again.stderr.startswith("assay: there is no key")


@pytest.mark.parametrize(
    "arguments", [("create", ""), ("create", "n" * 101), ("create", "n", "--per-day", "0")]
)
def test_what_cannot_be_a_key_is_told(shared: Settings, arguments: tuple[str, ...]) -> None:
    done = keys_command(shared, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_keys_of_the_server_that_runs_here_need_no_setting(stack: Stack) -> None:
    """The embedded Valkey has a port and a password of its own at every start."""
    here = settings_at(stack.settings.data_dir)
    made = json.loads(keys_command(here, "create", "desk", "--json").stdout)
    assert stack.settings.redis_url is not None
    with Redis.from_url(stack.settings.redis_url) as redis:
        assert KeyStore(redis).find(made["key"]) is not None
    assert keys_command(here, "revoke", made["id"]).returncode == 0


def test_only_this_user_can_read_where_the_embedded_valkey_is(stack: Stack) -> None:
    file = stack.settings.data_dir / "valkey.url"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("left", [None, "redis://:x@127.0.0.1:1/0"], ids=["never", "killed"])
def test_where_no_server_runs_a_sentence_says_what_to_do(tmp_path: Path, left: str | None) -> None:
    if left:
        (tmp_path / "valkey.url").write_text(left)
    done = keys_command(settings_at(tmp_path), "list")
    assert done.returncode == 1
    assert "assay serve" in done.stderr
    assert "ASSAY_REDIS_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_redis_that_is_away_is_told_in_a_sentence(tmp_path: Path, free_port: int) -> None:
    done = keys_command(settings_at(tmp_path, redis_url=f"redis://127.0.0.1:{free_port}/0"), "list")
    assert done.returncode == 1
    assert done.stderr.startswith("assay: ")
    assert "Traceback" not in done.stderr
