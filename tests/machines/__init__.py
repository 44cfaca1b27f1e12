"""Assay on more than one machine: other brokers, Sentinels, a cluster, a network that is cut."""
