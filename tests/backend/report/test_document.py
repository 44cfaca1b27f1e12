"""The HTML of reports: what is in it, and that strangers' texts stay texts."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

import pytest

from backend.report.document import OPENING, Sheet, check_report, scan_report
from backend.report.marks import marks_of, says_ai
from backend.report.summary import Summary
from backend.schemas.scans import ScanLine
from models.verdict import CheckItem, Evidence, Label
from tests.backend.fake_api import done, failed, similar

ATTACKS = (
    "<script>alert(1)</script>.jpg",
    '"><img src=http://evil.example/x onerror=alert(1)>.png',
    "--><!--pictures--></style><style>*{display:none}",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "javascript:alert(1)",
    "half a pair \ud800, a null \0, and \u202egpj.exe",
)
SIGNED = Evidence(
    kind="c2pa", says="ai", detail="Made by a model.", trusted=True, signer="Example Corp"
)
UNSIGNED = Evidence(kind="iptc", says="ai", detail="trainedAlgorithmicMedia", trusted=False)
CAMERA = Evidence(kind="c2pa", says="real", detail="Taken by a camera.", trusted=False)


class Tags(HTMLParser):
    """What a browser would make of a document: its elements, and its text."""

    def __init__(self, document: Iterable[bytes]) -> None:
        super().__init__()
        self.source = b"".join(document).decode()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.comments: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def line(item: CheckItem, index: int = 0, **fields: object) -> ScanLine:
    return ScanLine.model_validate({**dict(item), "index": index, **fields})


def test_a_sheet_has_all_that_a_case_folder_needs() -> None:
    item = done(
        "https://example.com/a.jpg", 0.93, evidence=[SIGNED], similar=[similar(0.2, Label.REAL)]
    )

    report = Tags(check_report([Sheet(item, b"\xff\xd8picture", b"\x89PNG map")]))

    assert report.source.encode().startswith(OPENING)
    for part in (
        *("A smaller copy of the image", "often misses a generated part"),
        *("Likely AI", "93%", "https://example.com/a.jpg", "ab" * 32, "cd" * 32),
        *("Made by a model.", "signer: Example Corp", "says AI, signed by Example Corp"),
        *("none found", "640 × 480 pixels, JPEG", "2 Jan 2026, 03:04 UTC"),
        *(
            "2026-01-01.0123abcd",
            "Small CNN",
            "Limits of the method",
            "Article 50",
            "no legal advice",
        ),
    ):
        assert part in report.text, part
    images = [attributes["src"] for tag, attributes in report.tags if tag == "img"]
    pictures = (("jpeg", b"\xff\xd8picture"), ("png", b"\x89PNG map"))
    assert images == [
        f"data:image/{kind};base64,{base64.b64encode(data).decode()}" for kind, data in pictures
    ]


def test_what_is_missing_is_said_with_the_reason() -> None:
    sheets = [Sheet(done("a.jpg"), why_no_picture="No picture: why."), Sheet(failed("b.jpg"))]

    report = Tags(check_report(sheets))

    assert "No picture: why." in report.text
    assert "The server answered 404." in report.text
    assert report.count("article") == 2
    assert report.count("img") == 0


def told(text: str) -> list[Tags]:
    """Return reports of which everything that strangers can choose is this text."""
    facts = [
        Evidence(kind=kind, says="ai", detail=text, trusted=True, signer=text, generator=text)
        for kind in ("c2pa", text)
    ]
    items = done(text, evidence=facts), failed(text, text)
    lines = (line(item, n, custom_id=text, page=text, place=text) for n, item in enumerate(items))
    return [
        Tags(check_report([Sheet(item, why_no_picture=text) for item in items])),
        Tags(scan_report(list(lines))),
    ]


@pytest.mark.parametrize("attack", ATTACKS)
def test_texts_of_strangers_never_become_markup(attack: str) -> None:
    for found, harmless in zip(told(attack), told("photo.jpg"), strict=True):
        assert [tag for tag, _ in found.tags] == [tag for tag, _ in harmless.tags]
        assert found.comments == harmless.comments
        assert "\u202e" not in found.source
        urls = [v for _, a in found.tags for k, v in a.items() if k in ("src", "href", "action")]
        assert all(re.match("#|data:", str(url)) for url in urls)


def test_the_policy_allows_nothing_but_what_is_in_the_file() -> None:
    report = Tags(check_report([Sheet(done("a"))]))

    (policy,) = (
        str(attributes["content"])
        for tag, attributes in report.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not any(
        "style" in attributes or "onclick" in attributes for _, attributes in report.tags
    )
    assert report.count("link") == 0


def test_a_scan_has_a_summary_and_a_row_for_each_image() -> None:
    lines = [
        line(done("http://h/1", 0.9, evidence=[UNSIGNED]), 0, page="http://p/1", place="img 1"),
        line(done("http://h/2", 0.1), 1, page="http://p/1", place="img 2"),
        line(done("http://h/3", 0.95), 2, page="http://p/2", place="img 1"),
        line(failed("http://h/4"), 3, page="http://p/2", place="img 2"),
    ]

    report = Tags(scan_report(lines))

    rows = re.split("<tr", report.source[report.source.index('<table id="images"') :])[2:]
    assert [re.findall("<td>(\\d+)", row)[0] for row in rows] == ["1", "2", "3", "4"]
    assert "says AI" in rows[0]
    assert rows[1].count("none found") == 3
    assert "img 2 on <bdi>http://p/2" in rows[3]
    assert "The server answered 404." in rows[3]
    assert "http://p/1" in report.text
    assert "Likely AI" in report.text


def test_a_row_has_its_thumbnail_or_the_reason_why_not() -> None:
    items = [line(done(f"http://h/{n}"), n) for n in range(3)]
    small = b"\xff\xd8small"

    report = Tags(scan_report(items, {0: small, 2: "it is gone."}))

    sources = [attributes["src"] for tag, attributes in report.tags if tag == "img"]
    assert sources == [f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"]
    assert "No thumbnail: it is gone." in report.text
    assert "Images with a thumbnail: 1, all likely AI" in report.text


def test_a_summary_counts_by_label_by_page_and_by_mark() -> None:
    summary = Summary.of(
        [
            line(done("1", 0.9, evidence=[SIGNED, UNSIGNED]), 0, page="a"),
            line(done("2", 0.9, evidence=[CAMERA]), 1, page="b"),
            line(done("3", 0.5), 2, page="b"),
            line(failed("4"), 3, page="b"),
        ]
    )

    assert dict(summary.states) == {"ai": 2, "uncertain": 1, "unavailable": 1}
    assert dict(summary.pages["b"]) == {"ai": 1, "uncertain": 1, "unavailable": 1}
    assert summary.marked["ai"] == 1
    assert {kind: n for kind, n in summary.marks.items() if n} == {"c2pa": 1, "iptc": 1}


def test_marks_say_what_is_found_and_what_is_not() -> None:
    forged = CAMERA.model_copy(update={"says": "ai"})
    generator = Evidence(
        kind="generator_metadata", says="ai", detail="x", trusted=False, generator="ComfyUI"
    )

    assert [mark.words for mark in marks_of([CAMERA, forged, SIGNED, generator])] == [
        *("says AI, signed by Example Corp", "none found", "says AI (ComfyUI)"),
    ]
    assert next(iter(marks_of([CAMERA]))).words == "says not AI, unknown signer"
    assert says_ai([CAMERA, UNSIGNED])
    assert not says_ai([CAMERA])


def test_results_are_read_twice_and_not_kept() -> None:
    class Results:
        read = 0

        def __iter__(self) -> Iterator[ScanLine]:
            self.read += 1
            return (line(done(f"http://h/{n}"), n) for n in range(501))

    results = Results()

    report = b"".join(scan_report(results))

    assert results.read == 2
    assert report.count(b"<tbody") == 2 + 2, "a long table has parts"
    assert b'id="parts"' in report
