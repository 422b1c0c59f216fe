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
from labeling import traces


def remove_counts(folder: str, pid: int) -> None:
    """Remove the counts with the process that made the folder. Those that it forks end too, and leave it."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


# This machine only: a proxy that terminates TLS belongs in front of anything that others reach.
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"

# Requests are short and wait for the database more than they compute. Two processes use two cores; many more would
# only queue for SQLite's one writer.
workers = int(os.environ.get("WEB_CONCURRENCY", min(4, max(2, os.cpu_count() or 2))))
worker_class = "config.web_worker.WebWorker"
threads = int(os.environ.get("WEB_THREADS", "8"))

# Loaded once, then forked: memory is shared, and a mistake in the settings is reported once and ends the program.
preload_app = True
# Django has no settings yet when this file is read: the application names them.
TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
# For how many seconds a client may be silent, between requests or within one.
keepalive = 20
timeout = 120
graceful_timeout = 8

# Of files that gunicorn opens itself: logs, and a socket where `--bind unix:…` asks for one.
umask = UMASK
os.umask(UMASK)

accesslog = None
loglevel = "warning"
control_socket_disable = True

# The processes count in files of one folder, so that each can tell Prometheus of all. The library looks for this name
# when it is loaded, with the application. Not where this file is only imported: no process of gunicorn's counts then.
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
    """Each process sends its own spans: a thread that sends would not survive the fork."""
    if settings.TRACES:
        traces.start("marginalia-web")


def when_ready(server: Any) -> None:
    load_pages()
    keep_what_is_loaded()
    log = logging.getLogger("config.gunicorn")
    log.info("Ready on http://%s (Ctrl-C stops it).", bind)
    if link := first_account_link():
        log.warning("There is no account yet. Make the first one in a browser, at this address:\n\n    %s\n", link)


def load_pages() -> None:
    """Load all addresses and templates before the processes fork: the first visitor of each would wait for it."""
    get_resolver().url_patterns  # noqa: B018
    reverse("home")  # compiles their patterns
    for path in TEMPLATES.rglob("*.html"):
        get_template(str(path.relative_to(TEMPLATES)))


def keep_what_is_loaded() -> None:
    """Let the processes that fork from here share what is loaded, and never look through it for garbage: that took a
    tenth of a second now and then, and a fourteenth of the time in all.
    """
    gc.collect()
    gc.freeze()


def first_account_link() -> str | None:
    """Where to make the first account, if there is none."""
    from labeling.web.account import first_account  # when this file is read, there are no tables to ask yet

    try:
        wanted = first_account.is_wanted()
    except DatabaseError:  # no tables, or no database: /healthz and the pages say so
        return None
    finally:
        connection.close()  # a connection must not be shared by the processes that are forked from here
    return address_of_site() + first_account.link() if wanted else None


def address_of_site() -> str:
    """The address under which people reach this server, as far as the settings tell."""
    if not settings.HTTPS:
        return f"http://{bind}"
    named = (host for host in settings.ALLOWED_HOSTS if host not in ("*", "localhost", *THIS_MACHINE, "[::1]"))
    return f"https://{next(named, 'YOUR-HOST').lstrip('.')}"
