"""What can go wrong with a dataset as a whole; a single bad image is a finding, not an error."""

from __future__ import annotations


class DatasetError(Exception):
    """A dataset cannot be read or fetched; the message is one sentence for people."""


class FetchError(DatasetError):
    """Kaggle gave no dataset: no handle, no access, no network, or no such dataset."""


class LayoutError(DatasetError):
    """A folder or a CSV is not laid out as one that can be read."""
