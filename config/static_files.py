"""Name, compress and collect the static files."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Put a hash of the content into the names of files, also in the imports of JavaScript modules.

    Otherwise a browser could combine modules of two versions after an upgrade.
    """

    support_js_module_import_aggregation = True

    def post_process(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Write the compressed files readable for all users, too: a web server may run as another user."""
        before = os.umask(0o022)
        try:
            yield from super().post_process(*args, **options)
        finally:
            os.umask(before)


def collect() -> None:
    """Collect the front-end files in `STATIC_ROOT`, if a file is newer than the last collection."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    sources = (Path(storage.path(name)) for finder in get_finders() for name, storage in finder.list([]))
    if not stamp.exists() or any(path.stat().st_mtime > stamp.stat().st_mtime for path in sources):
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.touch()
