"""Downloads a dataset of the registry from Kaggle."""

from __future__ import annotations

from pathlib import Path

from training.datasets.dataset_errors import FetchError
from training.datasets.registry import Dataset


def fetch(dataset: Dataset, folder: Path, handle: str | None = None) -> Path:
    """Download a dataset with kagglehub. Existing files are skipped.

    Args:
        dataset: the dataset.
        folder: for its files. kagglehub rejects a folder with other files.
        handle: owner/slug on Kaggle, instead of the registry's.

    Returns:
        The folder with the files.

    Raises:
        FetchError: the handle is unknown, or the download failed.
    """
    handle = handle or dataset.handle
    if handle is None:
        raise FetchError(
            f"The Kaggle handle of {dataset.name} is not confirmed. Look up “{dataset.title}” on"
            f" Kaggle and give --handle owner/slug."
        )
    import kagglehub  # The import takes half a second.

    try:
        return Path(kagglehub.dataset_download(handle, output_dir=str(folder)))
    except Exception as error:  # kagglehub documents none of its many error types
        reason = " ".join(str(error).split())
        raise FetchError(
            f"The download of {handle} from Kaggle failed ({type(error).__name__}: {reason})."
            " It needs the network, and for some datasets an account: set KAGGLE_API_TOKEN, and"
            f" accept the terms on https://www.kaggle.com/datasets/{handle}."
        ) from error
