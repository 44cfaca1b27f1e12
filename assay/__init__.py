"""The public Python package of Assay."""
