"""Measure what files say about their origin, and what the rule of evidence does to their labels.

``python -m training.evidence_effect DIR…``: each folder has ``ai/GENERATOR/…`` and
``real/SOURCE/…`` with original files, because re-encoded images have lost their metadata. It prints
two Markdown tables. Files that are no images are left out.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from models.ensemble import Ensemble, combine
from models.errors import ImageError
from models.evidence import find_evidence
from models.image import decode
from models.verdict import Evidence, Label
from training.markdown import table

_KINDS = "trusted credentials", "unknown signer", "unsigned marks", "nothing"


class Judged(NamedTuple):
    """One file.

    Attributes:
        truth: ``ai`` or ``real``.
        group: its generator or source.
        says: what says that it is AI, the strongest first: one of trusted credentials, unknown
            signer, unsigned marks, nothing.
        before: the label by the pixels alone.
        after: the verdict's label.
        forged: the label if somebody wrote an unsigned mark into the file.
    """

    truth: str
    group: str
    says: str
    before: Label
    after: Label
    forged: Label


def judge(
    truth: str, group: str, evidence: Sequence[Evidence], pixels: Label, probability: float
) -> Judged:
    """Apply the rule to one file.

    Args:
        truth: ``ai`` or ``real``.
        group: its generator or source.
        evidence: what the file says.
        pixels: the label by the pixels alone.
        probability: that the image is AI-made, by the pixels alone.
    """
    forged = (*evidence, Evidence(kind="iptc", says="ai", detail="", trusted=False))
    return Judged(
        truth,
        group,
        _strongest(evidence),
        pixels,
        combine(pixels, probability, evidence).label,
        combine(pixels, probability, forged).label,
    )


def _strongest(evidence: Iterable[Evidence]) -> str:
    says_ai = [fact for fact in evidence if fact.says == "ai"]
    if any(fact.trusted for fact in says_ai):
        return "trusted credentials"
    if any(fact.kind != "c2pa" for fact in says_ai):
        return "unsigned marks"
    return "unknown signer" if says_ai else "nothing"


def marks_table(judged: Sequence[Judged]) -> str:
    """Count what the files of each generator say, and those labelled ``ai`` before and after."""
    rows = []
    for truth, group in sorted({(each.truth, each.group) for each in judged}):
        some = [each for each in judged if (each.truth, each.group) == (truth, group)]
        counts = Counter(each.says for each in some)
        before, after = (sum(label is Label.AI for label in labels) for labels in _labels(some))
        rows.append([truth, group, len(some), *(counts[kind] for kind in _KINDS), before, after])
    return table(["", "generator or source", "files", *_KINDS, "`ai` before", "after"], rows)


def effect_table(judged: Sequence[Judged]) -> str:
    """Count the labels before and after the rule, and with a forged mark in every file."""
    rows = []
    for truth in ("ai", "real"):
        some = [each for each in judged if each.truth == truth]
        columns = (*_labels(some), [each.forged for each in some])
        names = "pixels alone", "with evidence", "with a forged mark in each"
        for name, labels in zip(names, columns, strict=True):
            counts = Counter(labels)
            rows.append([truth, name, len(some), *(counts[label] for label in Label)])
    return table(["images", "labels", "files", *(f"`{label}`" for label in Label)], rows)


def _labels(judged: Iterable[Judged]) -> tuple[list[Label], list[Label]]:
    some = list(judged)
    return [each.before for each in some], [each.after for each in some]


def files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield truth, group and path of each file under ``ai`` and ``real``."""
    for path in sorted(folder.glob("*/*/**/*")):
        truth, group = path.relative_to(folder).parts[:2]
        if path.is_file() and truth in ("ai", "real"):
            yield truth, group, path


def main() -> None:
    """Judge the files of the folders and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    ensemble = Ensemble.load()
    judged = []
    for folder in parser.parse_args().folders:
        for truth, group, path in files(folder):
            data = path.read_bytes()
            try:
                image = decode(data)
            except ImageError:
                continue
            result = ensemble.classify(image.pixels)
            evidence = find_evidence(data, image.alpha_text)
            judged.append(judge(truth, group, evidence, result.label, result.probability))
    print(marks_table(judged), effect_table(judged), sep="\n\n")


if __name__ == "__main__":
    main()
