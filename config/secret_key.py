"""The secret key of an installation: made on its first start, kept beside its data, never in the repository."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# Shorter than any that was ever made here.
MIN_LENGTH = 32


def read_or_create_secret_key(path: Path) -> str:
    """Return the key stored at `path`; create it, readable by its owner alone, if there is none.

    Web and worker may start at the same moment: the file appears under its name whole or not at all, and the one who
    comes second takes the first one's key. Raises `ImproperlyConfigured` for a file that holds none: after a power cut.
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
