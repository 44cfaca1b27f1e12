"""The plots of the report, for modern images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.verdict import Label
from training import metrics
from training.predictions import ENSEMBLE, Predictions

DPI = 80
COLOURS = {"ai": "#d1495b", "real": "#2e7f8c"}
PACK = "modern"

Tiers = Mapping[str, Predictions]
"""Predictions for each tier of a split."""


def draw(predictions: Tiers, folder: Path) -> None:
    """Draw ``roc.png``, ``confusion.png``, ``confidence.png`` and ``sources.png``."""
    modern = {tier: each.of_pack(PACK) for tier, each in predictions.items()}
    _save(_roc(modern), folder / "roc.png")
    _save(_confusion(modern), folder / "confusion.png")
    _save(_confidence(modern), folder / "confidence.png")
    _save(_sources(modern["clean"]), folder / "sources.png")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI)


def _row(columns: int, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(3.4 * columns, height), layout="constrained")
    return figure, figure.subplots(1, columns).tolist()


def _roc(predictions: Tiers) -> Figure:
    """Draw the ROC curves of the members and the ensemble."""
    figure, row = _row(len(predictions))
    for axes, (tier, each) in zip(row, predictions.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        axes.axvline(0.05, color="0.8", linewidth=1, linestyle=":")
        for name, probability in each.probabilities.items():
            false, true = metrics.roc(each.ai, probability, each.sample_weight)
            area = metrics.auc(each.ai, probability, each.sample_weight)
            style = {"color": "black", "linewidth": 2} if name == ENSEMBLE else {"linewidth": 1}
            axes.plot(false, true, label=f"{name} {area:.3f}", **style)
        axes.set(title=tier, xlabel="real called AI", ylabel="AI found")
        axes.legend(fontsize=7, title="AUC", title_fontsize=7, loc="lower right")
    return figure


def _confusion(predictions: Tiers) -> Figure:
    """Draw the confusion matrices: weighted fraction and number of images."""
    figure, row = _row(len(predictions), height=2.2)
    for axes, (tier, each) in zip(row, predictions.items(), strict=True):
        sides = (each.ai, ~each.ai)
        fractions = [
            [float(metrics.mean(each.labels[side] == n, each.sample_weight[side])) for n in Label]
            for side in sides
        ]
        words = [
            [
                f"{100 * fraction:.0f} %\n{(each.labels[side] == n).sum()}"
                for fraction, n in zip(line, Label, strict=True)
            ]
            for line, side in zip(fractions, sides, strict=True)
        ]
        sns.heatmap(
            np.array(fractions),
            annot=np.array(words),
            fmt="",
            cmap="Greys",
            vmin=0,
            vmax=1,
            cbar=False,
            xticklabels=[str(label) for label in Label],
            yticklabels=["AI", "real"],
            ax=axes,
        )
        axes.set(title=tier, xlabel="called", ylabel="is")
    return figure


def _confidence(predictions: Tiers) -> Figure:
    """Draw reliability diagrams, and accuracy against coverage."""
    figure, (reliability, selective) = _row(2)
    reliability.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    for tier, each in predictions.items():
        said, was, _ = metrics.reliability(each.ai, each.ensemble, each.sample_weight)
        (line,) = reliability.plot(said, was, marker="o", markersize=4, label=tier)
        covered, right = metrics.selective(each.ai, each.ensemble, each.sample_weight)
        selective.plot(covered, right, label=tier, color=line.get_color())
        decided = each.labels != Label.UNCERTAIN
        sides = np.where(each.ai, Label.AI, Label.REAL)
        selective.plot(
            metrics.mean(decided, each.sample_weight),
            metrics.mean((each.labels == sides)[decided], each.sample_weight[decided]),
            marker="*",
            markersize=11,
            color=line.get_color(),
        )
    reliability.set(xlabel="probability", ylabel="share AI-made")
    selective.set(title="★ the labels", xlabel="share decided", ylabel="of these right")
    selective.set_ylim(0.5, 1.01)
    reliability.legend(fontsize=8)
    return figure


def _sources(predictions: Predictions) -> Figure:
    """Draw every image's probability, one line per source, lowest mean on top."""
    means = {
        name: predictions.ensemble[predictions.source == name].mean()
        for name in set(predictions.source)
    }
    order = sorted(means, key=lambda name: (means[name], name))
    figure = Figure(figsize=(8, 1.2 + 0.17 * len(order)), layout="constrained")
    axes = figure.subplots()
    sns.stripplot(
        x=predictions.ensemble,
        y=predictions.source,
        hue=np.where(predictions.ai, "ai", "real"),
        order=order,
        palette=COLOURS,
        size=3.5,
        alpha=0.7,
        jitter=0.15,
        legend=False,
        ax=axes,
    )
    axes.tick_params(axis="y", labelsize=6)
    axes.grid(axis="y", color="0.92")
    axes.set(title="clean: each source's images", xlabel="probability", ylabel="")
    axes.set_xlim(-0.02, 1.02)
    axes.legend(
        handles=[
            Line2D([], [], marker="o", linestyle="", color=colour, label=truth)
            for truth, colour in COLOURS.items()
        ],
        title="is",
        loc="upper right",  # Where those that seem most real have no image.
        fontsize=8,
    )
    return figure
