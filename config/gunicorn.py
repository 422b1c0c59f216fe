"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi:application`.

Options on gunicorn's command line override these. The variables are listed in docs/reference/settings.md.
"""

import logging
import os
from typing import Any

from django.urls import get_resolver

# This machine only: a proxy that terminates TLS belongs in front of anything that others reach.
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"

# Requests are short and wait for the database more than they compute. Two processes use two cores; many more would
# only queue for SQLite's one writer.
workers = int(os.environ.get("WEB_CONCURRENCY", min(4, max(2, os.cpu_count() or 2))))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))

# Loaded once, then forked: memory is shared, and a mistake in the settings is reported once and ends the program.
preload_app = True
keepalive = 30
timeout = 120
graceful_timeout = 8

accesslog = None
loglevel = "warning"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Load all addresses before the processes fork: the first visitor of each would wait for it."""
    get_resolver().url_patterns  # noqa: B018
    logging.getLogger("config.gunicorn").info("Ready on http://%s (Ctrl-C stops it).", bind)
