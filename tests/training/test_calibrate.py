"""Calibration on logits with known labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from models.manifest import Manifest, MemberRecord, NetworkRecord, Scale, Stage, Thresholds
from training import calibrate, metrics
from training.calibrate import Answers, Scored, find_doubt, fit_by_source, platt, tiers_of
from training.datasets.packs import Example
from training.features import Features
from training.metrics import Floats
from training.operating_points import AI_AMONG_REAL, REAL_CALLED_AI, cells
from training.scores import TIERS

RNG = np.random.default_rng(0)
IMAGES = 1500
EXAMPLES = [
    Example("modern", str(i), i % 2 == 0, ("photo", "art")[i // 2 % 2], f"s{i % 60}{i % 2}", "")
    for i in range(IMAGES)
]
KNOWN = Features(
    EXAMPLES * len(TIERS), np.repeat(list(TIERS), IMAGES), np.empty((3 * IMAGES, 0), np.float32)
)
AI = np.array([example.ai for example in KNOWN.examples])
SHARE = np.full(len(AI), 1 / len(AI))
# Two Gaussians at a distance of 2 with variance 1 have the log-odds 2x.
SIGNAL = RNG.normal(np.where(AI, 1.0, -1.0))


@pytest.fixture(autouse=True)
def _few_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of every strength take long."""
    monkeypatch.setattr("training.calibrate.STRENGTHS", (0.1, 1.0))


def noisy(strength: float, seed: int) -> Floats:
    """The label times a strength, plus noise."""
    noise = np.random.default_rng(seed).normal(size=len(AI))
    return np.where(AI, strength, -strength) + noise


def scored(folds: Floats, kinds: Floats | None = None) -> Scored:
    return Scored(KNOWN, {"folds": folds, "kinds": folds if kinds is None else kinds})


def test_platt_scaling_finds_the_true_odds() -> None:
    scale = platt(SIGNAL, AI, SHARE)

    assert scale.slope == pytest.approx(2, abs=0.2)
    assert scale.intercept == pytest.approx(0, abs=0.2)


def test_a_probability_is_right_on_kinds_that_were_not_seen() -> None:
    sure_on_folds = scored(3 * SIGNAL, SIGNAL)

    assert calibrate.calibration(sure_on_folds).slope == pytest.approx(2, abs=0.2)


def test_the_thresholds_keep_their_promises() -> None:
    odds = 2 * SIGNAL
    limits = calibrate.label_thresholds(odds, KNOWN)
    probability = expit(odds)
    passed, wrong = [], []
    for part in cells(KNOWN):
        chances = probability[part.rows]
        real = part.sample_weight * ~part.ai
        passed.append(real[chances >= limits.ai].sum() / real.sum())
        if not part.corpus:
            below = part.sample_weight[chances < limits.real]
            wrong.append((below * part.ai[chances < limits.real]).sum() / below.sum())

    assert limits.real < limits.ai
    assert max(passed) == pytest.approx(REAL_CALLED_AI, abs=0.005)
    assert max(wrong) == pytest.approx(AI_AMONG_REAL, abs=0.01)


def band(early: Floats, late: Floats) -> Thresholds:
    limits = calibrate.label_thresholds(early, KNOWN)
    return find_doubt({"folds": early}, {"folds": late}, limits, tiers_of(KNOWN))


def asked(early: Floats, late: Floats) -> float:
    """Return the share of the images that the late stage is asked about."""
    doubt = band(early, late)
    chances = expit(early)
    return float(np.mean((chances >= doubt.real) & (chances < doubt.ai)))


def test_few_images_are_asked_about_again_where_the_first_stage_knows_as_much() -> None:
    late = noisy(1.5, 1)

    assert asked(late + noisy(0, 2) * 0.01, late) < 0.35
    assert asked(noisy(0.3, 3), noisy(3.0, 4)) > 0.8


def test_a_decision_of_the_first_stage_costs_little_and_is_never_uncertain() -> None:
    late = 2 * SIGNAL
    early = late + 0.7 * noisy(0, 2)
    limits, doubt = calibrate.label_thresholds(early, KNOWN), band(early, late)
    unsure = (expit(early) >= doubt.real) & (expit(early) < doubt.ai)
    together = np.where(unsure, late, early)

    assert 0.1 < unsure.mean() < 0.9
    assert doubt.real <= limits.real
    assert doubt.ai >= limits.ai
    for measure in (metrics.auc, metrics.tpr_at_tnr):
        lost = [
            float(measure(part.ai, late[part.rows], part.sample_weight))
            - float(measure(part.ai, together[part.rows], part.sample_weight))
            for part in tiers_of(KNOWN)
        ]
        assert np.mean(lost) <= calibrate.LOSS + 1e-9


def test_an_image_is_scored_by_a_fit_that_has_not_seen_its_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.calibrate.STRENGTHS", (1.0,))
    source = RNG.integers(0, 40, len(AI)).astype(str)
    own = source == "7"
    lied_about = np.where(own, ~AI, AI)

    _, before = fit_by_source(SIGNAL[:, None], AI, SHARE, source)
    _, after = fit_by_source(SIGNAL[:, None], lied_about, SHARE, source)

    assert after[own] == pytest.approx(before[own])
    assert np.abs(after - before).max() > 1e-3


def answers(easier: float = 1.0) -> Answers:
    logits = {"cnn": noisy(0.5, 5), "efficientnet": noisy(1.0, 6)}
    return Answers(KNOWN, logits, 2 * SIGNAL, easier)


def test_light_members_weigh_what_they_know() -> None:
    _, stage = calibrate.light_stage(answers())

    assert stage.weights["efficientnet"] > stage.weights["cnn"] > 0
    assert stage.doubt is not None
    assert stage.doubt.real <= stage.thresholds.real
    assert stage.doubt.ai >= stage.thresholds.ai


def test_the_light_stage_is_cooled_where_other_sources_are_harder() -> None:
    (_, even), (_, harder) = calibrate.light_stage(answers()), calibrate.light_stage(answers(0.5))

    assert harder.weights["cnn"] == pytest.approx(even.weights["cnn"] / 2)


def test_every_member_is_calibrated_and_every_stage_fitted() -> None:
    names = ("cnn", "efficientnet", "clip_shallow", "clip")
    stage = Stage(
        weights={"cnn": 1, "efficientnet": 1}, intercept=0, thresholds=Thresholds(real=0, ai=1)
    )
    manifest = Manifest(
        released="2026-01-31",
        networks=tuple(
            NetworkRecord(name=name, file=f"{name}.xml", sha256="0" * 64, input="any")
            for name in names
        ),
        members=tuple(
            MemberRecord(name=name, networks=(name,), calibration=Scale(slope=1, intercept=0))
            for name in names
        ),
        light=stage,
        stages=(stage.model_copy(update={"weights": {"clip_shallow": 1, "clip": 1}}),),
    )
    strong = {"clip_shallow": scored(noisy(0.8, 7)), "clip": scored(noisy(1.2, 8))}
    fitted = calibrate.calibrate(manifest, strong, answers())
    shallow, deep = fitted.stages

    assert set(shallow.weights) == {"clip_shallow"}
    assert shallow.doubt is not None
    assert set(deep.weights) == {"clip"}
    assert deep.doubt is None
    assert shallow.thresholds == deep.thresholds
    assert shallow.doubt.real <= deep.thresholds.real < deep.thresholds.ai <= shallow.doubt.ai
    assert all(member.calibration.slope > 1.2 for member in fitted.members if member.name != "cnn")
