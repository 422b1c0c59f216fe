"""How static files are named and served."""

import os
from collections.abc import Iterator
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Names carry a hash of the content, also where one JavaScript module imports another.

    Without the latter, a browser could put modules of two versions together after an upgrade.
    """

    support_js_module_import_aggregation = True

    def post_process(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Compressed files too can be read by whoever serves them: they hold nothing of anybody's."""
        before = os.umask(0o022)
        try:
            yield from super().post_process(*args, **options)
        finally:
            os.umask(before)
