"""Keep the files of an installation unreadable for other users of the machine."""

import os
import stat
import sys
from pathlib import Path

# For all files that a process writes. Front-end files are readable for all users: config/static_files.py.
UMASK = 0o077


def close_to_others(path: Path) -> None:
    """Remove the permissions of group and others from a file or folder, if it exists.

    Writes one line to standard error if that is not possible, for example because another user owns it.
    """
    try:
        state = path.stat()
    except OSError:  # the code that needs the file reports the error
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
