"""A passkey of a virtual authenticator signs a person in, and only that person."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from factories import make_user
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


def give_password(page: Page, name: str) -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("button", name="Sign in").click()


def add_passkey(page: Page, name: str) -> None:
    page.goto("/account/second-factor/passkeys/add/")
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def test_a_passkey_is_added_used_and_is_its_owners_alone(open_page: Any, live_server: Any) -> None:
    make_user("mona")
    make_user("eve")
    # Browsers offer passkeys on names with HTTPS, and on localhost.
    page: Page = open_page(None, base_url=f"http://localhost:{urlsplit(live_server.url).port}")
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    mine = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})["authenticatorId"]

    give_password(page, "mona")
    add_passkey(page, "mona")
    page.get_by_role("button", name="Sign out").click()
    give_password(page, "mona")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert Authenticator.objects.get(type="webauthn").last_used_at
    page.get_by_role("button", name="Sign out").click()

    # Another account's passkey, under the same key of the browser, does not sign mona in.
    give_password(page, "eve")
    add_passkey(page, "eve")
    page.get_by_role("button", name="Sign out").click()
    rows = {each.user.username: each for each in Authenticator.objects.filter(type="webauthn")}
    for each in cdp.send("WebAuthn.getCredentials", {"authenticatorId": mine})["credentials"]:
        if each["credentialId"].rstrip("=") == _standard(rows["mona"].data["credential"]["id"]).rstrip("="):
            cdp.send("WebAuthn.removeCredential", {"authenticatorId": mine, "credentialId": each["credentialId"]})
    give_password(page, "mona")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The browser did not return a passkey")).to_be_visible()
    page.goto("/account/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def _standard(text: str) -> str:
    return text.replace("-", "+").replace("_", "/")
