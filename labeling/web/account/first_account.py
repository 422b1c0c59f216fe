"""The first account of an installation, made in the browser by whoever can read its terminal or log.

While there is no account at all, anybody who reaches the server could claim it. So the page wants a key that only the
server can tell: it follows from the secret key, and is of no use from the moment that an account exists.
"""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from labeling.models import User


def is_wanted() -> bool:
    return not User.objects.exists()


def key() -> str:
    """160 bits, the same in every process and after every start."""
    return salted_hmac("labeling.first-account", "").hexdigest()


def is_key(text: str) -> bool:
    return constant_time_compare(text, key())


def link() -> str:
    """The path of the page, with the key."""
    return reverse("setup", query={"key": key()})


def create(*, username: str, password: str) -> User | None:
    """The first account, with every right; None if somebody else's has come into being in the meantime."""
    hashed = make_password(password)  # slow by design: not while others wait
    with transaction.atomic():
        # There is no account to lock yet. This row is there on every installation, and nobody else locks it.
        ContentType.objects.select_for_update(no_key=True).get(app_label="labeling", model="user")
        if not is_wanted():
            return None
        return User.objects.create(username=username, password=hashed, is_staff=True, is_superuser=True)
