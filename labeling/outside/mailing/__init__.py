"""Notices by e-mail: people enter and confirm an address, and workers send the mails.

`labeling.models.notices` has the notices and the mailboxes.
"""
