"""The public datasets that the original project was trained on.

The original (a CNN and two EfficientNets, 2024) lists them with their handles in its README. Label,
folders and licence come from that README and from public projects that use the datasets. They are
not part of this project, and no shipped weights were trained on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.image import MIN_SIDE

LabelOfSet = Literal["ai", "real", "both"]

_NOT_STATED = "unknown, see the Kaggle page before use"


@dataclass(frozen=True)
class Dataset:
    """A public dataset.

    Args:
        name: its name here.
        title: its own title.
        handle: owner/slug on Kaggle. None if not confirmed.
        label: ``ai`` or ``real`` if all images have it, ``both`` if folders give it, None if
            unknown.
        corpus: ``photo`` or ``art``.
        licence: its licence, as far as known.
        layout: its folders.
        generator: of the AI images. Empty if there are none or it is not stated.
        folders_are_sources: whether each folder is a source. If not, the dataset is one source.
        min_side: smallest side of an image in pixels.
    """

    name: str
    title: str
    handle: str | None
    label: LabelOfSet | None
    corpus: Literal["photo", "art"]
    licence: str
    layout: str
    generator: str = ""
    folders_are_sources: bool = False
    min_side: int = MIN_SIDE


_ROWS = (
    Dataset(
        name="cifake",
        title="CIFAKE: Real and AI-Generated Synthetic Images",
        handle="birdy654/cifake-real-and-ai-generated-synthetic-images",
        label="both",
        corpus="photo",
        licence="MIT (its page), as CIFAR-10; cite arXiv:2303.14126 and Krizhevsky & Hinton 2009",
        layout="train|test/REAL|FAKE/*.jpg, 120,000 of 32 × 32",
        generator="Stable Diffusion 1.4",
        min_side=32,
    ),
    Dataset(
        name="ten-artists",
        title="Paintings from 10 different popular artists",
        handle="binukandagedon/paintings-from-10-different-popular-artists",
        label="real",
        corpus="art",
        licence="not stated on its page, according to a project that uses it",
        layout="one folder per artist, 605 paintings",
        folders_are_sources=True,
    ),
    Dataset(
        name="art-styles",
        title="ArtStyles-Dataset",
        handle="norasami/artstylesdataset",
        label=None,
        corpus="art",
        licence=_NOT_STATED,
        layout="three styles (anime, comic, semi-realism), 360 images",
    ),
    Dataset(
        name="dalle-march-2023",
        title="DALLE Art March, 2023",
        handle="nikbearbrown/dalle-art-march-2023",
        label="ai",
        corpus="art",
        licence=_NOT_STATED,
        layout="about 660 files",
        generator="DALL·E by its title, Midjourney by its description",
    ),
    Dataset(
        name="detecting-ai-artwork",
        title="Detecting AI-generated Artwork",
        handle="birdy654/detecting-ai-generated-artwork",
        label="both",
        corpus="art",
        licence=_NOT_STATED,
        layout="1,705 real and 1,705 fake, in folders whose names are not confirmed: REAL|FAKE",
        generator="latent diffusion",
    ),
    Dataset(
        name="midjourney-prompts",
        title="Midjourney Images & Prompt",
        handle="cyanex1702/midjourney-imagesprompt",
        label="ai",
        corpus="art",
        licence=_NOT_STATED,
        layout="images of many kinds and a table of prompts, about 2,155 files",
        generator="Midjourney",
    ),
    Dataset(
        name="bear-dalle-robots",
        title="BEAR x DALLE - Robot Illustrations",
        handle="nikbearbrown/bear-x-dalle-robot-illustrations",
        label="ai",
        corpus="art",
        licence=_NOT_STATED,
        layout="robots in the styles of artists and genres",
        generator="DALL·E",
    ),
    Dataset(
        name="abstract-art",
        title="Generated Abstract Art Gallery",
        handle="bryanb/generated-abstract-dataset-diffusion",
        label="ai",
        corpus="art",
        licence=_NOT_STATED,
        layout="images of 512 × 512",
        generator="diffusion, not named",
    ),
    Dataset(
        name="anime-chibi",
        title="Anime Chibi Datasets",
        handle="hirunkulphimsiri/anime-chibi-datasets",
        label="real",
        corpus="art",
        licence="collected from safebooru.org; the rights stay with each artist",
        layout="characters on white",
    ),
    Dataset(
        name="cartoon-cats-dogs",
        title="Cats and Dogs Cartoons",
        handle="maroquio/cats-and-dogs-cartoons",
        label="ai",
        corpus="art",
        licence=_NOT_STATED,
        layout="200 cats and 200 dogs of 1,024 × 1,024",
        generator="Midjourney",
    ),
    Dataset(
        name="indian-paintings",
        title="Indian Paintings Dataset",
        handle="ajg117/indian-paintings-dataset",
        label="real",
        corpus="art",
        licence=_NOT_STATED,
        layout="one folder per school of painting (eight), 2,249 images",
        folders_are_sources=True,
    ),
)

DATASETS = {row.name: row for row in _ROWS}
"""The datasets by name."""
