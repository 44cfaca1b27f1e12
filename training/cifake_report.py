"""Writes the results of the CIFAKE benchmark: ``cifake.json``, and from it ``cifake.md``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, roc_auc_score

ORIGINAL = {"cnn": 0.9762, "efficientnet": 0.9772}
"""Accuracies that the original project reported for its CNN and EfficientNet."""

MEASURES = ("accuracy", "precision", "recall", "f1")

_HEAD = """\
# CIFAKE

CIFAKE has images of 32 × 32 pixels: photographs of CIFAR-10, and images of the same ten classes by
Stable Diffusion 1.4 (Bird and Lotfi, arXiv:2303.14126). Each network was trained on the official
train split. The 378 fakes that are also in the official test split were left out of training, and
5 % were held out for validation. Then the network classified the whole official test split, once.
"Fake" is the positive class. The threshold is a logit of 0. An image's logit is the mean of its own
and its mirror image's. Brackets hold 95 % Wilson intervals.

**This is in-distribution**: training and test have the same generator of 2022, the same size and
the same pipeline. It shows that the networks can learn such a task. It says nothing about images on
the web; see `report.md` for those. The weights are not committed. These commands make them:

```
python -m training.cifake --config training/configs/cifake/cnn.toml
python -m training.cifake --config training/configs/cifake/efficientnet.toml
```
"""


def figures(fake: NDArray[np.bool_], logits: NDArray[np.float32]) -> dict[str, Any]:
    """Compute the metrics on the test split.

    Args:
        fake: the truth, shape (images,). Both labels occur.
        logits: shape (images,). Above 0 means fake.

    Returns:
        ``accuracy``, ``precision``, ``recall`` and ``f1``, each with ``value``, ``low`` and
        ``high``; ``auc``; and ``confusion``, the counts of the confusion matrix.
    """
    counts = confusion_matrix(fake, logits > 0, labels=[False, True])
    (real_right, real_wrong), (fake_missed, fake_found) = counts.tolist()
    # F1 = 2J / (1 + J), where J is the Jaccard index of the fakes and the predicted fakes.
    found_or_wrong = _proportion(fake_found, fake_found + fake_missed + real_wrong)
    f1 = {key: _f1(value) for key, value in found_or_wrong.items()}
    return {
        "accuracy": _proportion(real_right + fake_found, len(fake)),
        "precision": _proportion(fake_found, fake_found + real_wrong),
        "recall": _proportion(fake_found, fake_found + fake_missed),
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
    """Add or replace a network's results in the report.

    Args:
        member: its name.
        measured: its metrics, ``parameters`` and ``config``.
        folder: the report's folder.
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
        fractions = " | ".join(_written(measured[measure]) for measure in MEASURES)
        lines.append(
            f"| `{member}` | {ORIGINAL[member]:.2%} | {fractions} | {measured['auc']:.4f} "
            f"| {measured['parameters']:,} |"
        )
    return "\n".join(lines) + "\n"


def _runs(known: dict[str, Any]) -> list[str]:
    sections = []
    for member, measured in known.items():
        counts, config = measured["confusion"], measured["config"]
        sections.append(f"""\
## `{member}`

| truth | predicted real | predicted fake |
|---|---|---|
| real | {counts["real_called_real"]:,} | {counts["real_called_fake"]:,} |
| fake | {counts["fake_called_real"]:,} | {counts["fake_called_fake"]:,} |

{config["epochs"]} epochs of {config["images_per_epoch"]:,} images, seed {config["seed"]};
[log](training-cifake-{member}.csv), [configuration](../configs/cifake/{member}.toml).
""")
    return sections


def _proportion(part: int, whole: int) -> dict[str, Any]:
    """Return a proportion and its Wilson interval (Wilson 1927, JASA 22:209)."""
    interval = binomtest(part, whole).proportion_ci(method="wilson")
    return {"value": part / whole, "low": float(interval.low), "high": float(interval.high)}


def _f1(fraction: float) -> float:
    return 2 * fraction / (1 + fraction)


def _written(fraction: dict[str, float]) -> str:
    return f"{fraction['value']:.2%} [{fraction['low']:.2%}, {fraction['high']:.2%}]"
