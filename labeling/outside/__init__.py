"""All that talks to other hosts: sources of items and their files, webhooks and mail, over one checked transport.

Every request to an address that a member entered leaves by `outbound`. Requests that come in are in `api` and `web`.
"""
