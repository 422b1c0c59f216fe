from inboxes import inbox

__all__ = ["inbox"]
