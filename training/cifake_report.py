"""Writes what the CIFAKE benchmark measured: ``cifake.json``, and ``cifake.md`` made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, roc_auc_score

ORIGINAL = {"cnn": 0.9762, "efficientnet": 0.9772}
"""Accuracies that the project which this one follows reported for its CNN and EfficientNet."""

MEASURES = ("accuracy", "precision", "recall", "f1")

_HEAD = """\
# CIFAKE

32 × 32 pixels: CIFAR-10's photographs against what Stable Diffusion 1.4 made of the same ten
classes (Bird and Lotfi, arXiv:2303.14126). Each network was trained on the official train split
without the 378 fakes whose bytes are also in the official test split, and without the 5 % of it
that were held out; it then judged the whole official test split, once. "Fake" is the positive
class, the threshold is a logit of 0, and an image's logit is the mean of its own and its mirror
image's. In brackets are 95 % Wilson intervals.

**This is in-distribution**: one generator of 2022, one size, one pipeline, in training and in test.
It shows that the networks can learn such a task, and says nothing of images on the web, for which
see `report.md`. The weights are not committed; these commands make them again:

```
python -m training.cifake --config training/configs/cifake/cnn.toml
python -m training.cifake --config training/configs/cifake/efficientnet.toml
```
"""


def figures(fake: NDArray[np.bool_], logits: NDArray[np.float32]) -> dict[str, Any]:
    """Measure answers to the test split.

    Args:
        fake: the truth, shape (images,); holds both labels.
        logits: the answers, shape (images,); fake above 0.

    Returns:
        ``accuracy``, ``precision``, ``recall`` and ``f1``, each with ``value``, ``low`` and
        ``high``; ``auc``; ``confusion``, the counts of the confusion matrix.
    """
    counts = confusion_matrix(fake, logits > 0, labels=[False, True])
    (real_right, real_wrong), (fake_missed, fake_found) = counts.tolist()
    # F1 is 2J / (1 + J) of the share J of the found among all that are fake or called so.
    found_or_wrong = _share(fake_found, fake_found + fake_missed + real_wrong)
    f1 = {key: _f1(value) for key, value in found_or_wrong.items()}
    return {
        "accuracy": _share(real_right + fake_found, len(fake)),
        "precision": _share(fake_found, fake_found + real_wrong),
        "recall": _share(fake_found, fake_found + fake_missed),
        "f1": f1,
        "auc": float(roc_auc_score(fake, logits)),
        "confusion": {
            "real_called_real": real_right,
            "real_called_fake": real_wrong,
            "fake_called_real": fake_missed,
            "fake_called_fake": fake_found,
        },
    }


def write(member: str, measured: dict[str, Any], folder: Path) -> None:
    """Put a network's figures into the report, beside those of the other.

    Args:
        member: its name.
        measured: its figures, ``parameters`` and ``config``.
        folder: where the report is.
    """
    path = folder / "cifake.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[member] = measured
    known = dict(sorted(known.items()))
    path.write_text(json.dumps(known, indent=2) + "\n")
    (folder / "cifake.md").write_text("\n".join([_HEAD, _table(known), *_runs(known)]))


def _table(known: dict[str, Any]) -> str:
    lines = [
        "| network | original | accuracy | precision | recall | F1 | AUC | parameters |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for member, measured in known.items():
        shares = " | ".join(_written(measured[measure]) for measure in MEASURES)
        lines.append(
            f"| `{member}` | {ORIGINAL[member]:.2%} | {shares} | {measured['auc']:.4f} "
            f"| {measured['parameters']:,} |"
        )
    return "\n".join(lines) + "\n"


def _runs(known: dict[str, Any]) -> list[str]:
    sections = []
    for member, measured in known.items():
        counts, config = measured["confusion"], measured["config"]
        sections.append(f"""\
## `{member}`

| truth | called real | called fake |
|---|---|---|
| real | {counts["real_called_real"]:,} | {counts["real_called_fake"]:,} |
| fake | {counts["fake_called_real"]:,} | {counts["fake_called_fake"]:,} |

{config["epochs"]} epochs of {config["images_per_epoch"]:,} images, seed {config["seed"]};
[log](training-cifake-{member}.csv), [configuration](../configs/cifake/{member}.toml).
""")
    return sections


def _share(part: int, whole: int) -> dict[str, Any]:
    """Return a share and its Wilson interval (Wilson 1927, JASA 22:209)."""
    interval = binomtest(part, whole).proportion_ci(method="wilson")
    return {"value": part / whole, "low": float(interval.low), "high": float(interval.high)}


def _f1(share: float) -> float:
    return 2 * share / (1 + share)


def _written(share: dict[str, float]) -> str:
    return f"{share['value']:.2%} [{share['low']:.2%}, {share['high']:.2%}]"
