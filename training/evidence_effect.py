"""Measure what files say about their origin, and what the rule of evidence does to their labels.

``python -m training.evidence_effect DIR…``: each folder has ``ai/GENERATOR/…`` and
``real/SOURCE/…`` with original files, because re-encoded images have lost their metadata. It prints
two Markdown tables. Files that are no images are left out. ``--marks-only`` prints the first table
without labels, and classifies nothing.
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


class Labels(NamedTuple):
    """The labels of one file.

    Attributes:
        before: by the pixels alone.
        after: of the verdict.
        forged: if somebody wrote an unsigned mark into the file.
    """

    before: Label
    after: Label
    forged: Label


class Original(NamedTuple):
    """One file.

    Attributes:
        truth: ``ai`` or ``real``.
        group: its generator or source.
        says: what says that it is AI, the strongest first: one of trusted credentials, unknown
            signer, unsigned marks, nothing.
        labels: None if it was not classified.
    """

    truth: str
    group: str
    says: str
    labels: Labels | None = None


def judge(evidence: Sequence[Evidence], pixels: Label, probability: float) -> Labels:
    """Apply the rule to one file.

    Args:
        evidence: what the file says.
        pixels: the label by the pixels alone.
        probability: that the image is AI-made, by the pixels alone.
    """
    forged = (*evidence, Evidence(kind="iptc", says="ai", detail="", trusted=False))
    return Labels(
        pixels,
        combine(pixels, probability, evidence).label,
        combine(pixels, probability, forged).label,
    )


def strongest(evidence: Iterable[Evidence]) -> str:
    """Return what says that the file is AI: one of the kinds of `Original.says`."""
    says_ai = [fact for fact in evidence if fact.says == "ai"]
    if any(fact.trusted for fact in says_ai):
        return "trusted credentials"
    if any(fact.kind != "c2pa" for fact in says_ai):
        return "unsigned marks"
    return "unknown signer" if says_ai else "nothing"


def marks_table(originals: Sequence[Original]) -> str:
    """Count what the files of each generator say, and those labelled ``ai`` before and after."""
    classified = any(each.labels for each in originals)
    rows = []
    for truth, group in sorted({(each.truth, each.group) for each in originals}):
        some = [each for each in originals if (each.truth, each.group) == (truth, group)]
        counts = Counter(each.says for each in some)
        rows.append([truth, group, len(some), *(counts[kind] for kind in _KINDS)])
        if classified:
            labels = [each.labels for each in some if each.labels]
            rows[-1] += [sum(each.before is Label.AI for each in labels)]
            rows[-1] += [sum(each.after is Label.AI for each in labels)]
    more = ["`ai` before", "after"] if classified else []
    return table(["", "generator or source", "files", *_KINDS, *more], rows)


def effect_table(originals: Sequence[Original]) -> str:
    """Count the labels before and after the rule, and with a forged mark in every file."""
    rows = []
    for truth in ("ai", "real"):
        labels = [each.labels for each in originals if each.truth == truth and each.labels]
        for name, of in (
            ("pixels alone", lambda each: each.before),
            ("with evidence", lambda each: each.after),
            ("with a forged mark in each", lambda each: each.forged),
        ):
            counts = Counter(map(of, labels))
            rows.append([truth, name, len(labels), *(counts[label] for label in Label)])
    return table(["images", "labels", "files", *(f"`{label}`" for label in Label)], rows)


def files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield truth, group and path of each file under ``ai`` and ``real``."""
    for path in sorted(folder.glob("*/*/**/*")):
        truth, group = path.relative_to(folder).parts[:2]
        if path.is_file() and truth in ("ai", "real"):
            yield truth, group, path


def main() -> None:
    """Read the files of the folders, classify them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--marks-only", action="store_true", help="classify nothing")
    options = parser.parse_args()
    ensemble = None if options.marks_only else Ensemble.load()
    originals = []
    for truth, group, path in (each for folder in options.folders for each in files(folder)):
        data = path.read_bytes()
        try:
            image = decode(data)
        except ImageError:
            continue
        evidence = find_evidence(data, image.alpha_text)
        labels = None
        if ensemble:
            result = ensemble.classify(image.pixels)
            labels = judge(evidence, result.label, result.probability)
        originals.append(Original(truth, group, strongest(evidence), labels))
    tables = [marks_table(originals), *([effect_table(originals)] if ensemble else [])]
    print("\n".join(tables), end="")


if __name__ == "__main__":
    main()
