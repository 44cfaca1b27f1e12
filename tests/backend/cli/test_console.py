from __future__ import annotations

import json

import pytest
from rich.console import Console

from backend.cli import console
from backend.cli.console import ScanProgress, duration, item_printer, percentage, print_summary
from backend.cli.output import Tally
from models.verdict import CheckItem, Label
from tests.backend.fake_api import claim, done, failed, similar

STEERING = "http://h/\x1b]0;owned\x07\x1b[31m.jpg"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(force_terminal=True, color_system=None, width=80, highlight=False)
    monkeypatch.setattr(console, "output", lambda: terminal)


def test_on_a_terminal_a_verdict_is_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)

    item_printer(as_json=False)(done("a.jpg", 0.93, evidence=[claim("made by X")], cached=True))

    assert capsys.readouterr().out.splitlines() == [
        "a.jpg",
        "  likely AI 93 %",
        "  cnn 90 % · efficientnet 95 % · efficientnet_art 50 %",
        "  c2pa says ai: made by X (not verified)",
        "  640 × 480 JPEG · model 2026-01-01.0123abcd · from the cache",
        "",
    ]


def test_similar_images_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)

    item_printer(as_json=False)(done("a.jpg", similar=[similar(0.04, Label.REAL)]))

    line = "  a similar image was judged on 2026-01-02: no sign of AI, AI 4 %"
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"label": "ai", "pixels": "real", "decided_by": "credentials"},
            [
                "likely AI",
                "Decided by Content Credentials of a trusted signer.",
                "the pixels alone: no sign of AI (AI 12 %)",
            ],
        ),
        (
            {"label": "uncertain", "pixels": "ai", "decided_by": "credentials"},
            [
                "uncertain, leans not AI",
                "Decided by Content Credentials of a trusted signer.",
                "the pixels alone: likely AI (AI 12 %)",
            ],
        ),
        (
            {"label": "ai", "decided_by": "credentials"},
            ["likely AI 12 %", "Decided by Content Credentials of a trusted signer."],
        ),
        (
            {"label": "ai", "pixels": "uncertain", "decided_by": "marks"},
            [
                "likely AI",
                "Decided by a generator’s mark in the file, which the pixels do not contradict.",
                "the pixels alone: uncertain (AI 12 %)",
            ],
        ),
    ],
)
def test_what_decided_is_said_and_what_the_pixels_say(
    fields: dict[str, str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_a_terminal(monkeypatch)

    item_printer(as_json=False)(done("a.jpg", 0.12, members={"clip": 0.12}, **fields))

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:-2] == words


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.7, "uncertain, leans AI (AI 70 %)"),
        (0.5, "uncertain (AI 50 %)"),
        (0.3, "uncertain, leans not AI (AI 30 %)"),
        (0.04, "no sign of AI (AI 4 %)"),
    ],
)
def test_the_percentage_is_that_of_ai(
    probability: float,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_a_terminal(monkeypatch)

    item_printer(as_json=False)(done("a.jpg", probability))

    assert capsys.readouterr().out.splitlines()[1].strip() == words


def test_on_a_terminal_the_score_of_an_only_member_is_not_a_second_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)

    item_printer(as_json=False)(done("a.jpg", 0.93, members={"clip": 0.91}))

    assert capsys.readouterr().out.count("%") == 1


def test_on_a_terminal_a_failure_has_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)

    item_printer(as_json=False)(failed("a.jpg", "The [server] answered 404."))

    assert "cannot be checked: The [server] answered 404.  (http_status)" in capsys.readouterr().out


def test_on_a_terminal_what_is_pending_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)

    item_printer(as_json=False)(CheckItem(url="a.jpg", status="pending"))

    assert "still being checked" in capsys.readouterr().out


def test_in_a_pipe_an_item_is_one_line_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    show = item_printer(as_json=False)

    show(done("a.jpg", 0.93))
    show(failed("b\tb.jpg", "It answered\n404."))
    show(CheckItem(url="c.jpg", status="pending"))

    assert capsys.readouterr().out.splitlines() == [
        "ai\t0.9300\ta.jpg",
        "failed\thttp_status\tb\ufffdb.jpg\tIt answered\ufffd404.",
        "pending\t\tc.jpg",
    ]


def test_as_json_an_item_is_the_apis(capsys: pytest.CaptureFixture[str]) -> None:
    item = done(STEERING)

    item_printer(as_json=True)(item)

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == item.model_dump(mode="json", exclude_none=True)


def test_a_strangers_text_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    show = item_printer(as_json=False)

    show(done(STEERING, evidence=[claim("\x1b[2J")]))
    show(failed(STEERING, "\x1b[2J"))

    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "0 %"), (0.001, "<1 %"), (0.126, "13 %"), (0.996, ">99 %"), (1.0, "100 %")],
)
def test_only_certainty_is_called_so(probability: float, words: str) -> None:
    assert percentage(probability) == words


def tally_of(*items: CheckItem) -> Tally:
    tally = Tally()
    for item in items:
        tally.add_item(item)
    return tally


def test_the_summary_counts_the_whole_file_and_what_was_added(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = tally_of(done("a", 0.9), done("b", 0.1), failed("c"), failed("d"))

    print_summary(tally, checked=3, seconds=1.5, path="[out].csv")

    assert capsys.readouterr().err.splitlines() == [
        "4 images: 1 likely AI · 0 uncertain · 1 no sign of AI · 2 failed",
        "  failed: 2 http_status",
        "  3 checked in 1.5 s, 2.0/s; 1 in earlier runs",
        "  results: [out].csv",
    ]


def test_in_a_pipe_progress_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    tally = tally_of(done("known"))

    with ScanProgress(tally, left=100) as progress:
        for seconds in (1, 5, 6, 12):
            clock.now = seconds
            tally.add_item(failed("a"))
            progress.advance()

    assert capsys.readouterr().err.splitlines() == [
        "5 of 101 · 1 likely AI · 0 uncertain · 0 no sign of AI · 4 failed · 0.3/s · 0:04:48 left"
    ]


class Clock:
    """The time, as it is set."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_results_that_come_in_a_lot_make_no_absurd_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    monkeypatch.setattr(console, "_SECONDS_BETWEEN_LINES", -1)
    tally = tally_of(*[done("known")] * 1000)

    with ScanProgress(tally, left=6400) as progress:
        for second in (0.001, 10, 20):
            for _ in range(64):
                clock.now = second
                tally.add_item(done("a"))
                progress.advance()

    said = capsys.readouterr().err.splitlines()
    assert all("/s" not in line for line in said[:64])
    assert said[127].endswith("12.8/s · 0:08:10 left")
    assert said[191].endswith("9.6/s · 0:10:47 left")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0:00:01"), (59.9, "0:01:00"), (86397, "23:59:57"), (200_000, "2 days, 7:33:20")],
)
def test_a_duration_is_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_nothing_is_shown_where_there_is_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    tally = tally_of(done("known"))

    with ScanProgress(tally, left=1, shown=False) as progress:
        tally.add_item(done("a"))
        progress.advance()

    assert capsys.readouterr().err == ""


def test_on_a_terminal_progress_is_a_bar_with_live_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Console(stderr=True, force_terminal=True, width=160)
    monkeypatch.setattr(console, "messages", lambda: terminal)
    tally = tally_of(done("known"))

    with ScanProgress(tally, left=2) as progress:
        tally.add_item(failed("a"))
        progress.advance()

    shown = capsys.readouterr().err
    assert "2/3" in shown
    assert "1 failed" in shown
