"""The audit log: who did what, from where, in chains of hashes that show a removed or changed entry."""

from labeling.auditlog.writing import acting, chain_name, part_of_one, record

__all__ = ["acting", "chain_name", "part_of_one", "record"]
