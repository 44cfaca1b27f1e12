"""The console: pages for people without the extension.

The pages call the API from the browser. The check page also works without JavaScript: its form is
posted to this module, which starts a check and shows it. That form never has an API key.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from flask import (
    Blueprint,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from backend import web
from backend.blueprints.checks import begin_check, find_check
from backend.middleware.auth import caller
from backend.middleware.problems import PROBLEM_TYPE, InvalidRequestError
from backend.middleware.quotas import charge
from backend.openapi import Api
from backend.page_headers import set_page_headers
from backend.schemas.checks import LONGEST_WAIT
from backend.services import services
from backend.web import words
from models.quality import Quality
from models.verdict import CheckItem
from workers.storage.checks import CheckRecord

_WEB = Path(web.__file__).parent
_REPORT = _WEB.parents[1] / "training" / "report" / "report.md"
"""Only in a copy of the source, not in an installed package."""

blueprint = Blueprint(
    "console",
    __name__,
    template_folder=_WEB / "templates",
    static_folder=_WEB / "static",
    static_url_path="/web",
)


@blueprint.context_processor
def common() -> dict[str, Any]:
    """Return what all templates use."""
    return {
        "needs_key": cast(Api, current_app).needs_key,
        "shows_images": _shows_images(),
        "words": words.WORDS,
        "state_of": words.state_of,
        "title_of": words.title_of,
        "meaning_of": words.meaning_of,
        "percent": words.percent,
        "share": words.share,
        "moment": words.moment,
    }


@blueprint.after_request
def finish(response: Response) -> Response:
    """Show a problem as a page, and set the headers.

    Images of other servers are forbidden unless the user has asked for them.
    """
    if response.mimetype == PROBLEM_TYPE:
        response.set_data(render_template("problem.html", problem=response.get_json()))
        response.content_type = "text/html; charset=utf-8"
    if response.mimetype == "text/html":
        # A result is for one reader, as under /v1.
        is_result = request.endpoint == "console.show_check"
        response.headers["Cache-Control"] = "no-store" if is_result else "no-cache"
    return set_page_headers(
        response,
        "img-src 'self' blob: http: https:" if _shows_images() else "img-src 'self' blob:",
        "form-action 'self'",
        # The scripts cannot turn any text into HTML.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
        referrer="same-origin",
    )


@blueprint.get("/")
def home() -> str:
    """Show the page that checks images; `?url=` fills in the form."""
    return _check_page(address=request.args.get("url", ""))


@blueprint.get("/check")
def no_check() -> AnyResponse:
    """Redirect to the form. A browser comes here from the address of a form that was refused."""
    return redirect(url_for("console.home"))


@blueprint.post("/check")
def create_check() -> AnyResponse:
    """Check the image of the form, and redirect to the result."""
    url = request.form.get("url", "").strip()
    if not url:
        raise InvalidRequestError("form.url", "The address of an image is needed.")
    charge(1, interactive=True)
    record = CheckRecord(urls=(url,), created_at=time.time(), owner=caller().id)
    check_id, _ = begin_check(record, wait=0)
    return redirect(url_for("console.show_check", check_id=check_id), 303)


@blueprint.get("/check/<check_id>")
def show_check(check_id: str) -> str:
    """Show the results of a check. They may take some seconds."""
    record = find_check(check_id)
    found = services().checks.check(record, LONGEST_WAIT, first=False)
    items = [CheckItem.model_validate(item) for item in found]
    address = "" if record.uploaded else record.urls[0]
    return _check_page(address=address, items=items, uploaded=record.uploaded, check_id=check_id)


@blueprint.get("/bulk")
def bulk() -> str:
    """Show the page for lists."""
    return render_template("bulk.html")


@blueprint.get("/status")
def status() -> str:
    """Show the models and how good they are. A script adds the live figures."""
    return render_template(
        "status.html",
        server_version=version("assay"),
        model_version=services().stores.model_version,
        members=services().members,
        thresholds=services().thresholds,
        quality=Quality.load(),
        has_report=_REPORT.is_file(),
    )


@blueprint.get("/report")
def report() -> Response:
    """Return the whole report of the last evaluation, as text."""
    if not _REPORT.is_file():
        raise NotFound("This installation does not have the report. It is in Assay’s source.")
    return send_file(_REPORT, mimetype="text/plain", conditional=True)


def _check_page(**more: object) -> str:
    return render_template("check.html", members=services().members, **more)


def _shows_images() -> bool:
    return request.args.get("images") == "on"
