"""Attacks on passkeys: answers of an authenticator in software, which a browser would never send."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from factories import make_user
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData
from pages import signed_in, text_of

from labeling.models import LogEntry, User
from tests.extent import some

pytestmark = pytest.mark.django_db

ADD = "/account/second-factor/passkeys/add/"
CODE = "/login/second-factor/"
ORIGIN = "http://localhost"
UP, UV = AuthenticatorData.FLAG.UP, AuthenticatorData.FLAG.UV


@dataclass
class Passkey:
    """An authenticator with one key, and the browser that asks it."""

    id: bytes = b"a passkey"
    counter: int = 1
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def created(
        self, challenge: bytes, *, origin: str = ORIGIN, host: str = "localhost", **more: Any
    ) -> dict[str, Any]:
        client = CollectedClientData.create("webauthn.create", challenge, origin, **more)
        public = ES256.from_cryptography_key(self.key.public_key())
        data = AttestedCredentialData.create(b"\0" * 16, self.id, public)
        flags = UP | UV | AuthenticatorData.FLAG.AT
        sealed = AuthenticatorData.create(sha256(host.encode()), flags, self.counter, data)
        return self._answer(client, attestationObject=AttestationObject.create("none", sealed, {}))

    def used(
        self, challenge: bytes, *, origin: str = ORIGIN, host: str = "localhost", flags: Any = UP | UV, **more: Any
    ) -> dict[str, Any]:
        client = CollectedClientData.create(more.pop("type", "webauthn.get"), challenge, origin, **more)
        self.counter += 1
        data = AuthenticatorData.create(sha256(host.encode()), flags, self.counter)
        signature = self.key.sign(data + client.hash, ec.ECDSA(SHA256()))
        return self._answer(client, authenticatorData=data, signature=signature, userHandle=b"1")

    def _answer(self, client: bytes, **response: bytes) -> dict[str, Any]:
        name, values = websafe_encode(self.id), {"clientDataJSON": client, **response}
        texts = {key: websafe_encode(value) for key, value in values.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": texts, "clientExtensionResults": {}}


def challenge(client: Client, path: str) -> bytes:
    options = client.get(path).context["js_data"]
    return websafe_decode(next(iter(options.values()))["publicKey"]["challenge"])


def browser(user: User) -> Client:
    """Return a browser that asks for `localhost`, in which the user has just entered the password again."""
    client = signed_in(user)
    client.defaults["HTTP_HOST"] = "localhost"
    client.post("/account/confirm/?next=/account/", {"password": f"{user.username}-password"})
    return client


def posted(client: Client, path: str, credential: Any) -> Any:
    return client.post(path, {"credential": json.dumps(credential), "name": "Key"})


def added(user: User) -> Passkey:
    passkey, client = Passkey(), browser(user)
    assert posted(client, ADD, passkey.created(challenge(client, ADD))).status_code == 302
    return passkey


def password_given(name: str) -> tuple[Client, bytes]:
    client = Client(HTTP_HOST="localhost")
    client.post("/login/", {"username": name, "password": f"{name}-password"})
    return client, challenge(client, CODE)


def is_refused(client: Client, credential: Any) -> bool:
    page = posted(client, CODE, credential)
    return page.status_code == 200 and client.get("/account/").status_code == 302


@pytest.fixture
def mona() -> User:
    return make_user("mona")


def test_a_passkey_signs_in_once_also_without_a_pin(mona: User) -> None:
    passkey = added(mona)
    client, asked = password_given("mona")
    answer = passkey.used(asked)
    assert posted(client, CODE, answer).status_code == 302
    assert client.get("/account/").status_code == 200
    other, _ = password_given("mona")
    assert is_refused(other, answer), "the challenge is another one"
    client.post("/logout/")
    client.post("/login/", {"username": "mona", "password": "mona-password"})
    client.get(CODE)
    assert is_refused(client, answer)
    assert LogEntry.objects.filter(kind="account.sign_in_failed", whom=mona.pk).count() == 2
    # The password and the thing are two factors; a key without a PIN is one.
    client, asked = password_given("mona")
    assert posted(client, CODE, passkey.used(asked, flags=UP)).status_code == 302


def test_an_answer_for_elsewhere_is_refused(mona: User, settings: Any) -> None:
    settings.LOGIN_ATTEMPTS = 100
    passkey = added(mona)
    for forged in (
        *({"origin": origin} for origin in ("https://evil.example", "https://evil.localhost", "https://localhost")),
        *({"origin": "http://localhost:8443"}, {"origin": "null"}, {"origin": None}, {"cross_origin": True}),
        *({"host": "evil.example"}, {"type": "webauthn.create"}, {"flags": UV}, {"flags": 0}),
    ):
        client, asked = password_given("mona")
        assert is_refused(client, passkey.used(asked, **forged)), forged
    client, asked = password_given("mona")
    assert posted(client, CODE, passkey.used(asked)).status_code == 302


def test_answers_of_copies_and_of_other_passkeys_are_refused(mona: User) -> None:
    passkey = added(mona)
    theirs = added(make_user("eve"))
    client, asked = password_given("mona")
    assert is_refused(client, theirs.used(asked))
    assert is_refused(client, Passkey().used(asked)), "the same name, another key"
    copy = Passkey(key=passkey.key)
    for _ in range(2):
        client, asked = password_given("mona")
        assert posted(client, CODE, passkey.used(asked)).status_code == 302
    client, asked = password_given("mona")
    assert is_refused(client, copy.used(asked)), "it stands where the passkey stood before"
    copy.counter = -1
    client, asked = password_given("mona")
    assert is_refused(client, copy.used(asked)), "0 is no way out, once it has counted"


def test_a_passkey_that_does_not_count_signs_in_again(mona: User) -> None:
    client, passkey = browser(mona), Passkey(counter=0)
    posted(client, ADD, passkey.created(challenge(client, ADD)))
    for _ in range(2):
        client, asked = password_given("mona")
        passkey.counter = -1
        assert posted(client, CODE, passkey.used(asked)).status_code == 302


def test_a_passkey_made_elsewhere_is_not_added(mona: User) -> None:
    client = browser(mona)
    for forged in ({"origin": "https://evil.example"}, {"host": "evil.example"}, {"cross_origin": True}):
        page = posted(client, ADD, Passkey().created(challenge(client, ADD), **forged))
        assert (page.status_code, Authenticator.objects.count()) == (200, 0), forged
        assert "could not be checked" in text_of(page)


def test_nonsense_is_refused(mona: User) -> None:
    passkey, client = added(mona), browser(mona)
    good = passkey.created(challenge(client, ADD))
    for path, whole in ((ADD, good), (CODE, passkey.used(b"x" * 32))):
        if path == CODE:
            client, _ = password_given("mona")
        nonsense: list[Any] = [None, 5, "x", [], {}, {"id": 1}, {**whole, "response": 7}, {**whole, "rawId": "AA"}]
        nonsense += [{**whole, "rawId": 5, "id": 5}, {**whole, "x": "y" * 30_000}]
        for name in whole["response"]:
            values = [websafe_encode(b"[" * 5000), "%", 5, None, [], "", "AA", websafe_encode(b"\xa1" * 50)]
            for value in some(values, 4):
                nonsense.append({**whole, "response": {**whole["response"], name: value}})
        for credential in nonsense:
            page = posted(client, path, credential)
            assert page.status_code in (200, 302), credential
    assert Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN).count() == 1
