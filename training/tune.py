"""Fine-tunes the CLIP encoder with low-rank updates: ``python -m training.tune --config FILE``.

The frozen heads come from ``training.heads``. Each head has not seen one fold of the owners. The
loss for an image uses the head that has not seen its owner, so the updates learn what generalises.
Half of the patches are dropped (Li et al., FLIP, arXiv:2212.00794), which halves the time per step.

The learning rate is constant after the warm-up, and the moving average of the weights is evaluated.
So a run has no fixed end. It can be stopped, killed and resumed with the same command. Any Keras 3
backend works. On a GPU, use ``KERAS_BACKEND=torch``.
"""

from __future__ import annotations

import argparse
import csv
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.members import clip
from models.views import WHOLE, Pixels, prepare
from training import metrics
from training.augment import augment
from training.checkpoint import Checkpoint
from training.clip_weights import fetch_file, load_clip, read_arrays
from training.datasets import packs
from training.low_rank import Heads, build, build_plain, merge
from training.metrics import Floats
from training.pairs import Pairs
from training.paths import Paths, add_arguments
from training.schedule import Schedule, averaged, loss


class Config(Schedule):
    """Configuration of a run. It is evaluated and saved after each epoch."""

    name: str = Field(description="Name of the run's folder.")
    depths: tuple[int, ...] = Field(description="Blocks that the heads use.")
    strength: float = Field(gt=0, description="Inverse regularisation strength of the heads.")
    rank: int = Field(gt=0, description="Of the updates.")
    patches: int = Field(gt=0, le=clip.PATCHES, description="Number of patches to keep.")
    warmup: int = Field(gt=0, description="Steps until the full rate.")
    hard: float = Field(ge=0, le=1, description="Fraction of hard pairs, see training.pairs.")
    held_out: str = Field(default="", description="Kinds to evaluate on: a key of kinds.HELD_OUT.")
    evaluated: int = Field(default=4, gt=0, description="Evaluated images per source and label.")
    save_minutes: float = Field(default=5.0, gt=0)


def heads_file(config: Config, paths: Paths) -> Path:
    """Return the file that ``training.heads`` writes."""
    return paths.run(config.name) / "heads.npz"


def read_heads(
    config: Config, examples: Sequence[packs.Example], paths: Paths
) -> tuple[Heads, NDArray[np.int64]]:
    """Load the heads of a run.

    Returns:
        The heads, and for each image of ``train`` the index of the head that has not seen its
        owner, or -1 for held-out images.

    Raises:
        FileNotFoundError: ``training.heads`` has not run.
        KeyError: an image is not in its file.
    """
    with np.load(heads_file(config, paths)) as kept:
        heads = Heads(config.depths, kept["weights"], kept["intercepts"])
        fold = dict(zip(kept["names"].tolist(), kept["fold"].tolist(), strict=True))
    return heads, np.array([fold[name_of(example)] for example in examples])


def name_of(example: packs.Example) -> str:
    """Return an image's name that is unique over all packs."""
    return f"{example.pack}/{example.name}"


class Evaluator:
    """Evaluates the averaged weights on ``val`` and on the held-out kinds.

    Args:
        config: of the run.
        heads: fitted to the frozen encoder.
        fold: of each image of ``train``. -1 is held out.
        paths: where the data is.
    """

    def __init__(
        self,
        config: Config,
        heads: Heads,
        fold: NDArray[np.int64],
        paths: Paths,
    ) -> None:
        self._plain = build_plain(heads)
        self._parts: dict[str, tuple[list[packs.Example], Pixels]] = {}
        parts: tuple[tuple[str, packs.Split], ...] = (("val", "val"), ("kinds", "train"))
        for name, split in parts:
            images = packs.load(split, paths.data, paths.cache)
            chosen = [
                at
                for at in packs.at_most(images.examples, config.evaluated)
                if images.examples[at].pack == "modern" and (split == "val" or fold[at] == -1)
            ]
            if chosen:
                prepared = (prepare(images.pixels(at)) for at in chosen)
                views = np.concatenate([WHOLE.serve(image) for image in prepared])
                self._parts[name] = [images.examples[at] for at in chosen], views

    def __call__(self, tuned: keras.Model) -> dict[str, float]:
        """Return AUC and TPR at 95 % TNR of each part."""
        merge(tuned, self._plain)
        found = {}
        for name, (examples, views) in self._parts.items():
            answers = self._plain.predict(views, batch_size=16, verbose=0)
            logits: Floats = answers.mean(axis=1).astype(np.float64)
            ai = np.array([example.ai for example in examples])
            sample_weight = packs.weights(examples)
            found[f"{name}_auc"] = float(metrics.auc(ai, logits, sample_weight))
            found[f"{name}_tpr"] = float(metrics.tpr_at_tnr(ai, logits, sample_weight))
        return found


def batch(
    pairs: Pairs,
    images: packs.Images,
    fold: NDArray[np.int64],
    heads: int,
    config: Config,
    step: int,
) -> tuple[list[NDArray[np.generic]], NDArray[np.float32]]:
    """Make the inputs and targets of a step. They depend only on seed and step."""
    rng = np.random.default_rng([config.seed, step])
    chosen = pairs.draw(config.batch // 2, config.hard, rng)
    augmented = (augment(images.pixels(at), rng) for at in chosen)
    views = np.stack([WHOLE.sample(prepare(pixels), rng) for pixels in augmented])
    kept = np.stack([rng.permutation(clip.PATCHES)[: config.patches] + 1 for _ in chosen])
    head = np.eye(heads, dtype=np.float32)[fold[chosen]]
    targets = np.array([[images.examples[at].ai] for at in chosen], np.float32)
    return [views, kept.astype(np.int32), head], targets


def tune(config: Config, paths: Paths) -> None:
    """Train, or resume. Writes checkpoints, and the evaluations to ``log.csv``."""
    run = paths.run(config.name)
    images = packs.load("train", paths.data, paths.cache)
    heads, fold = read_heads(config, images.examples, paths)
    keras.utils.set_random_seed(config.seed)
    model = build(heads, config.rank, config.patches)
    load_clip(model, read_arrays(fetch_file(paths.run("clip"))))
    model.compile(optimizer(config), loss(config), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(run, model)
    start = checkpoint.restore()
    evaluate = Evaluator(config, heads, fold, paths)
    pairs = Pairs(images.examples, np.flatnonzero(fold >= 0))
    if start == 0:
        _log(run, {"step": 0, "views_per_second": 0.0, "loss": 0.0, **evaluate(model)})
    saved, losses, since = time.monotonic(), [], time.monotonic()
    for step in range(start, config.epochs * config.steps_per_epoch):
        losses.append(model.train_on_batch(*batch(pairs, images, fold, len(heads), config, step)))
        if time.monotonic() - saved > config.save_minutes * 60:
            checkpoint.save(step + 1)
            saved = time.monotonic()
        if (step + 1) % config.steps_per_epoch == 0:
            seconds = time.monotonic() - since
            with averaged(model):
                found = evaluate(model)
            pace = len(losses) * config.batch / seconds
            facts = {"step": step + 1, "views_per_second": pace, "loss": float(np.mean(losses))}
            _log(run, facts | found)
            checkpoint.save(step + 1)
            losses, since = [], time.monotonic()


def optimizer(config: Config) -> keras.optimizers.Optimizer:
    """Return AdamW with warm-up to a constant rate, and a moving average of the weights."""
    rate = keras.optimizers.schedules.CosineDecay(
        config.peak_rate / 20,
        decay_steps=1,
        alpha=1.0,
        warmup_target=config.peak_rate,
        warmup_steps=config.warmup,
    )
    return keras.optimizers.AdamW(
        rate,
        weight_decay=config.weight_decay,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=config.ema_momentum,
    )


def _log(run: Path, facts: dict[str, float]) -> None:
    file = run / "log.csv"
    new = not file.exists()
    with file.open("a", newline="") as out:
        writer = csv.DictWriter(out, facts)
        if new:
            writer.writeheader()
        writer.writerow(facts)
    print(" ".join(f"{name} {value:.4g}" for name, value in facts.items()), flush=True)


def read_config(path: Path) -> Config:
    """Read one configuration file."""
    return Config.model_validate(tomllib.loads(path.read_text()))


def main() -> None:
    """Parse the command line and tune."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    add_arguments(parser)
    arguments = parser.parse_args()
    keras.config.set_dtype_policy("mixed_bfloat16")
    tune(read_config(arguments.config), Paths.of(arguments))


if __name__ == "__main__":
    main()
