"""The public datasets that the original project was trained on, one row each.

The original (a CNN and two EfficientNets, 2024) lists them in its README, and the handles are taken
from there. What a row says of label, folders and licence comes from that README and from public
projects that use the sets; where neither says it, the row says that it is not known. Nothing of
them is part of this project, and none of its shipped weights has seen them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.image import MIN_SIDE

LabelOfSet = Literal["ai", "real", "both"]

_NOT_STATED = "not known here; read the Kaggle page before use"


@dataclass(frozen=True)
class Dataset:
    """What is known of one public dataset before it is fetched.

    Args:
        name: what it is called here.
        title: its own title.
        handle: owner/slug on Kaggle; None where it could not be confirmed.
        label: ``ai`` or ``real`` when all images are the same, ``both`` when folders tell, None
            where nobody says it and whoever reads it has to.
        corpus: ``photo`` or ``art``.
        licence: what is known of it.
        layout: the folders to expect.
        generator: what made the AI images; empty when there are none, or it is not stated.
        folders_are_sources: whether images in different folders come from different hands or
            places; if not, the whole set is one source.
        min_side: pixels of the smallest side that still counts as an image of this set.
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
        licence="MIT, as CIFAR-10 by its page; cite arXiv:2303.14126 and Krizhevsky & Hinton 2009",
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
        licence="none stated on its page, as a project that uses it reports",
        layout="one folder an artist, 605 paintings",
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
        layout="one folder a school of painting (eight), 2,249 images",
        folders_are_sources=True,
    ),
)

DATASETS = {row.name: row for row in _ROWS}
"""Every dataset by its name here."""
