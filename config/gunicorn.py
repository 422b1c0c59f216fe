"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi:application`.

Options on gunicorn's command line override these. The variables are listed in docs/reference/settings.md.
"""

import atexit
import gc
import logging
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.template.loader import get_template
from django.urls import get_resolver, reverse

from config.private import UMASK
from config.security import THIS_MACHINE
from config.serve import tell_ready
from labeling.observing import traces


def remove_counts(folder: str, pid: int) -> None:
    """Remove the folder of metrics at the end of the process `pid`, which made it, and not at the end of its forks."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


# This machine only: for other machines, put a proxy that terminates TLS in front.
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"

# Requests are short and wait for the database more than they compute. Two processes use two cores; many more would
# only queue for SQLite's one writer.
workers = int(os.environ.get("WEB_CONCURRENCY", min(4, max(2, os.cpu_count() or 2))))
worker_class = "config.web_worker.WebWorker"
threads = int(os.environ.get("WEB_THREADS", "8"))

# Load the application before the fork: processes share memory, and a mistake in the settings ends the program at once.
preload_app = True
# Not from Django's settings, which are not loaded yet when gunicorn reads this file.
TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
# Seconds that a client may be silent, between requests or within a request.
keepalive = 20
timeout = 120
graceful_timeout = 8

# No header says at which path the application lies: any client of a proxy that passes underscores could send it.
forwarder_headers = ""

# For files that gunicorn opens itself: logs, and a socket of `--bind unix:…`.
umask = UMASK
os.umask(UMASK)

accesslog = None
loglevel = "warning"
control_socket_disable = True

# The processes write their metrics to files in one folder, so that any process can report all of them to Prometheus.
# prometheus_client reads this variable when the application imports it. Not set where other code imports this file.
if __name__ == "__config__" and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="marginalia-metrics-")
    atexit.register(partial(remove_counts, os.environ["PROMETHEUS_MULTIPROC_DIR"], os.getpid()))


def on_starting(server: Any) -> None:
    if settings.TRACES:
        try:
            traces.load()
        except traces.Missing as error:
            sys.exit(str(error))


def post_fork(server: Any, worker: Any) -> None:
    """Start tracing in each process: the thread that sends spans would not survive the fork."""
    if settings.TRACES:
        traces.start("marginalia-web")


def when_ready(server: Any) -> None:
    load_pages()
    keep_what_is_loaded()
    log = logging.getLogger("config.gunicorn")
    log.info("Ready on http://%s (Ctrl-C stops it).", bind)
    if link := first_account_link():
        log.warning("There is no account yet. Make the first one in a browser, at this address:\n\n    %s\n", link)
    tell_ready()


def load_pages() -> None:
    """Load all URL patterns and templates before the fork, so that no first visitor of a page waits for them."""
    get_resolver().url_patterns  # noqa: B018
    reverse("home")  # compiles the URL patterns
    for path in TEMPLATES.rglob("*.html"):
        get_template(str(path.relative_to(TEMPLATES)))


def keep_what_is_loaded() -> None:
    """Freeze the loaded objects, so that the forked processes share them and never collect garbage among them.

    Those collections took a tenth of a second now and then, and a fourteenth of the time in all.
    """
    gc.collect()
    gc.freeze()


def first_account_link() -> str | None:
    """Return the address of the form for the first account; None if an account exists."""
    from labeling.web.account import first_account  # Django's apps are not loaded yet when gunicorn reads this file

    try:
        wanted = first_account.is_wanted()
    except DatabaseError:  # no tables, or no database: /healthz and the pages report it
        return None
    finally:
        connection.close()  # forked processes must not share a connection
    return address_of_site() + first_account.link() if wanted else None


def address_of_site() -> str:
    """Return the address of this server by the settings, with YOUR-HOST if they name no public host."""
    if not settings.HTTPS:
        return f"http://{bind}"
    named = (host for host in settings.ALLOWED_HOSTS if host not in ("*", "localhost", *THIS_MACHINE, "[::1]"))
    return f"https://{next(named, 'YOUR-HOST').lstrip('.')}"
