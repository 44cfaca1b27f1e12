"""Webhooks: report the end of a scan to the URL that its owner named.

Messages are signed and retried according to Standard Webhooks 1.0.0
(https://www.standardwebhooks.com). `workers.storage.scans.webhooks` keeps the state of deliveries.
"""
