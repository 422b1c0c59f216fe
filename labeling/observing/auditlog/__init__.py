"""The audit log: who did what, from where, in chains of hashes that show a removed or changed entry."""

from labeling.observing.auditlog.sealing import newest_of_server, seal_project
from labeling.observing.auditlog.writing import acting, chain_name, in_its_own_right, part_of_one, record

__all__ = ["acting", "chain_name", "in_its_own_right", "newest_of_server", "part_of_one", "record", "seal_project"]
