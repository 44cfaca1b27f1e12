"""Says what each member adds: ``python -m training.contributions``.

All members are combined by a logistic regression on ``val``, in folds by source. Then each is left
out in turn. The light members were trained on ``train``, and the logits of the others are out of
fold, so no logit comes from a fit that has seen the image.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.manifest import WEIGHTS, load_manifest
from training import metrics
from training.bootstrap import estimate, resample
from training.calibrate import (
    Answers,
    Scored,
    fit_by_source,
    read_answers,
    read_scored,
    tiers_of,
)
from training.evaluate import REPORT
from training.markdown import interval, table
from training.metrics import Floats
from training.paths import Paths, add_arguments

_HEAD = """\
# What each member adds

`python -m training.contributions`: a logistic regression on the members' logits, on modern images
of `val` that no member has seen, in folds by source. The gain is that of all members over the same
combination without the named ones, paired, with 95 % intervals over sources. TPR is at 95 % TNR.

"""


def report(answers: Answers, shallow: Floats) -> str:
    """Format the figures of the combination, and the gain by each member.

    Args:
        answers: logits of the light members and of ``clip``.
        shallow: logits of ``clip_shallow`` for the same views.
    """
    logits = answers.logits | {"clip_shallow": shallow, "clip": answers.clip}
    everyone = tuple(logits)
    left_out = [(), *((name,) for name in everyone), tuple(answers.logits)]
    rows = []
    for part in tiers_of(answers.known):
        source = np.array([answers.known.examples[row].source for row in part.rows])
        resampled_weights = resample(source, part.ai, part.sample_weight)

        def measured(names: Sequence[str]) -> list[Floats]:
            columns = np.stack([logits[name][part.rows] for name in names], axis=1)  # noqa: B023
            _, odds = fit_by_source(columns, part.ai, part.sample_weight, source)  # noqa: B023
            return [
                measure(part.ai, odds, resampled_weights)  # noqa: B023
                for measure in (metrics.auc, metrics.tpr_at_tnr)
            ]

        whole = measured(everyone)
        for names in left_out:
            rest = [name for name in everyone if name not in names]
            found = measured(rest) if names else whole
            gains = [interval(estimate(a - b)) for a, b in zip(whole, found, strict=True)]
            shown = [interval(estimate(each)) for each in found]
            rows.append(
                (part.tier, ", ".join(names) or "nobody", *shown, *(gains if names else ("", "")))
            )
    return table(("tier", "without", "AUC", "TPR", "gain of AUC", "gain of TPR"), rows)


def shallow_logits(scored: dict[str, Scored], answers: Answers) -> Floats:
    """Return the logits of ``clip_shallow`` for the views of ``answers``."""
    mine = scored["clip_shallow"]
    views = zip(mine.known.examples, mine.known.tiers.tolist(), strict=True)
    known = dict(zip(views, mine.by_scheme["folds"].tolist(), strict=True))
    wanted = zip(answers.known.examples, answers.known.tiers.tolist(), strict=True)
    return np.array([known[view] for view in wanted])


def main() -> None:
    """Parse the command line, fit, and write ``contributions.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--report", type=Path, default=REPORT, help="folder for the table")
    add_arguments(parser)
    arguments = parser.parse_args()
    paths = Paths.of(arguments)
    scored = read_scored(paths)
    manifest = load_manifest(arguments.weights)
    answers = read_answers(scored["clip"], manifest, paths, arguments.weights)
    text = _HEAD + report(answers, shallow_logits(scored, answers))
    (arguments.report / "contributions.md").write_text(text)


if __name__ == "__main__":
    main()
