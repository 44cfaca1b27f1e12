"""What a webhook says, and that whoever has the secret can verify it."""

from __future__ import annotations

import base64
import json
import time

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from workers.storage.scans.records import ScanSummary
from workers.webhooks.message import body_of, message_id, new_secret, signed

SCAN = ScanSummary(
    id="a" * 32,
    owner="3f2a9c0d1e4b",
    status="cancelled",
    force=False,
    created_at=1_700_000_000,
    finished_at=1_700_000_060.5,
    expires_at=1_700_604_860.5,
    total=9,
    done=5,
    failed=3,
    cancelled=1,
    labels={"ai": 5},
)


def sign(secret: str, timestamp: int, body: bytes) -> dict[str, str]:
    return signed(secret, message_id(SCAN.id), timestamp, body)


def test_a_message_says_how_the_scan_ended_and_where_its_results_are() -> None:
    path = f"/v1/scans/{SCAN.id}"
    assert json.loads(body_of(SCAN)) == {
        "type": "scan.cancelled",
        "timestamp": "2023-11-14T22:14:20.500000Z",
        "data": {
            "id": SCAN.id,
            "status": "cancelled",
            "counts": {"total": 9, "done": 5, "failed": 3, "cancelled": 1},
            "labels": {"ai": 5, "uncertain": 0, "real": 0},
            "created_at": "2023-11-14T22:13:20Z",
            "finished_at": "2023-11-14T22:14:20.500000Z",
            "expires_at": "2023-11-21T22:14:20.500000Z",
            "links": {"self": path, "results": f"{path}/results"},
        },
    }


def test_a_message_says_nothing_of_its_owner() -> None:
    assert SCAN.owner.encode() not in body_of(SCAN)


def test_the_signature_is_the_one_of_the_standard_s_example() -> None:
    """The example is that of the reference libraries' tests."""
    headers = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_standard_s_library_verifies_it() -> None:
    secret, body = new_secret(), body_of(SCAN)
    assert Verifier(secret).verify(body, sign(secret, int(time.time()), body)) == json.loads(body)


@pytest.mark.parametrize("what", ["body", "id", "timestamp", "secret", "age"])
def test_what_was_changed_is_not_verified(what: str) -> None:
    secret, body, now = new_secret(), body_of(SCAN), int(time.time())
    headers = sign(secret, now - (600 if what == "age" else 0), body)
    match what:
        case "body":
            body = body.replace(b'"ai":5', b'"ai":6')
        case "id":
            headers["webhook-id"] = message_id("b" * 32)
        case "timestamp":
            headers["webhook-timestamp"] = str(now + 1)
        case "secret":
            secret = new_secret()
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body, headers)


def test_secrets_have_the_standard_s_form_and_are_all_different() -> None:
    made = {new_secret() for _ in range(20)}
    assert len(made) == 20
    for secret in made:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64


def test_a_message_s_id_has_no_full_stop() -> None:
    """The standard asks for that, as a full stop ends it in what is signed."""
    assert "." not in message_id(SCAN.id)
