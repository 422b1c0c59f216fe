"""Test signing in with an OpenID Connect provider, a real one on this machine, and attacks on that."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import oidc_provider_mock
import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from factories import make_member, make_project, make_user
from pages import signed_in, text_of

from config import accounts
from config.security import content_policy
from labeling.models import LogEntry, LogKind, Membership, Project, Role, User
from labeling.projects.people import invitations
from labeling.web.account import provider as provider_accounts

pytestmark = pytest.mark.django_db

BEGIN, BACK = "/login/provider/", "/login/provider/callback/"
UNLINK = "/account/provider/unlink/"
PEOPLE = [
    oidc_provider_mock.User(sub="1", claims={"preferred_username": "mona", "email": "m@example.org"}),
    oidc_provider_mock.User(sub="2", claims={"preferred_username": "eve", "groups": ["signs", "other"]}),
]
# Forms of the claim, and the groups that each names.
CLAIMS: list[tuple[Any, set[str]]] = [
    (["signs", "other"], {"signs", "other"}),
    ("signs", {"signs"}),
    ([], set()),
    (None, set()),
    (5, set()),
    (True, set()),
    ({"signs": "signs"}, set()),
    ([{"name": "signs"}], set()),
    (["signs", None], set()),
    ([["signs"]], set()),
]
PEOPLE += [
    oidc_provider_mock.User(sub=f"claim-{number}", claims={"preferred_username": f"c{number}", "groups": claim})
    for number, (claim, _) in enumerate(CLAIMS)
]


def provider() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        with oidc_provider_mock.run_server_in_thread(require_nonce=True, user_claims=PEOPLE) as server:
            yield f"http://localhost:{server.server_port}"


issuer = pytest.fixture(provider, scope="module", name="issuer")
other_issuer = pytest.fixture(provider, scope="module", name="other_issuer")


@pytest.fixture(autouse=True)
def setting(settings: Any, issuer: str) -> Any:
    settings.OIDC_ISSUER, settings.OIDC_NAME, settings.OIDC_CREATES_ACCOUNTS = issuer, "Example", True
    settings.SOCIALACCOUNT_PROVIDERS = accounts.provider(issuer=issuer, name="Example", client_id="x", secret="y")
    return settings


def sent(client: Client, query: str = "") -> str:
    """Begin, and return the address at the provider."""
    response = client.post(f"{BEGIN}{query}")
    assert response.status_code == 302
    return str(response["Location"])


def answer(location: str, sub: str = "1") -> str:
    """Sign in at the provider as `sub`, and return the path that it leads back to."""
    back = urlsplit(httpx.post(location, data={"sub": sub}).headers["location"])
    assert back.path == BACK
    return f"{back.path}?{back.query}"


def entered(sub: str = "1", query: str = "", client: Client | None = None) -> tuple[Client, Any]:
    client = client or Client()
    return client, client.get(answer(sent(client, query), sub))


def is_in(client: Client, name: str = "") -> bool:
    page = client.get("/account/")
    return page.status_code == 200 and name in text_of(page)


def linked(user: User, sub: str = "1") -> None:
    """Link an account with a password on the account page."""
    client = signed_in(user)
    form = {"password": f"{user.username}-password"}
    client.post("/account/confirm/?next=/account/", form)
    assert entered(sub, "?process=connect", client)[1]["Location"] == "/account/"


def test_a_new_person_gets_an_account_if_the_setting_says_so(setting: Any) -> None:
    client, response = entered()
    assert response.status_code == 302
    assert is_in(client, "signed in as mona")
    mona = User.objects.get()
    assert not mona.has_usable_password()
    assert mona.email == ""
    assert LogEntry.objects.filter(kind=LogKind.ACCOUNT_CREATED, whom=mona.pk).count() == 1
    assert entered()[1].status_code == 302
    assert User.objects.count() == 1
    setting.OIDC_CREATES_ACCOUNTS = False
    assert is_in(entered()[0], "mona")
    stranger, page = entered("2")
    assert page.status_code == 403
    assert "no account here" in text_of(page)
    assert not is_in(stranger)
    assert User.objects.count() == 1


def test_the_subject_is_the_key_and_never_the_name() -> None:
    other = make_user("mona")
    client, _ = entered()
    assert is_in(client)
    assert not is_in(client, "signed in as mona ")
    assert SocialAccount.objects.get().user != other


def test_people_with_a_password_link_their_account(setting: Any) -> None:
    """As a browser does it: the button, the provider, the password."""
    annie = make_user("annie")
    client = signed_in(annie)
    _, response = entered("1", "?process=connect", client)
    assert response["Location"] == "/account/confirm/"
    assert "link your account here with the one at Example" in text_of(client.get("/account/confirm/"))
    assert "token" not in client.session["account_reauthentication_state"]["state"]
    assert client.post("/account/confirm/", {"password": "wrong"}).status_code == 200
    assert not SocialAccount.objects.exists()
    assert client.post("/account/confirm/", {"password": "annie-password"})["Location"] == "/account/"
    assert SocialAccount.objects.get().user == annie
    assert is_in(entered()[0], "annie")
    eve = signed_in(make_user("eve"))
    entered("1", "?process=connect", eve)
    page = eve.post("/account/confirm/", {"password": "eve-password"}, follow=True)
    assert "Another account here is linked with that one" in text_of(page)
    assert SocialAccount.objects.get().user == annie
    eve.post("/account/confirm/?next=/account/", {"password": "eve-password"})
    entered("1", "?process=connect", eve)
    assert SocialAccount.objects.get().user == annie
    assert LogEntry.objects.filter(kind=LogKind.PROVIDER_LINKED).count() == 1


def test_a_link_that_waits_is_not_confirmed_by_another_change(setting: Any) -> None:
    """Somebody at an unlocked computer leaves one waiting, and its owner sets up a second factor."""
    annie = make_user("annie")
    client = signed_in(annie)
    entered("2", "?process=connect", client)
    asked = client.get("/account/second-factor/app/add/")["Location"]
    assert "link your account" not in text_of(client.get(asked))
    assert client.post(asked, {"password": "annie-password"})["Location"] == "/account/second-factor/app/add/"
    client.post("/account/confirm/", {"password": "annie-password"})
    assert not SocialAccount.objects.exists()


def test_unlinking_ends_the_way_in_once_the_password_is_given(setting: Any) -> None:
    setting.OIDC_CREATES_ACCOUNTS = False
    annie = make_user("annie")
    linked(annie)
    client = signed_in(annie)
    assert client.get(UNLINK)["Location"].startswith("/account/confirm/")
    client.post(f"/account/confirm/?next={UNLINK}", {"password": "annie-password"})
    assert "Unlink Example" in text_of(client.get(UNLINK))
    assert SocialAccount.objects.count() == 1, "looking changes nothing"
    assert "Example is unlinked" in text_of(client.post(UNLINK, follow=True))
    assert not is_in(entered()[0])
    assert client.post(UNLINK).status_code == 404
    assert LogEntry.objects.filter(kind=LogKind.PROVIDER_UNLINKED, who=annie.pk).count() == 1
    assert is_in(client, "annie"), "the password stays"


def test_the_only_way_in_cannot_be_unlinked() -> None:
    client, _ = entered()
    for response in (client.get(UNLINK), client.post(UNLINK)):
        assert "the only way in" in text_of(response)
    assert response.status_code == 400
    assert is_in(entered()[0], "mona")
    assert not LogEntry.objects.filter(kind=LogKind.PROVIDER_UNLINKED).exists()


def test_nobody_unlinks_another_person(setting: Any) -> None:
    linked(make_user("annie"))
    eve = signed_in(make_user("eve"))
    eve.post("/account/confirm/?next=/account/", {"password": "eve-password"})
    assert eve.post(UNLINK).status_code == 404
    assert Client().post(UNLINK)["Location"].startswith("/login/")
    assert SocialAccount.objects.count() == 1


def test_an_invited_person_gets_an_account(setting: Any) -> None:
    setting.OIDC_CREATES_ACCOUNTS = False
    project = make_project()
    boss = make_member(project, "boss", Role.MANAGER)
    _, token = invitations.invite(project=project, user=boss, role=Role.ANNOTATOR)
    path = f"/invitation/{token}/"
    assert "Sign in with Example" in text_of(Client().get(path))
    client, response = entered(query=f"?{urlencode({'next': path})}")
    assert response["Location"] == path
    client.post(path)
    assert Membership.objects.get(user__username="mona").role == Role.ANNOTATOR
    assert entered("2", query=f"?{urlencode({'next': path})}")[1].status_code == 403


def test_an_answer_is_for_the_browser_that_asked_and_counts_once() -> None:
    mine, theirs = Client(), Client()
    path = answer(sent(mine))
    assert theirs.get(path)["Location"] == "/login/"
    assert not is_in(theirs)
    forged = path.replace("state=", "state=x")
    assert mine.get(forged)["Location"] == "/login/"
    assert mine.get(path).status_code == 302
    assert is_in(mine)
    mine.post("/logout/")
    assert mine.get(path)["Location"] == "/login/"
    assert not is_in(mine)


def test_an_answer_of_another_request_or_issuer_is_refused() -> None:
    """A stolen code, put into the answer to one's own request, has another nonce and another PKCE challenge."""
    victim, thief = Client(), Client()
    stolen = parse_qs(urlsplit(answer(sent(victim))).query)["code"][0]
    own = parse_qs(urlsplit(answer(sent(thief), "2")).query)["state"][0]
    assert thief.get(f"{BACK}?{urlencode({'code': stolen, 'state': own})}")["Location"] == "/login/"
    assert not is_in(thief)
    client = Client()
    location = sent(client)
    nonce = parse_qs(urlsplit(location).query)["nonce"][0]
    path = answer(location.replace(nonce, "replayed"))
    assert client.get(path)["Location"] == "/login/"
    assert not is_in(client)
    assert client.get(f"{answer(sent(client))}&iss=https://evil.example")["Location"] == "/login/"
    assert not is_in(client)


def test_the_answer_of_another_provider_is_refused(setting: Any, issuer: str, other_issuer: str) -> None:
    make_user("mona")
    client = Client()
    asked = sent(client)
    confused = answer(asked.replace(issuer, other_issuer, 1))
    for path in (confused, f"{confused}&iss={other_issuer}", f"{confused}&iss={issuer}"):
        assert client.get(path)["Location"] == "/login/"
        assert not is_in(client)
        confused = answer(sent(client).replace(issuer, other_issuer, 1))
    own = answer(sent(client))
    setting.OIDC_ISSUER = other_issuer
    setting.SOCIALACCOUNT_PROVIDERS = accounts.provider(issuer=other_issuer, name="Other", client_id="x", secret="y")
    assert client.get(own)["Location"] == "/login/", "it came from the provider of before"
    assert not SocialAccount.objects.exists()


def test_the_session_changes_at_sign_in() -> None:
    client = Client()
    path = answer(sent(client))
    before = client.cookies["sessionid"].value
    client.get(path)
    assert client.cookies["sessionid"].value != before
    fixed = Client()
    fixed.cookies["sessionid"] = before
    assert not is_in(fixed)


def test_beginning_it_leads_to_the_provider_and_back_here_alone() -> None:
    for target in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"):
        _, response = entered(query=f"?{urlencode({'next': target})}")
        assert response["Location"] == "/", target
    query = parse_qs(urlsplit(sent(Client(), "?auth_params=prompt%3Dnone&scope=admin")).query)
    assert "prompt" not in query
    assert "admin" not in query["scope"][0]
    assert query["code_challenge_method"] == ["S256"]
    client = Client(enforce_csrf_checks=True)
    assert client.post(BEGIN).status_code == 403
    assert client.get(BEGIN).status_code == 405
    client = Client(HTTP_X_FORWARDED_FOR="192.0.2.1", HTTP_X_FORWARDED_HOST="evil.example")
    assert parse_qs(urlsplit(sent(client)).query)["redirect_uri"] == [f"http://testserver{BACK}"]
    assert content_policy("", "https://id.example.org/realm")["form-action"] == ["'self'", "https://id.example.org"]


def test_without_the_setting_there_is_none(setting: Any) -> None:
    client, _ = entered()
    setting.OIDC_ISSUER = ""
    assert not is_in(client), "its sessions end"
    assert client.post(BEGIN).status_code == 404
    assert client.get(BACK).status_code == 404
    assert "Sign in with" not in text_of(Client().get("/login/"))


def test_groups_decide_about_roles(setting: Any) -> None:
    signs, more = make_project("signs"), make_project("more")
    for project in (signs, more):
        make_member(project, f"boss-of-{project.slug}", Role.MANAGER)
    setting.OIDC_GROUPS = accounts.groups(["signs=signs:reviewer", "other=signs:annotator", "gone=more:annotator"])
    entered("2")
    eve = User.objects.get(username="eve")
    assert roles(eve) == {"signs": Role.REVIEWER}
    make_member(more, "eve", Role.ANNOTATOR)
    make_member(make_project("free"), "eve", Role.ENGINEER)
    entered("2")
    assert roles(eve) == {"signs": Role.REVIEWER, "free": Role.ENGINEER}, "groups decide in listed projects alone"
    setting.OIDC_GROUPS = accounts.groups(["gone=signs:annotator"])
    entered("2")
    assert roles(eve) == {"free": Role.ENGINEER}


def roles(user: User) -> dict[str, str]:
    return {each.project.slug: each.role for each in user.memberships.select_related("project")}


def test_odd_claims_name_no_group(setting: Any, caplog: Any) -> None:
    for slug in ("signs", "other", "s"):
        make_member(make_project(slug), f"boss-of-{slug}", Role.MANAGER)
    setting.OIDC_GROUPS = accounts.groups([f"{slug}={slug}:annotator" for slug in ("signs", "other", "s")])
    for number, (claim, names) in enumerate(CLAIMS):
        caplog.clear()
        client, _ = entered(f"claim-{number}")
        assert is_in(client, f"c{number}")
        assert set(roles(User.objects.get(username=f"c{number}"))) == names, claim
        assert ("is no list of texts" in caplog.text) is (number > 2)


def test_groups_count_after_a_second_factor_too(setting: Any) -> None:
    """A person who lost a group at the provider must not keep the role by having a second factor here."""
    signs = make_project("signs")
    make_member(signs, "boss", Role.MANAGER)
    annie = make_member(signs, "annie", Role.ANNOTATOR)
    linked(annie)
    secret = activate_app(annie)
    setting.OIDC_GROUPS = accounts.groups(["signs=signs:annotator"])
    client, response = entered()
    assert response["Location"] == "/login/second-factor/"
    assert not is_in(client)
    client.post(response["Location"], {"code": format_hotp_value(hotp_value(secret, int(time.time()) // 30))})
    assert is_in(client, "annie")
    assert roles(annie) == {}


def activate_app(user: User) -> str:
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def test_a_last_manager_stays(setting: Any) -> None:
    entered("2")
    make_member(Project.objects.get(pk=make_project("signs").pk), "eve", Role.MANAGER)
    setting.OIDC_GROUPS = accounts.groups(["gone=signs:annotator"])
    assert is_in(entered("2")[0])
    assert roles(User.objects.get()) == {"signs": Role.MANAGER}


def test_a_second_factor_is_not_asked_for_but_an_inactive_account_stays_out(setting: Any) -> None:
    setting.SECOND_FACTOR = "all"
    assert is_in(entered()[0])
    User.objects.update(is_active=False)
    client, _ = entered()
    assert not is_in(client)


def test_a_provider_that_does_not_answer_leads_back_and_holds_few_threads(setting: Any) -> None:
    make_user("annie")  # so that the page is that for signing in
    give_back = [provider_accounts.EXCHANGES.take() for _ in range(2)]
    assert Client().post(BEGIN)["Location"] == "/login/", "two others wait for it"
    for each in give_back:
        each()
    setting.SOCIALACCOUNT_PROVIDERS = accounts.provider(
        issuer="http://127.0.0.1:9", name="Example", client_id="x", secret="y"
    )
    client = Client()
    assert client.post(BEGIN)["Location"] == "/login/"
    assert "Signing in with Example did not work. Try again." in text_of(client.get("/login/"))
