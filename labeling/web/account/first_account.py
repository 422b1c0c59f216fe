"""Creates the first account of an installation, in the browser.

As long as there is no account, any visitor could create the first one. Therefore the page requires a key, which is
derived from the server's secret key and printed in its terminal or log. The key is useless once an account exists.
"""

from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from labeling.models import LogKind, User
from labeling.observing import auditlog


def is_wanted() -> bool:
    return not User.objects.exists()


def key() -> str:
    """Return the key: 160 bits, the same in every process and after every start."""
    return salted_hmac("labeling.first-account", "").hexdigest()


def is_key(text: str) -> bool:
    return constant_time_compare(text, key())


def link() -> str:
    """Return the path of the page, with the key."""
    return reverse("setup", query={"key": key()})


def create(*, username: str, password: str) -> User | None:
    """Create the first account, as a superuser. Return None if another request created it in the meantime."""
    hashed = make_password(password)  # hashing is slow on purpose, so it happens before the lock
    with transaction.atomic():
        # No account exists that could be locked, so this row is locked, which every installation has.
        ContentType.objects.select_for_update(no_key=True).get(app_label="labeling", model="user")
        if not is_wanted():
            return None
        user = User.objects.create(username=username, password=hashed, is_staff=True, is_superuser=True)
        auditlog.record(LogKind.ACCOUNT_CREATED, who=user, whom=user, after={"is_superuser": True})
        return user
