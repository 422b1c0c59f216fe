"""Authentication for the API: by token, or by the session of a browser."""

import binascii
import datetime
from contextlib import suppress
from typing import Any

from django.db import OperationalError
from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from labeling.intake import uploads
from labeling.models import TokenUse, User
from labeling.storage.db.statements import Columns, rows, stored

NOTED_EVERY = datetime.timedelta(minutes=5)
TOKEN = Columns(AuthToken, "k")
USER = Columns(User, "u")


class Token(TokenAuthentication):
    """Looks up a token with its user in one query, by the digest in the database.

    A token that is withdrawn, and a user who is made inactive, are refused from then on: nothing is remembered.
    """

    def authenticate(self, request: Request) -> tuple[User, AuthToken] | None:
        """Note the use of the token, at most every few minutes: programs send many requests."""
        found: tuple[User, AuthToken] | None = super().authenticate(request)
        if found and not found[1].is_noted:
            values = {"at": timezone.now(), "client": request.META.get("REMOTE_ADDR", "")[:45]}
            agent = request.META.get("HTTP_USER_AGENT", "")[:200]
            with suppress(OperationalError):  # a disk that is full refuses no read
                TokenUse.objects.update_or_create(token=found[1], defaults={**values, "agent": agent})
        return found

    def authenticate_credentials(self, token: bytes) -> tuple[User, AuthToken]:
        try:
            digest = hash_token(token.decode())
        except (UnicodeDecodeError, TypeError, binascii.Error):
            raise AuthenticationFailed("Invalid token.") from None
        now = timezone.now()
        token_rows = rows(
            f"SELECT {TOKEN.sql}, {USER.sql}, t.at > %s FROM knox_authtoken k JOIN labeling_user u ON u.id = k.user_id "
            "LEFT JOIN labeling_tokenuse t ON t.token_id = k.digest "
            "WHERE k.digest = %s AND (k.expiry IS NULL OR k.expiry > %s)",
            [stored(TokenUse, "at", now - NOTED_EVERY), digest, stored(AuthToken, "expiry", now)],
        )
        if not token_rows:
            raise AuthenticationFailed("Invalid token.")
        *values, is_noted = token_rows[0]
        auth_token = TOKEN.read(values[: len(TOKEN)])
        auth_token.user = USER.read(values[len(TOKEN) :])
        auth_token.is_noted = bool(is_noted)
        user: Any
        user, auth_token = self.validate_user(auth_token)
        return user, auth_token


class SessionByHeader(SessionAuthentication):
    """Reads the CSRF token from the header alone; looking for it in a form would first read the whole body."""

    def enforce_csrf(self, request: Request) -> None:
        super().enforce_csrf(uploads.without_body(request._request))  # type: ignore[arg-type]
