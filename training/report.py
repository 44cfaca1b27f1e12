"""Writes the report of what was measured: ``python -m training.report``.

Everything in it comes from the manifest, ``metrics.json`` and the logs of the training runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from models.manifest import WEIGHTS, Manifest, load_manifest
from training.evaluate import ENSEMBLE, REPORT
from training.places import Places, add_arguments

COMMANDS = """\
python -m training.train --config training/configs/cnn.toml
python -m training.train --config training/configs/efficientnet.toml
python -m training.train --config training/configs/efficientnet_art.toml
python -m training.export
python -m training.calibrate
python -m training.evaluate --test
python -m training.report"""


def report(manifest: Manifest, figures: dict[str, Any], places: Places, folder: Path) -> None:
    """Write ``report.md``, a reliability diagram, tables of sources and the training logs.

    Args:
        manifest: of the weights that were measured.
        figures: what ``metrics.json`` says.
        places: where the training runs left their logs.
        folder: where all of it goes.

    Raises:
        ValueError: the figures are those of other weights.
    """
    if figures["version"] != manifest.version:
        raise ValueError(f"figures of {figures['version']}, weights {manifest.version}")
    for member in manifest.members:
        shutil.copyfile(places.run(member.name) / "log.csv", folder / f"training-{member.name}.csv")
    sections = [_head(manifest), _members(manifest)]
    for split, tiers in figures["splits"].items():
        sections += [_split(split, tiers)]
        _write_sources(tiers["clean"]["sources"], folder / f"sources-{split}.csv")
    _draw_reliability(figures["splits"], folder / "reliability.png")
    (folder / "report.md").write_text("\n".join(sections))


def _head(manifest: Manifest) -> str:
    limits = manifest.thresholds
    return f"""# What was measured

Model version `{manifest.version}`. Written by the last of these commands:

```
{COMMANDS}
```

Every figure weighs each source the same within its label, not each image. `val` chose, calibrated
and set the thresholds, so it flatters; `test` was read once, afterwards. Tiers: `clean` is the
image as it is in the packs (240 to 288 px on the short side), `web` at most 768 px and JPEG q60,
`hard` at most 512 px and JPEG q40.

`ai` from {limits.ai:.3f} on, `real` below {limits.real:.3f}, `uncertain` between. By source are
`sources-val.csv` and `sources-test.csv`; all else is in `metrics.json`.

![Reliability](reliability.png)
"""


def _members(manifest: Manifest) -> str:
    rows = [
        (
            member.name,
            member.view,
            member.training["seed"],
            member.training["epochs"],
            f"{manifest.stack.weights[member.name]:.3f}",
            int(member.parity["weight_bits"]),
            f"{member.parity['max']:.1e} on {member.parity['images']:.0f} images",
            f"[log](training-{member.name}.csv)",
        )
        for member in manifest.members
    ]
    titles = ("member", "view", "seed", "epochs", "weight", "bits", "max |Δp| to Keras", "run")
    return "## Members\n\n" + _table(titles, rows)


def _split(split: str, tiers: dict[str, Any]) -> str:
    parts = tiers["clean"]["parts"]
    names = list(parts["modern"]["models"])
    aucs = [
        (
            part,
            tier,
            *(_figure(tiers[tier]["parts"][part]["models"][name]["auc"]) for name in names),
        )
        for part in parts
        for tier in tiers
    ]
    measures = [
        (
            part,
            tier,
            *(
                _figure(tiers[tier]["parts"][part]["models"][ENSEMBLE][measure])
                for measure in ("auc", "tpr_at_95_tnr", "balanced_accuracy", "ece")
            ),
            *(
                _figure(tiers[tier]["parts"][part]["labels"][measure])
                for measure in (
                    "coverage",
                    "selective_accuracy",
                    "ai_called_ai",
                    "ai_called_real",
                    "real_called_ai",
                    "real_called_real",
                )
            ),
        )
        for part in parts
        for tier in tiers
    ]
    titles = (
        "AUC",
        "TPR at 95 % TNR",
        "balanced accuracy at 0.5",
        "ECE",
        "decided",
        "right of these",
    )
    labels = ("AI called ai", "AI called real", "real called ai", "real called real")
    return "\n".join(
        [
            f"## {split}\n",
            "### AUC of each member and the ensemble\n",
            _table(("part", "tier", *names), aucs),
            "### The ensemble\n",
            _table(("part", "tier", *titles, *labels), measures),
            "### Labels, in images\n",
            _table(("part", "tier", "truth", "ai", "uncertain", "real"), _counts(tiers)),
        ]
    )


def _counts(tiers: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (part, tier, truth, counts["ai"], counts["uncertain"], counts["real"])
        for part in tiers["clean"]["parts"]
        for tier in tiers
        for truth, counts in tiers[tier]["parts"][part]["labels"]["counts"].items()
    ]


def _figure(value: float | None) -> str:
    """Write a measure, or a dash where there was nothing to measure."""
    return "–" if value is None else f"{value:.3f}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _write_sources(rows: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _draw_reliability(splits: dict[str, Any], path: Path) -> None:
    """Draw how often images were AI-made against how probable the ensemble called it."""
    figure = Figure(figsize=(4 * len(splits), 4), layout="constrained")
    for axes, (split, tiers) in zip(
        figure.subplots(1, len(splits), squeeze=False)[0], splits.items(), strict=True
    ):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for tier, result in tiers.items():
            bins = result["parts"]["modern"]["models"][ENSEMBLE]["reliability"]
            axes.plot(
                [said for said, _, _ in bins], [was for _, was, _ in bins], marker="o", label=tier
            )
        axes.set(title=f"{split}, modern", xlabel="probability", ylabel="share AI-made")
        axes.legend()
    figure.savefig(path, dpi=80)


def main() -> None:
    """Read the command line and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--report", type=Path, default=REPORT)
    add_arguments(parser)
    arguments = parser.parse_args()
    figures = json.loads((arguments.report / "metrics.json").read_text())
    report(load_manifest(arguments.weights), figures, Places.of(arguments), arguments.report)


if __name__ == "__main__":
    main()
