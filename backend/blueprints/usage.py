"""Usage: the caller's quotas, and their usage per day."""

from __future__ import annotations

from flask import Response

from backend.middleware.auth import caller
from backend.middleware.quotas import quota_states
from backend.openapi import calls
from backend.schemas.usage import DayReply, KeyFacts, QuotaReply, UsageQuery, UsageReply
from backend.services import services

blueprint = calls("usage", "Your quotas and your usage.")


@blueprint.get("/usage", responses={200: UsageReply})
def get_usage(query: UsageQuery) -> Response:
    """Return the state of your quotas and your usage per day. This call is free."""
    key = caller().key
    body = UsageReply(
        key=KeyFacts.of(key) if key else None,
        quotas=[
            QuotaReply(
                name=state.quota.period,
                limit=state.quota.amount,
                window=state.quota.window,
                used=state.quota.amount - state.remaining,
                remaining=state.remaining,
                reset=state.reset,
            )
            for state in quota_states()
        ],
        days=[
            DayReply(day=each.day, requests=each.requests, urls=each.urls)
            for each in (services().usage.days(key.id, query.days) if key else ())
        ],
    )
    return Response(body.model_dump_json(), content_type="application/json")
