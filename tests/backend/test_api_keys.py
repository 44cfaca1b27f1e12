"""API keys, and the commands that create and revoke them."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from redis import Redis

from backend.api_keys import KeyExpiredError, KeyStore, format_time
from backend.cli.expiry import parse_expiry
from backend.supervisor import Supervisor
from settings import Settings
from tests.backend.running import Finished, assay
from tests.conftest import settings_at
from workers.storage.quotas import Charge, Quota, QuotaStore


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


# Names


def test_an_expired_key_s_name_may_be_had_again_and_means_the_valid_one(keys: KeyStore) -> None:
    old, _ = keys.create("ci", expires_at=time.time() - 1)
    new, _ = keys.create("ci")
    assert keys.named("ci") == [new]
    assert keys.named(old.id) == [old]
    keys.revoke(new.id)
    assert keys.named("ci") == [old]
    assert keys.named("nobody") == []


# Expiry


def test_a_key_is_refused_from_the_moment_at_which_it_expires(
    keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires_at = time.time() + 1000
    key, secret = keys.create("newsroom", expires_at=expires_at)
    assert key.state == "valid"
    for seconds, state in ((-0.001, "valid"), (0, "expired"), (10**9, "expired")):
        monkeypatch.setattr(time, "time", lambda s=seconds: expires_at + s)
        assert key.state == state
        if state == "valid":
            assert keys.find(secret) == key
        else:
            with pytest.raises(KeyExpiredError, match=r"expired on \d{4}-\d\d-\d\dT"):
                keys.find(secret)
    assert keys.list() == [key], "it is still listed"


def test_only_who_has_the_key_hears_that_it_expired(keys: KeyStore) -> None:
    _, secret = keys.create("newsroom", expires_at=time.time() - 1)
    assert keys.find(secret[:19] + "0" * 64) is None


def test_keys_that_were_made_before_keys_could_expire_are_valid(
    keys: KeyStore, redis: Redis
) -> None:
    key, secret = keys.create("newsroom")
    old = json.loads(redis.hget("assay:keys", key.id))
    del old["expires_at"]
    for name in ("newsroom", "  "):
        redis.hset("assay:keys", key.id, json.dumps({**old, "name": name}))
        found = keys.find(secret)
        assert found is not None
        assert (found.state, found.expires_at) == ("valid", None)
    assert len(keys.list()) == 1


NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90d", "2027-02-26T12:00:00Z"),
        (" 90 d ", "2027-02-26T12:00:00Z"),
        ("12h", "2026-11-29T00:00:00Z"),
        ("30m", "2026-11-28T12:30:00Z"),
        ("1s", "2026-11-28T12:00:01Z"),
        ("2w", "2026-12-12T12:00:00Z"),
        ("1y", "2027-11-28T12:00:00Z"),
        ("2026-11-28", "2026-11-28T23:59:59Z"),
        ("2027-01-31", "2027-01-31T23:59:59Z"),
        ("2028-02-29", "2028-02-29T23:59:59Z"),
        ("2027-01-31T08:00", "2027-01-31T08:00:00Z"),
        ("2027-01-31T08:00Z", "2027-01-31T08:00:00Z"),
        ("2027-01-31 08:00+02:00", "2027-01-31T06:00:00Z"),
    ],
)
def test_an_expiry_is_a_time_from_now_or_a_date(text: str, expected: str) -> None:
    assert format_time(parse_expiry(text, NOW)) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *(
            (text, "is not a time")
            for text in ("", "d", "90", "-1d", "1.5d", "90 days", "tomorrow")
        ),
        *(
            (text, "is not a time")
            for text in ("2027-13-01", "2027-02-29", "31.1.2027", "٩d", "9D")
        ),
        *((text, "not a time") for text in ("999999999y", "99999999999d", "9999-99-99", "1d2h")),
        *((text, "not in the future") for text in ("0d", "2026-11-27", "2026-11-28T12:00Z")),
    ],
)
def test_what_is_no_expiry_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_expiry(text, NOW)


# assay keys


@pytest.fixture
def shared(
    tmp_path: Path,
    valkey_url: str,
    redis: Redis,  # noqa: ARG001 - makes it empty
) -> Settings:
    """Settings that name an empty Redis."""
    return settings_at(tmp_path, redis_url=valkey_url)


def keys_command(settings: Settings, *arguments: str, **environment: str) -> Finished:
    return assay(settings, "keys", *arguments, **environment)


def test_a_new_key_alone_goes_to_standard_output_so_that_a_script_can_take_it(
    shared: Settings, keys: KeyStore
) -> None:
    done = keys_command(shared, "create", "newsroom", "--per-minute", "60")
    assert done.returncode == 0
    key = keys.find(done.stdout.strip())
    assert key is not None
    assert (key.name, key.per_minute, key.per_day) == ("newsroom", 60, None)
    assert "only once" in done.stderr


def test_a_key_is_never_shown_again(shared: Settings) -> None:
    made = json.loads(keys_command(shared, "create", "newsroom", "--json").stdout)
    secret = made.pop("key")
    table = keys_command(shared, "list").stdout
    listed = keys_command(shared, "list", "--json").stdout
    usage = keys_command(shared, "usage", "newsroom", "--json").stdout
    assert made["id"] in table
    (found,) = json.loads(listed)
    assert found.pop("usage") == {"today": 0, "last_30_days": 0, "last_used": None}
    assert found == made
    assert secret[-20:] not in table + listed + usage


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_list_is_one_json_document_whose_times_are_written_as_everywhere(
    shared: Settings, keys: KeyStore, count: int
) -> None:
    for n in range(count):
        keys.create(f"desk {n}", expires_at=time.time() + 3600 if n else None)
    done = keys_command(shared, "list", "--json")
    assert done.returncode == 0
    listed = json.loads(done.stdout)
    assert [each["name"] for each in listed] == [f"desk {n}" for n in range(count)]
    for each in listed:
        assert datetime.fromisoformat(each["created_at"]).tzinfo is not None
        assert each["expires_at"] is None or datetime.fromisoformat(each["expires_at"]).tzinfo


def test_an_id_is_shown_whole_however_narrow_the_terminal(shared: Settings, keys: KeyStore) -> None:
    key, _ = keys.create("a name of many words " * 4)
    for columns in ("80", "20"):
        done = keys_command(shared, "list", COLUMNS=columns)
        assert key.id in done.stdout


def test_an_expiry_is_given_told_and_listed(shared: Settings, keys: KeyStore) -> None:
    done = keys_command(shared, "create", "ci", "--expires", "2099-01-31")
    assert "2099-01-31" in done.stderr
    assert keys.find(done.stdout.strip()) is not None
    keys.create("old", expires_at=time.time() - 1)
    states = {
        each["name"]: (each["state"], each["expires_at"])
        for each in json.loads(keys_command(shared, "list", "--json").stdout)
    }
    assert states["ci"] == ("valid", "2099-01-31T23:59:59Z")
    assert states["old"][0] == "expired"
    table = keys_command(shared, "list").stdout
    assert re.search(r"old +expired", table)
    assert re.search(r"ci +valid .* 2099-0[12]-", table)


def test_a_key_is_revoked_by_its_name(shared: Settings, keys: KeyStore) -> None:
    _, secret = keys.create("night desk")
    done = keys_command(shared, "revoke", "night desk")
    assert done.returncode == 0
    assert "night desk" in done.stdout
    assert keys.find(secret) is None


def test_the_second_key_of_a_name_is_refused_with_a_sentence(
    shared: Settings, keys: KeyStore
) -> None:
    first, _ = keys.create("newsroom")
    for name in ("newsroom", " newsroom ", first.id):
        done = keys_command(shared, "create", name)
        assert done.returncode == 2
        assert done.stdout == ""
        assert first.id in done.stderr
        assert "Traceback" not in done.stderr
    assert keys.list() == [first]
    keys.revoke(first.id)
    keys.create("newsroom", expires_at=time.time() - 1)
    assert keys_command(shared, "create", "newsroom").returncode == 0, "the other has expired"


def test_a_name_that_several_keys_have_revokes_none_and_tells_their_ids(
    shared: Settings, keys: KeyStore
) -> None:
    """Such keys were made before names had to differ, or by two commands at once."""
    made = [keys.create("newsroom")[0] for _ in range(2)]
    done = keys_command(shared, "revoke", "newsroom")
    assert done.returncode == 1
    assert all(key.id in done.stderr for key in made)
    assert len(keys.list()) == 2
    assert keys_command(shared, "revoke", made[0].id).returncode == 0
    assert [key.id for key in keys.list()] == [made[1].id]


def test_the_use_of_a_key_is_told_day_by_day(
    shared: Settings, keys: KeyStore, redis: Redis
) -> None:
    key, _ = keys.create("newsroom")
    assert "not used" in keys_command(shared, "usage", "newsroom").stdout
    QuotaStore(redis).take(Charge(key.id, [Quota(10_000, "day")], 1234, is_key=True))
    done = keys_command(shared, "usage", "newsroom")
    assert re.search(rf"{datetime.now(UTC):%Y-%m}-\d\d +1 +1,234", done.stdout)
    told = json.loads(keys_command(shared, "usage", key.id, "--json").stdout)
    assert (told["id"], len(told["days"])) == (key.id, 30)
    assert sum(day["urls"] for day in told["days"]) == 1234
    assert keys_command(shared, "usage", "nobody").returncode == 1


def test_a_revoked_key_is_gone_and_revoking_it_again_fails(shared: Settings) -> None:
    key_id = json.loads(keys_command(shared, "create", "newsroom", "--json").stdout)["id"]
    assert keys_command(shared, "revoke", key_id).returncode == 0
    assert "no keys" in keys_command(shared, "list").stdout
    again = keys_command(shared, "revoke", key_id)
    assert again.returncode == 1
    assert again.stderr.startswith("assay: there is no key")


@pytest.mark.parametrize(
    "arguments",
    [
        *(("create", name) for name in ("", "  ", "n" * 101, "a\nb", "a\x1b[2Jb")),
        ("create", "n", "--per-day", "0"),
        *(("create", "n", "--expires", when) for when in ("", "0d", "soon", "2020-01-01")),
    ],
)
def test_what_cannot_be_a_key_is_told(shared: Settings, arguments: tuple[str, ...]) -> None:
    done = keys_command(shared, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_keys_of_the_server_that_runs_here_need_no_setting(stack: Supervisor) -> None:
    """The embedded Valkey has a port and a password of its own at every start."""
    here = settings_at(stack.settings.data_dir)
    made = json.loads(keys_command(here, "create", "desk", "--json").stdout)
    assert stack.settings.redis_url is not None
    with Redis.from_url(stack.settings.redis_url) as redis:
        assert KeyStore(redis).find(made["key"]) is not None
    assert keys_command(here, "revoke", made["id"]).returncode == 0


def test_only_this_user_can_read_where_the_embedded_valkey_is(stack: Supervisor) -> None:
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
