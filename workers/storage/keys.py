"""Every key that Assay keeps in Redis, and the functions that spell them.

``{v}`` is the model version. A new model never serves an old verdict, and two versions that run
side by side, as during an upgrade, neither see nor undo each other's work. ``{a}`` is the SHA-256
of an address: a canonical URL, or ``sha256:<hex>`` for uploaded bytes. Doubled braces are braces in
the key (a hash tag): keys that one script uses together lie on one node of a Redis Cluster.

Cached data has a time to live. Work and settings have none, because a full Redis evicts keys that
have one.

Cache (`verdict_cache`), claims (`claims`), checks (`checks`), workers (`worker_registry`):

====================================  ============================================================
``assay:address:{v}:{a}``             the latest ``CacheEntry`` of the address
``assay:prefix:{v}:{p}``              (sorted set) the {a}, as bytes, of URLs with a verdict that
                                      start with these 5 hex digits; score: when they expire
``assay:verdict:{v}:{sha256}``        the ``Verdict`` of these bytes
``assay:similar:{v}:{part}:{bits}``   (sorted set) perceptual hash and sha256 of images whose hash
                                      has these bits in this part; score: when judged (Unix s)
``assay:claim:{v}:{a}``               ``queued`` or ``running:<owner>``: the one job of the address
``assay:done:{v}:{a}``                (channel) the address's job has ended
``assay:image-lock:{v}:{{sha256}}``   a token of the one process that classifies these bytes
``assay:attempts:{{sha256}}``         how often classifying these bytes was begun and not ended
``assay:check:{id}``                  what a check asked for, as ``CheckRecord``
``assay:explanation:{id}``            (list) the ``Outcome`` of an explanation, for the API
``assay:workers``                     (sorted set) each ``WorkerRecord``; score: last heartbeat
====================================  ============================================================

Scans (`scans`; they have no time to live, and a sweep deletes them):

==============================  ==================================================================
``assay:scan:{{id}}``           (hash) state, settings and counts; written last when the scan is
                                created, so a scan exists whole or not at all
``assay:scan:{{id}}:items``     (hash) index → URL, canonical address and custom id, as JSON; of an
                                image of a page also page and place; of a page, what it may be
``assay:scan:{{id}}:todo``      (sorted set) indexes without a result; see below for the score
``assay:scan:{{id}}:results``   (hash) index → result, as JSON
``assay:scan:{{id}}:finished``  (list) indexes in the order in which they got their results
``assay:scan:{{id}}:pages``     (set) hashes of the addresses of all pages of a scan of pages
``assay:scan:{{id}}:webhook``   (hash) the webhook's URL and secret, and the state of its delivery
``assay:scan:{{id}}:key``       the name of the ``assay:scan-key`` that belongs to the scan
``assay:scan:{{id}}:changed``   (channel) something in the scan changed
``assay:scan-key:{hash}``       the scan that an owner's idempotency key created, and the request
``assay:scans-of:{owner}``      (sorted set) the scans of one owner; see `scans.index`
``assay:scans``                 (sorted set) running scans; score: when last served (Unix s)
``assay:scan-deadlines``        (sorted set) all other scans, half-created or ended; score: when
                                they are deleted (Unix s)
``assay:webhooks``              (sorted set) ended scans whose webhook is due; score: when (Unix s)
==============================  ==================================================================

A scan of pages grows. A page that is not read yet has a negative index, from -1 down. When it is
read, its images get indexes of their own. It gets one itself only if there is an error to report.

An index's score in ``todo`` tells its state. Free: its rank among the URLs of its own host, so that
hosts take turns. Taken: the time (Unix s) at which its lease ends. Deferred: the time until which
it is deferred, negated. Redis' own clock is the only one that counts here.

Scheduling (`workers.scheduling`), hosts (`workers.fetching.host_limits`), the rest:

==============================  ==================================================================
``assay:dispatch:{v}``          (sorted set) ids of dispatch tasks, queued or running; score: the
                                time (Unix s) until which each must report
``assay:queued:{v}:{queue}``    (sorted set) ids of tasks sent and not begun; score: when sent
``assay:tasks:{v}:…``          the queues, if Redis is the broker; written by Celery
``assay:host:{{host}}``         (sorted set) requests under way to the host; score: their deadline
``assay:host:{{host}}:down``    how often in a row connecting to the host failed
``assay:host:{{host}}:pause``   exists while the host wants no requests
``assay:host:{{host}}:queue``   (sorted set) work that waits for the host; score: since when
``assay:host-queues``           (set) hosts that have such a queue
``assay:robots:{hash}``         the robots.txt of an origin; `workers.pages.robots`
``assay:retries:{a}``           how often the address's host asked to retry later
``assay:metrics``               (hash) counts of all processes; `workers.telemetry.metrics`
``assay:{{feedback}}:said``     (hash) id → ``Feedback``
``assay:{{feedback}}:order``    (sorted set) ids of feedback; score: when received (Unix s)
``assay:keys``                  (hash) API keys; `backend.api_keys`
``assay:limit:{{c}}:{quota}``   what caller c, a key's id or an address, used of one quota in its
                                current window, and with ``:before`` in the one before it;
                                `workers.storage.quotas`
``assay:usage:{{id}}:{date}``   (hash) what an API key used on one day; `workers.storage.usage`
==============================  ==================================================================
"""

from __future__ import annotations

import hashlib

from workers.fetching.urls import SHORTEST_PREFIX, address_hash

WORKERS = "assay:workers"
RUNNING_SCANS = "assay:scans"
SCAN_DEADLINES = "assay:scan-deadlines"
DUE_WEBHOOKS = "assay:webhooks"
HOST_QUEUES = "assay:host-queues"
USAGE_DAYS = 30
"""Days for which the usage of an API key is kept."""
METRICS = "assay:metrics"
FEEDBACK, FEEDBACK_ORDER = "assay:{feedback}:said", "assay:{feedback}:order"
API_KEYS = "assay:keys"

SCAN_PARTS = ("", ":items", ":todo", ":results", ":finished", ":pages", ":key", ":webhook")
"""The suffixes of a scan's own keys."""


def entry(version: str, digest: str) -> str:
    """Return the key of the cache entry of an address with this hash."""
    return f"assay:address:{version}:{digest}"


def prefix_index(version: str, digest: str) -> str:
    """Return the key of the index that lists a URL with this hash, or this start of a hash."""
    return f"assay:prefix:{version}:{digest[:SHORTEST_PREFIX]}"


def verdict(version: str, sha256: str) -> str:
    """Return the key of the verdict of these bytes."""
    return f"assay:verdict:{version}:{sha256}"


def similar(version: str, part: int, bits: int) -> str:
    """Return the key of the images whose perceptual hash has these bits in one of its parts."""
    return f"assay:similar:{version}:{part}:{bits:04x}"


def claim(version: str, address: str) -> str:
    """Return the key of the claim of an address."""
    return f"assay:claim:{version}:{address_hash(address)}"


def done(version: str, address: str) -> str:
    """Return the channel that tells of the end of an address's job."""
    return f"assay:done:{version}:{address_hash(address)}"


def image_lock(version: str, sha256: str) -> str:
    """Return the key of the lock of the process that classifies these bytes."""
    return f"assay:image-lock:{version}:{{{sha256}}}"


def attempts(sha256: str) -> str:
    """Return the key that counts unfinished attempts to classify these bytes."""
    return f"assay:attempts:{{{sha256}}}"


def check(check_id: str) -> str:
    """Return the key of a check."""
    return f"assay:check:{check_id}"


def explanation(job_id: str) -> str:
    """Return the key of the outcome of an explanation."""
    return f"assay:explanation:{job_id}"


def scan(scan_id: str, part: str = "") -> str:
    """Return one of a scan's keys; `part` is its suffix."""
    return f"assay:scan:{{{scan_id}}}{part}"


def idempotency(owner: str, key: str) -> str:
    """Return the key of an owner's idempotency key."""
    return "assay:scan-key:" + hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()


def scans_of(owner: str) -> str:
    """Return the key of the list of an owner's scans."""
    return f"assay:scans-of:{owner}"


def dispatch(version: str) -> str:
    """Return the key of the dispatch tasks of a model version."""
    return f"assay:dispatch:{version}"


def queued(version: str, queue: str) -> str:
    """Return the key that holds since when the tasks of a queue wait."""
    return f"assay:queued:{version}:{queue}"


def broker_prefix(version: str) -> str:
    """Return the prefix of all keys that Celery writes.

    Each model version has its own queues, because its workers cannot do another version's checks.
    """
    return f"assay:tasks:{version}:"


def host(name: str, part: str = "") -> str:
    """Return one of a host's keys; `part` is its suffix."""
    return f"assay:host:{{{name}}}{part}"


def retries(address: str) -> str:
    """Return the key that counts how often an address's host asked to retry later."""
    return f"assay:retries:{address_hash(address)}"


def robots(origin: str) -> str:
    """Return the key of the robots.txt of an origin, such as ``https://example.com``."""
    return "assay:robots:" + hashlib.sha256(origin.encode()).hexdigest()


def quota(subject: str, amount: int, period: str) -> str:
    """Return the key of what a caller used of a quota; it lies with the caller's `usage`."""
    return f"assay:limit:{{{subject}}}:{amount}/{period}"


def usage(key_id: str, day: str) -> str:
    """Return the key of an API key's usage on a day (``YYYY-MM-DD``)."""
    return f"assay:usage:{{{key_id}}}:{day}"
