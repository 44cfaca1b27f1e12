"""Writes the evaluation report: ``python -m training.report``.

Its content comes from the manifest, the training logs, and the results of ``training.evaluate`` in
the same folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.manifest import WEIGHTS, Manifest, NetworkRecord, load_manifest
from training import acceptance_targets, quality
from training.acceptance_targets import TARGETS, Target
from training.bootstrap import ENOUGH, RESAMPLES
from training.evaluate import REPORT
from training.markdown import interval, table
from training.paths import Paths, add_arguments
from training.predictions import ENSEMBLE
from training.slices import SIZES

COMMANDS = """\
python -m training.datasets enlarge CLONES         # → runs/data, for --data below
python -m training                    # the whole pipeline, or only these steps:
python -m training.evaluate --test
python -m training.report"""

FEW = 5
"""Smallest slice in the report, in images. The CSV has all slices."""


def report(manifest: Manifest, figures: dict[str, Any], paths: Paths, folder: Path) -> None:
    """Write ``report.md`` and copy the training logs beside it.

    Args:
        manifest: of the shipped weights.
        figures: the content of ``metrics.json``.
        paths: where the training logs are.
        folder: holds the results of the evaluation. The report goes there, too.

    Raises:
        ValueError: the figures belong to other weights.
    """
    if figures["version"] != manifest.version:
        raise ValueError(f"figures of {figures['version']}, weights {manifest.version}")
    for member in manifest.members:
        log = paths.run(member.name) / "log.csv"
        if log.exists():
            shutil.copyfile(log, folder / f"training-{member.name}.csv")
    split, tiers = figures["split"], figures["tiers"]
    sections = [
        _head(manifest, split),
        _key(split, tiers),
        _members(manifest, tiers, folder),
        _parts(tiers),
        _slices(_read(folder / "slices.csv")),
        _audits(figures["audits"]),
        _mistakes(_read(folder / "mistakes.csv")),
    ]
    (folder / "report.md").write_text("\n".join(sections))


def _head(manifest: Manifest, split: str) -> str:
    first, last = manifest.stages[0], manifest.stages[-1]
    doubt = first.doubt or first.thresholds
    return f"""# Evaluation report

Model version `{manifest.version}`, evaluated on `{split}`.

```
{COMMANDS}
```

- **Weights:** Both labels have the same weight. Within a label, all sources have the same weight.
- **Intervals:** Brackets hold 95 % intervals from {RESAMPLES:,} resamples of whole sources, because
  images of one source resemble each other. With fewer than {ENOUGH} sources of a label there is no
  interval, and with few it is rough. Intervals of the ECE are biased upwards, because resampling
  adds noise to every bin.
- **Splits:** `train` and `val` were used for fitting, selection, calibration and thresholds. `test`
  was read once, after all of that. Nothing was chosen by it. Figures of `val` would mean nothing.
- **Tiers:** `clean` is the image as in the packs (240 to 288 px on the short side). `web` has at
  most 768 px and JPEG q60. `hard` has at most 512 px and JPEG q40.
- **Labels:** `ai` from {last.thresholds.ai:.3f} on, `real` below {last.thresholds.real:.3f},
  `uncertain` in between. The first stage decides below {doubt.real:.3f} and from {doubt.ai:.3f} on.
"""


def _key(split: str, tiers: Mapping[str, Any]) -> str:
    modern = {tier: parts["modern"] for tier, parts in tiers.items()}
    images, sources = modern["clean"]["images"], modern["clean"]["sources"]
    rows = [
        (
            target.title,
            str(target),
            *(
                _held(target, tier, acceptance_targets.values(part, target))
                for tier, part in modern.items()
            ),
        )
        for target in TARGETS
    ]
    met = [
        target.met(tier, acceptance_targets.values(part, target)[0])
        for target in TARGETS
        for tier, part in modern.items()
    ]
    asked = [each for each in met if each is not None]
    early = interval(modern["clean"]["early"])
    peer = " / ".join(f"{100 * value:.1f}" for value in acceptance_targets.PEER.values())
    return f"""## Key figures: `{split}`, modern images

AI: {images["ai"]} images of {sources["ai"]} sources. Real: {images["real"]} of {sources["real"]}.
{sum(asked)} of {len(asked)} targets are met. The first stage decides
{early} of the images (clean).

{table(("metric", "target", *tiers), rows)}
The best open extension reports a balanced accuracy of {peer} %, on its own images.
"""


def _held(target: Target, tier: str, found: Sequence[float | None]) -> str:
    met = target.met(tier, found[0])
    return interval(found) + ("" if met is None else f", {_met(met)}")


def _members(manifest: Manifest, tiers: Mapping[str, Any], folder: Path) -> str:
    made = [
        (
            member.name,
            ", ".join(member.networks),
            member.training.get("seed", "–"),
            member.training.get("epochs", "–"),
            _log(member.name, folder),
        )
        for member in manifest.members
    ]
    exported = [
        (
            network.name,
            network.input,
            f"{network.parity['weight_bits']:.0f}" if "weight_bits" in network.parity else "–",
            _parity(network),
        )
        for network in manifest.networks
    ]
    measures = ("auc", "tpr_at_95_tnr", "balanced_accuracy", "ece", "lead")
    measured = [
        (tier, name, *(interval(found.get(measure, [None])) for measure in measures))
        for tier, parts in tiers.items()
        for name, found in parts["modern"]["models"].items()
    ]
    heads = ("AUC", "TPR at 95 % TNR", "balanced accuracy", "ECE", "AUC lead of the ensemble")
    return f"""## Members and ensemble, modern images

{table(("tier", "model", *heads), measured)}
The lead is the ensemble's AUC minus the member's, on the same resamples. An interval above 0 means
that combining helps.

![ROC](roc.png)

What each member adds, on held-out images of `val`: [contributions.md](contributions.md).

{table(("member", "networks", "seed", "epochs", "run"), made)}
{table(("network", "input", "bits", "difference to Keras"), exported)}"""


def _parity(network: NetworkRecord) -> str:
    """Format the loss by the export: in balanced accuracy, or as a difference in probability."""
    parity = network.parity
    if "accuracy_lost" in parity:
        return f"accuracy {-parity['accuracy_lost']:+z.4f}"
    return f"Δp ≤ {parity['max']:.1e}" if "max" in parity else "–"


def _log(member: str, folder: Path) -> str:
    name = f"training-{member}.csv"
    return f"[log]({name})" if (folder / name).exists() else "–"


def _parts(tiers: Mapping[str, Any]) -> str:
    models = ("auc", "tpr_at_95_tnr", "balanced_accuracy", "ece")
    labels = (
        "coverage",
        "selective_accuracy",
        "ai_called_ai",
        "ai_called_real",
        "real_called_ai",
        "real_called_real",
    )
    rows = [
        (
            part,
            tier,
            *(interval(tiers[tier][part]["models"][ENSEMBLE][measure]) for measure in models),
            *(interval(tiers[tier][part]["labels"][measure]) for measure in labels),
        )
        for part in tiers["clean"]
        for tier in tiers
    ]
    titles = ("AUC", "TPR at 95 % TNR", "balanced accuracy", "ECE", "coverage", "accuracy of these")
    calls = ("AI → ai", "AI → real", "real → ai", "real → real")
    return "## The ensemble by part\n\n" + table(("part", "tier", *titles, *calls), rows)


def _slices(rows: Sequence[Mapping[str, str]]) -> str:
    clean = [row for row in rows if row["tier"] == "clean" and int(row["images"]) >= FEW]
    generators = [row for row in clean if row["by"] == "generator" and row["truth"] == "ai"]
    generators.sort(key=lambda row: (row["pack"] != "modern", float(row["called_ai"])))
    modern = [row for row in clean if row["pack"] == "modern"]
    sizes = [row for size in SIZES for row in modern if row["value"] == size]
    files = [*sizes, *(row for row in modern if row["by"] == "format")]
    titles = ("images", "sources", "AUC", "→ ai", "→ real")
    return f"""## By generator, size and format, clean

The table has generators with {FEW} images or more, those with the fewest labels `ai` first. The AUC
compares each with all real images of its pack. `slices.csv` has all tiers, and also real
images and sources.

{table(("pack", "generator", *titles), ((r["pack"], r["value"], *_slice(r)) for r in generators))}
Modern images by the original's long side and format. The AUC is within the size or format.

{table(("slice", "truth", *titles), ((r["value"], r["truth"], *_slice(r)) for r in files))}
![Each source's images](sources.png)
"""


def _slice(row: Mapping[str, str]) -> tuple[str, ...]:
    measured = (
        interval(
            [float(row[key]) if row[key] else None for key in (name, f"{name}_low", f"{name}_high")]
        )
        for name in ("auc", "called_ai", "called_real")
    )
    return (row["images"], row["sources"], *measured)


def _audits(audits: Mapping[str, Any]) -> str:
    same, metadata = audits["invariance"], audits["metadata"]
    flips, verdict = interval(same["flips"]), _met(same["flips"][0] <= acceptance_targets.FLIPS)
    variants = [
        (name, *(f"{each[key]:.3f}" for key in ("flips", "changes", "moves")))
        for name, each in same["variants"].items()
    ]
    keys = ("r2", "r2_control", "predicted_auc", "label_auc")
    row = (
        *(f"{metadata[key]:.3f}" for key in keys),
        _met(metadata["r2"] <= acceptance_targets.METADATA),
    )
    titles = ("R²", "control, 95 %", "AUC of the prediction", "AUC for the label", "target")
    return f"""## Shortcuts

**Re-encoded images.** {same["images"]} modern images, with {len(variants)} variants each.
The label changes from `ai` to `real` or back for {flips} (target ≤ {acceptance_targets.FLIPS}:
{verdict}).
It changes in any way, including to or from `uncertain`, for {interval(same["changes"])}.

{table(("variant", "ai ↔ real", "any change", "mean change of p"), variants)}
**Metadata only.** A model predicts the ensemble's logit within each label from the original's
format, sides, area and aspect ratio, without pixels. It is applied to modern sources that it has
not seen. R² is the explained fraction of the variance (0 or less: nothing; target ≤
{acceptance_targets.METADATA}). The control uses the metadata of other images. An R² not above the
control is chance. Otherwise, the first AUC says whether metadata moves the scores towards the right
label (above 0.5) or away from it. The second AUC is that of a metadata model fitted to the label
itself. It shows how much a shortcut could gain.

{table(titles, [row])}
## Confidence

![Reliability diagrams; accuracy against coverage](confidence.png)

![Confusion matrices](confusion.png)
"""


def _mistakes(rows: Sequence[Mapping[str, str]]) -> str:
    modern = [row for row in rows if row["pack"] == "modern"]
    modern.sort(key=lambda row: (row["truth"], row["corpus"], row["generator"], row["source"]))
    titles = ("truth", "corpus", "generator", "source", "name", "probability", "label")
    return f"""## Worst mistakes, clean

The {len(modern)} most confident mistakes on modern images, by category. `mistakes.csv` also
has those on older images.

{table(titles, ([row[title] or "–" for title in titles] for row in modern))}"""


def _met(held: bool) -> str:
    return "met" if held else "**missed**"


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Parse the command line and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--report", type=Path, default=REPORT)
    add_arguments(parser)
    arguments = parser.parse_args()
    figures = json.loads((arguments.report / "metrics.json").read_text())
    report(load_manifest(arguments.weights), figures, Paths.of(arguments), arguments.report)
    quality.select(figures, _read(arguments.report / "slices.csv")).save(arguments.weights)


if __name__ == "__main__":
    main()
