"""Errors of a whole dataset. A single bad image is a finding, not an error."""

from __future__ import annotations


class DatasetError(Exception):
    """A dataset cannot be read or fetched. The message is a sentence for the user."""


class FetchError(DatasetError):
    """A download from Kaggle failed: no handle, no access, no network or no such dataset."""


class LayoutError(DatasetError):
    """A folder or a CSV does not have the expected layout."""
