"""Authentication for the API: by token, or by the session of a browser."""

from __future__ import annotations

import binascii
from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from labeling.db.statements import Columns, rows, stored
from labeling.intake import uploads
from labeling.models import User

TOKEN = Columns(AuthToken, "k")
USER = Columns(User, "u")


class Token(TokenAuthentication):
    """Looks up a token with its user in one query, by the digest in the database.

    A token that is withdrawn, and a user who is made inactive, are refused from then on: nothing is remembered.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[User, AuthToken]:
        try:
            digest = hash_token(token.decode())
        except (UnicodeDecodeError, TypeError, binascii.Error):
            raise AuthenticationFailed("Invalid token.") from None
        token_rows = rows(
            f"SELECT {TOKEN.sql}, {USER.sql} FROM knox_authtoken k JOIN labeling_user u ON u.id = k.user_id "
            "WHERE k.digest = %s AND (k.expiry IS NULL OR k.expiry > %s)",
            [digest, stored(AuthToken, "expiry", timezone.now())],
        )
        if not token_rows:
            raise AuthenticationFailed("Invalid token.")
        auth_token = TOKEN.read(token_rows[0][: len(TOKEN)])
        auth_token.user = USER.read(token_rows[0][len(TOKEN) :])
        user: Any
        user, auth_token = self.validate_user(auth_token)
        return user, auth_token


class SessionByHeader(SessionAuthentication):
    """Reads the CSRF token from the header alone; looking for it in a form would first read the whole body."""

    def enforce_csrf(self, request: Request) -> None:
        super().enforce_csrf(uploads.without_body(request._request))  # type: ignore[arg-type]
