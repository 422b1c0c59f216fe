"""How static files are named and served."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Names carry a hash of the content, also where one JavaScript module imports another.

    Without the latter, a browser could put modules of two versions together after an upgrade.
    """

    support_js_module_import_aggregation = True
