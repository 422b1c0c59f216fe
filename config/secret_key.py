"""The secret key of an installation: the first start creates it beside the data, never in the repository."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# Every release has created longer keys.
MIN_LENGTH = 32


def read_or_create_secret_key(path: Path) -> str:
    """Return the key stored at `path`; if the file is missing, create a key that only its owner can read.

    Web and worker may start at the same time: the file is created atomically, and the second process reads the key of
    the first. Raises `ImproperlyConfigured` if the file has no key, as after a power cut.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_text().strip()
    if len(key) < MIN_LENGTH:
        raise ImproperlyConfigured(f"{path} holds no secret key: delete it, and the next start makes one.")
    return key
