"""Fetches a dataset of the registry from Kaggle, for who has access to it."""

from __future__ import annotations

from pathlib import Path

from training.datasets.errors import FetchError
from training.datasets.registry import Dataset


def fetch(dataset: Dataset, folder: Path, handle: str | None = None) -> Path:
    """Download a dataset with kagglehub, which skips what is there already.

    Args:
        dataset: which.
        folder: where its files go; kagglehub refuses one that holds other files.
        handle: owner/slug on Kaggle, in place of the registry's.

    Returns:
        The folder that holds the files.

    Raises:
        FetchError: no handle is known, or Kaggle could not be reached, refused, or has no such
            dataset.
    """
    handle = handle or dataset.handle
    if handle is None:
        raise FetchError(
            f"The Kaggle handle of {dataset.name} is not confirmed: look up “{dataset.title}” on"
            f" Kaggle and give it with --handle owner/slug."
        )
    import kagglehub  # Takes half a second and is needed here only.

    try:
        return Path(kagglehub.dataset_download(handle, output_dir=str(folder)))
    except Exception as error:  # Its own errors, requests', zipfile's: it documents none of them.
        reason = " ".join(str(error).split())
        raise FetchError(
            f"Kaggle did not give {handle} ({type(error).__name__}: {reason})."
            " It needs the network, and for some sets an account: set KAGGLE_API_TOKEN,"
            f" and accept the terms on https://www.kaggle.com/datasets/{handle}."
        ) from error
