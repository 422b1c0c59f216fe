"""What an installation keeps is for its owner alone: other users of the machine have no business in it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

# Of all that a process writes from now on. Front-end files are for everybody: config/static_files.py.
UMASK = 0o077


def close_to_others(path: Path) -> None:
    """Take the rights of everybody but the owner away from a folder or file, if it is there and ours.

    Writes one line to standard error where that cannot be done.
    """
    try:
        state = path.stat()
    except OSError:  # whoever needs it says so
        return
    if not state.st_mode & UMASK:
        return
    if state.st_uid != os.geteuid():
        problem = f"it belongs to another user, number {state.st_uid}"
    elif state.st_mode & stat.S_ISVTX:
        problem = "it is a folder that everybody shares, like /tmp"
    else:
        try:
            path.chmod(stat.S_IMODE(state.st_mode) & ~UMASK)
            return
        except OSError as error:
            problem = error.strerror or str(error)
    sys.stderr.write(
        f"{path} is open to other users of this machine: {problem}. Its owner can close it: chmod go= {path}\n"
    )
