"""Reports: the results of a check or scan that has ended, as one HTML file for people."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response
from werkzeug.exceptions import Conflict

from backend import scan_service
from backend.blueprints.checks import find_check
from backend.blueprints.scans import find_scan
from backend.middleware.problems import Problem
from backend.openapi import calls
from backend.report.document import Sheet, check_report
from backend.schemas.checks import CheckPath
from backend.schemas.reports import REPORT, CheckReportQuery
from backend.schemas.scans import ScanPath
from backend.services import services
from models.verdict import CheckItem

blueprint = calls("reports", "Results as one HTML file for people.")

_NO_PICTURE = (
    "No picture: this server keeps no images. “assay check FILE_OR_URL --report FILE” and the "
    "console make reports with pictures."
)


@blueprint.get("/checks/<id>/report", responses={200: REPORT, 404: Problem, 409: Problem})
def get_check_report(path: CheckPath, query: CheckReportQuery) -> Response:
    """Return the report of a check that has ended."""
    record = find_check(path.id)
    found = services().checks.check(record, 0, first=False)
    items = [CheckItem.model_validate(item) for item in found]
    if any(item.status == "pending" for item in items):
        raise Conflict("The check has not ended.")
    if record.uploaded and query.name:
        items = [item.model_copy(update={"url": query.name}) for item in items]
    sheets = [Sheet(item, why_no_picture=_NO_PICTURE if item.verdict else "") for item in items]
    return _attachment(check_report(sheets), f"check-{path.id}")


@blueprint.get("/scans/<id>/report", responses={200: REPORT, 404: Problem, 409: Problem})
def get_scan_report(path: ScanPath) -> Response:
    """Return the report of a scan that has ended: a summary, and a table of all images."""
    if find_scan(path.id).pending:
        raise Conflict("The scan has not ended.")
    return _attachment(scan_service.report(services().stores.scans, path.id), f"scan-{path.id}")


def _attachment(document: Iterable[bytes], name: str) -> Response:
    response = Response(document, content_type="text/html; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="assay-{name}.html"'
    # The document has its own policy. This one is for whoever shows it at this server's address.
    response.headers["Content-Security-Policy"] = "sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Accel-Buffering"] = "no"
    return response
