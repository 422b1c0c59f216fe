"""The handler that sends entries of the audit log to syslog."""

from typing import Any


def handler(address: str) -> dict[str, Any]:
    """Return the configuration of a handler for HOST:PORT, by UDP, or for the path of a socket."""
    host, _, port = address.rpartition(":")
    place = address if address.startswith("/") else (host.strip("[]"), int(port))
    return {"class": "logging.handlers.SysLogHandler", "address": place, "facility": "authpriv", "formatter": "line"}
