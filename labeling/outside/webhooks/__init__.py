"""Webhooks: managers change them here, and workers deliver their messages.

`labeling.models.webhooks` stores the events and their deliveries.
"""
