"""Texts that rows hold encrypted, such as secrets of webhooks. A copy of the database alone does not reveal them."""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext


class Unreadable(Exception):
    """The text was encrypted under another `SECRET_KEY`."""


def seal(text: str) -> str:
    """Return the text encrypted under `SECRET_KEY`.

    >>> unseal(seal("a password"))
    'a password'
    """
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Return a text that `seal` encrypted, under `SECRET_KEY` or one of `SECRET_KEY_FALLBACKS`. Raises `Unreadable`."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable(
            gettext(
                "A stored secret cannot be read: SECRET_KEY has changed. Enter or make the secret again, or add the "
                "earlier key to SECRET_KEY_FALLBACKS."
            )
        ) from None


def _box() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [salted_hmac("labeling.sealed", "", secret=key, algorithm="sha256").digest() for key in keys]
    return MultiFernet([Fernet(urlsafe_b64encode(digest)) for digest in digests])
