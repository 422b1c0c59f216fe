"""The settings of the test suite: the production settings, with data in a temporary folder and fast password hashes."""

import os
import tempfile
from pathlib import Path

_data_dir = tempfile.TemporaryDirectory(prefix="marginalia-test-")
os.environ["DATA_DIR"] = _data_dir.name
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ["DATABASE_REPLICA_URL"] = ""  # tests/operations/test_read_replica.py starts its own replica

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, STORAGES  # noqa: E402

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

if DATABASES["default"]["ENGINE"] == "config.sqlite":
    # The database is temporary: it need not survive a power cut.
    DATABASES["default"]["OPTIONS"] |= {"flush": False}
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF"
    # A file, not memory: many threads and processes write to it, as in production.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(_data_dir.name) / "test.sqlite3")}
