"""The error of backups and of restores."""


class BackupRefused(Exception):
    """A backup cannot be made or restored; the message says why in one line."""
