"""Reports over HTTP: for the caller whose results they are, once these are complete."""

from __future__ import annotations

import hashlib
import time
from urllib.parse import quote

from flask.testing import FlaskClient

from backend.api_keys import KeyStore
from backend.report.document import OPENING
from tests.backend.conftest import bearer
from tests.backend.fake_api import verdict
from tests.backend.scans.helpers import URLS, begin, finish, problem
from tests.pictures import drawing, encoded
from workers.storage.verdict_cache import CacheEntry, upload_address

BAD = "ftp://example.com/<i>.jpg"


def test_a_scan_is_reported_when_it_has_ended(client: FlaskClient) -> None:
    scans = client.application.extensions["assay"].stores.scans
    scan_id = begin(client, URLS[:3])
    finish(scans, "ai", "real")
    problem(client.get(f"/v1/scans/{scan_id}/report"), 409)
    finish(scans, "failed")

    answer = client.get(f"/v1/scans/{scan_id}/report")

    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.data.startswith(OPENING)
    assert all(url in answer.text for url in URLS[:3])


def test_a_check_is_reported_when_it_has_ended(client: FlaskClient) -> None:
    done = client.post("/v1/checks", json={"urls": [BAD]})
    answer = client.get(f"/v1/checks/{done.json['id']}/report")
    assert answer.status_code == 200
    assert "ftp://example.com/&lt;i&gt;.jpg" in answer.text

    running = client.post("/v1/checks", json={"urls": URLS[:1]})
    problem(client.get(f"/v1/checks/{running.json['id']}/report"), 409)


def test_the_report_of_an_upload_has_the_name_that_is_given(client: FlaskClient) -> None:
    data = encoded(drawing(), "PNG")
    address = upload_address(hashlib.sha256(data).hexdigest())
    cache = client.application.extensions["assay"].stores.cache
    cache.save_entry(address, CacheEntry(at=time.time(), verdict=verdict()))
    check_id = client.post("/v1/images", data=data, content_type="image/png").json["id"]

    named = client.get(f"/v1/checks/{check_id}/report?name={quote('<x>.png')}")

    assert "&lt;x&gt;.png" in named.text
    assert address not in named.text
    assert "keeps no images" in named.text
    assert address in client.get(f"/v1/checks/{check_id}/report").text


def test_reports_are_for_their_owner(client: FlaskClient, keys: KeyStore) -> None:
    mine, other = (keys.create(name)[1] for name in ("mine", "other"))
    scan_id = begin(client, [BAD], **bearer(mine))
    check_id = client.post("/v1/checks", json={"urls": [BAD]}, headers=bearer(mine)).json["id"]

    for path in (f"/v1/scans/{scan_id}/report", f"/v1/checks/{check_id}/report"):
        assert client.get(path, headers=bearer(mine)).status_code == 200
        problem(client.get(path, headers=bearer(other)), 404)
        problem(client.get(path), 404)
