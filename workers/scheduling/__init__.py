"""Queues, leases and the tasks that move scans on."""
