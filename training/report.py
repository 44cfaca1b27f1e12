"""Writes the report of what was measured: ``python -m training.report``.

Everything in it comes from the manifest, the logs of the training runs, and what
``training.evaluate`` left in the same folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.manifest import WEIGHTS, Manifest, MemberRecord, load_manifest
from training import bars
from training.bars import BARS, Bar
from training.bootstrap import ENOUGH, RESAMPLES
from training.evaluate import REPORT
from training.judged import ENSEMBLE
from training.markdown import interval, table
from training.places import Places, add_arguments
from training.slices import SIZES

COMMANDS = """\
python -m training.datasets enlarge CLONES         # → runs/data, for --data below
python -m training                    # all of it; or these steps alone:
python -m training.evaluate --test --weights runs/measured
python -m training.report"""

FEW = 5
"""Images of a slice below which only the CSV tells of it."""


def report(manifest: Manifest, figures: dict[str, Any], places: Places, folder: Path) -> None:
    """Write ``report.md`` and copy the training logs beside it.

    Args:
        manifest: of the weights that are shipped.
        figures: what ``metrics.json`` says.
        places: where the training runs left their logs.
        folder: where the evaluation left its tables and plots, and where all of it goes.

    Raises:
        ValueError: the figures are those of other weights, and the manifest does not say that
            these were trained again.
    """
    head = _head(manifest, figures)
    for member in manifest.members:
        log = places.run(member.name) / "log.csv"
        if log.exists():
            shutil.copyfile(log, folder / f"training-{member.name}.csv")
    sections = [head]
    splits = dict(reversed(figures["splits"].items()))  # ``test``, where it was read, comes first.
    sections += [_key(split, tiers) for split, tiers in splits.items()]
    sections += [_members(manifest, splits, folder)]
    sections += [_parts(split, tiers) for split, tiers in splits.items()]
    sections += [_slices(split, _read(folder / f"slices-{split}.csv")) for split in splits]
    sections += [_audits(figures["audits"])]
    sections += [_mistakes(split, _read(folder / f"mistakes-{split}.csv")) for split in splits]
    (folder / "report.md").write_text("\n".join(sections))


def _head(manifest: Manifest, figures: Mapping[str, Any]) -> str:
    limits = figures["thresholds"]
    return f"""# What was measured

{_provenance(manifest, figures)}

Each source weighs the same within its label, and both labels weigh the same. In brackets: 95 %
intervals, from {RESAMPLES:,} resamples of whole sources, since images of one source resemble each
other; none where a label has fewer than {ENOUGH} sources, a rough one where it has few. An ECE's
interval leans upwards, because resampling adds noise to every bin. `val` chose, calibrated and set
the thresholds, so it flatters. `test` is read afterwards. It had been read once before, for weights
that had learned from fewer images and from `train` alone: AUC .884 / .879 / .877; nothing was
chosen by it. Tiers: `clean` is the image as it is in the packs (240 to 288 px on the short side),
`web` at most 768 px and JPEG q60, `hard` at most 512 px and JPEG q40.

`ai` from {limits["ai"]:.3f} on, `real` below {limits["real"]:.3f}, `uncertain` between.
"""


def _provenance(manifest: Manifest, figures: Mapping[str, Any]) -> str:
    """Say whose figures these are, and what those weights have seen.

    Raises:
        ValueError: as ``report`` does.
    """
    measured, shipped = figures["version"], manifest.version
    seen, trained_on = figures["trained_on"], manifest.trained_on
    lines = [f"Model version `{measured}`, trained on {_listed(seen)}."]
    known = [split for split in figures["splits"] if split in seen]
    if known:
        lines += [f"**These weights have seen {_listed(known)}: read no skill from it.**"]
    if measured != shipped:
        if not set(seen) < set(trained_on):
            raise ValueError(f"figures of {measured}, weights {shipped}")
        lines += [
            f"After these figures were taken, the shipped weights (`{shipped}`) were trained again",
            f"by the same recipe on {_listed(trained_on)}.",
        ]
    return "\n".join([*lines, "", "```", COMMANDS, "```"])


def _listed(splits: Sequence[str]) -> str:
    return ", ".join(f"`{split}`" for split in splits)


def _key(split: str, tiers: Mapping[str, Any]) -> str:
    modern = {tier: parts["modern"] for tier, parts in tiers.items()}
    images, sources = modern["clean"]["images"], modern["clean"]["sources"]
    rows = [
        (
            bar.title,
            str(bar),
            *(_held(bar, tier, bars.values(part, bar)) for tier, part in modern.items()),
        )
        for bar in BARS
    ]
    met = [
        bar.met(tier, bars.values(part, bar)[0]) for bar in BARS for tier, part in modern.items()
    ]
    asked = [each for each in met if each is not None]
    peer = " / ".join(f"{100 * value:.1f}" for value in bars.PEER.values())
    whose = "" if split == "test" else " The bars are for `test`; `val` flatters."
    return f"""## The key figures: `{split}`, modern images

AI: {images["ai"]} images of {sources["ai"]} sources; real: {images["real"]} of {sources["real"]}.
{sum(asked)} of {len(asked)} bars are met.{whose}

{table(("", "bar", *tiers), rows)}
The best open extension reports a balanced accuracy of {peer} %, on images of its own.
"""


def _held(bar: Bar, tier: str, found: Sequence[float | None]) -> str:
    met = bar.met(tier, found[0])
    return interval(found) + ("" if met is None else f", {_met(met)}")


def _members(manifest: Manifest, splits: Mapping[str, Any], folder: Path) -> str:
    made = [
        (
            member.name,
            member.view,
            f"{manifest.stack.weights.get(member.name, 0):.3f}",
            member.training.get("seed", "–"),
            member.training.get("epochs", "–"),
            f"{member.parity['weight_bits']:.0f}" if "weight_bits" in member.parity else "–",
            _parity(member),
            _log(member.name, folder),
        )
        for member in manifest.members
    ]
    titles = ("member", "view", "weight", "seed", "epochs", "bits", "against Keras", "run")
    measures = ("auc", "tpr_at_95_tnr", "balanced_accuracy", "ece", "lead")
    measured = [
        (split, tier, name, *(interval(found.get(measure, [None])) for measure in measures))
        for split, tiers in splits.items()
        for tier, parts in tiers.items()
        for name, found in parts["modern"]["models"].items()
    ]
    heads = ("AUC", "TPR at 95 % TNR", "balanced accuracy", "ECE", "the ensemble's lead in AUC")
    return f"""## Each member and the ensemble, modern images

{table(("split", "tier", "model", *heads), measured)}
The lead is the ensemble's AUC less the member's on the same resamples: an interval above 0 says
that combining helps.

![ROC](roc.png)

{table(titles, made)}"""


def _parity(member: MemberRecord) -> str:
    """Say what the export cost: in probability, or in balanced accuracy."""
    parity = member.parity
    if "accuracy_lost" in parity:
        return f"accuracy {-parity['accuracy_lost']:+z.4f}"
    return f"Δp ≤ {parity['max']:.1e}" if "max" in parity else "–"


def _log(member: str, folder: Path) -> str:
    name = f"training-{member}.csv"
    return f"[log]({name})" if (folder / name).exists() else "–"


def _parts(split: str, tiers: Mapping[str, Any]) -> str:
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
    titles = ("AUC", "TPR at 95 % TNR", "balanced accuracy", "ECE", "called", "right of these")
    calls = ("AI called ai", "AI called real", "real called ai", "real called real")
    return f"## The ensemble by part, `{split}`\n\n" + table(
        ("part", "tier", *titles, *calls), rows
    )


def _slices(split: str, rows: Sequence[Mapping[str, str]]) -> str:
    clean = [row for row in rows if row["tier"] == "clean" and int(row["images"]) >= FEW]
    generators = [row for row in clean if row["by"] == "generator" and row["truth"] == "ai"]
    generators.sort(key=lambda row: (row["pack"] != "modern", float(row["called_ai"])))
    modern = [row for row in clean if row["pack"] == "modern"]
    sizes = [row for size in SIZES for row in modern if row["value"] == size]
    files = [*sizes, *(row for row in modern if row["by"] == "format")]
    titles = ("images", "sources", "AUC", "called ai", "called real")
    return f"""## By generator, size and format, `{split}`, clean

Generators of {FEW} images or more, those found least first; the AUC sets each against all real
images of its pack. All tiers, and real images and sources, are in `slices-{split}.csv`.

{table(("pack", "generator", *titles), ((r["pack"], r["value"], *_slice(r)) for r in generators))}
Modern images by the original's long side and format; the AUC is within the size or format:

{table(("", "is", *titles), ((r["value"], r["truth"], *_slice(r)) for r in files))}
![Each source's images](sources-{split}.png)
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
    flips, verdict = interval(same["flips"]), _met(same["flips"][0] <= bars.FLIPS)
    variants = [
        (name, *(f"{each[key]:.3f}" for key in ("flips", "changes", "moves")))
        for name, each in same["variants"].items()
    ]
    rows = [
        (
            split,
            *(f"{each[key]:.3f}" for key in ("r2", "r2_control", "predicted_auc", "label_auc")),
            _met(each["r2"] <= bars.METADATA),
        )
        for split, each in metadata.items()
    ]
    titles = ("split", "R²", "control, 95 %", "AUC of what it predicts", "AUC for the label")
    return f"""## Shortcuts

**The same image in other files.** {same["images"]} modern images of `val`, {len(variants)} other
files of each. From `ai` to `real` or back: {flips} (bar ≤ {bars.FLIPS}: {verdict}).
Any other label, so also to or from `uncertain`: {interval(same["changes"])}.

{table(("saved as", "ai ↔ real", "other label", "mean change of p"), variants)}
**Metadata alone.** A model that sees the original's format, sides, area and aspect and no pixel
predicts the ensemble's logit within each label, for modern sources that it has not seen. R² is the
share of the variance that it explains (0 or less: nothing; bar ≤ {bars.METADATA}). The control
moves the metadata to other images; an R² not above it is chance. Where R² is above, the first AUC
says whether metadata pushes scores towards the right label (above 0.5) or away from it. The second
is that of a model of metadata fitted to the label itself: what a shortcut would have to gain.

{table((*titles, "bar"), rows)}
## Confidence

![Reliability; accuracy and coverage](confidence.png)

![Confusion](confusion.png)
"""


def _mistakes(split: str, rows: Sequence[Mapping[str, str]]) -> str:
    modern = [row for row in rows if row["pack"] == "modern"]
    modern.sort(key=lambda row: (row["truth"], row["corpus"], row["generator"], row["source"]))
    titles = ("truth", "corpus", "generator", "source", "name", "probability", "label")
    return f"""## The worst mistakes, `{split}`, clean

The {len(modern)} surest mistakes among modern images, by category; those among the older ones are
in `mistakes-{split}.csv`.

{table(titles, ([row[title] or "–" for title in titles] for row in modern))}"""


def _met(held: bool) -> str:
    return "met" if held else "**missed**"


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


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
