"""axe-core finds no fault on any page: empty, filled and with an error, light on a desktop and dark on a phone.

Colours are the same on both, and layouts in both schemes. On a phone no page is wider than the screen.

A page that is new has to be given its states here, or the first test fails.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from addresses import DATA, LIKE_OTHERS, PROGRAMS, REDIRECTS, TAKERS, all_names
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from axe import faults
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from factories import make_user
from playwright.sync_api import Page, expect
from world import fill_world

from labeling.finishing import sharing
from labeling.models import (
    Certificate,
    EncoderComparison,
    Item,
    ItemImport,
    Mailbox,
    PredictionRun,
    Project,
    Role,
    Source,
    User,
    Webhook,
)
from labeling.outside.mailing import addresses, resets
from labeling.projects.people import invitations
from labeling.storage.db.sealed import seal
from labeling.web.account import first_account
from tests.extent import ALL, some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LOOKS: dict[str, dict[str, Any]] = {
    "desktop-light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone-dark": {**PHONE, "color_scheme": "dark"},
}

GRID_MS = 400  # a cell or a near-copy that came just now cannot be marked yet


def press(*names: str) -> Callable[[Page], None]:
    """Click the buttons with these names, one after the other."""

    def act(page: Page) -> None:
        for name in names:
            page.get_by_role("button", name=name).first.click()

    return act


def start_with_file(page: Page) -> None:
    """Choose the file that the project starts with."""
    rows = "text,topic\n" + "one,a\ntwo,b\n" * 5
    page.get_by_label("Choose a file").set_input_files(
        {"name": "rows.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    expect(page.get_by_role("heading", name="The first rows")).to_be_visible()
    unfold(page)


def keys(*pressed: str) -> Callable[[Page], None]:
    """Press these keys once an item is shown."""

    def act(page: Page) -> None:
        expect(page.locator('#content[data-state="item"]')).to_be_visible()
        for key in pressed:
            page.keyboard.press(key)

    return act


def grid(page: Page) -> None:
    """Mark a cell of the grid as wrong, and set another aside."""
    expect(page.locator("#grid .cell").first).to_be_visible()
    page.wait_for_timeout(GRID_MS)
    for key in (" ", "ArrowRight", "a"):
        page.keyboard.press(key)
    expect(page.locator("#grid-said")).to_contain_text("1 wrong, 1 set aside")


def copies(page: Page) -> None:
    """Remove the second near-copy, and keep the focus on it."""
    keys("s", "ArrowRight")(page)
    page.wait_for_timeout(GRID_MS)
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Copy 2, taken out")).to_be_focused()


def view(page: Page) -> None:
    """Zoom in, and open the controls of the image."""
    keys("+", "b")(page)
    page.get_by_role("button", name="View, 125 %").click()
    expect(page.get_by_role("slider", name="Brightness")).to_be_visible()


def panel(page: Page) -> None:
    """Wait until the panel gives the reason why there is no item."""
    expect(page.locator('#content[data-state="waiting"]')).to_be_visible()


def unfold(page: Page) -> None:
    """Unfold all folded parts of the page."""
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")


def wrong_sign_in(page: Page) -> None:
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()


def no_weights(page: Page) -> None:
    page.get_by_role("radio", name="sentence-transformers").check()
    page.get_by_role("button", name="Choose").click()
    expect(page.get_by_role("alert")).to_be_visible()


def wrong_settings(page: Page) -> None:
    for field in page.locator("#settings input.figure").all():
        field.fill("-1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()


def wrong_goal(page: Page) -> None:
    unfold(page)
    page.get_by_label("Confidence").fill("100")
    page.get_by_role("button", name="Forecast").click()
    expect(page.get_by_role("alert")).to_be_visible()


def locked_out(page: Page) -> None:
    """Enter wrong passwords until the sign-in is locked."""
    for _ in range(30):
        if page.get_by_label("Password").count() == 0 or "too many" in page.content().lower():
            return
        page.get_by_label("Username").fill("mona")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in", exact=True).click()
    raise AssertionError("nobody is locked out")


def import_in(state: str) -> Callable[[], int]:
    """Return a function that finds the key of an import in this state."""
    return lambda: ItemImport.objects.filter(state=state).earliest("pk").pk


def prediction_in(state: str) -> Callable[[], int]:
    """Return a function that finds the key of a prediction run in this state."""
    return lambda: PredictionRun.objects.get(state=state).pk


def first_source() -> int:
    return Source.objects.earliest("pk").pk


def first_webhook() -> int:
    return Webhook.objects.earliest("pk").pk


def item_in(slug: str, *, flagged: bool = False, skipped: bool = False) -> Callable[[], int]:
    """Return a function that finds the key of a project's first item, flagged or skipped if required."""

    def find() -> int:
        items = Item.objects.filter(project__slug=slug).order_by("pk")
        found = items.flagged() if flagged else items.skipped_by_somebody() if skipped else items
        return found[0].pk

    return find


def certificate_link() -> str:
    """Return the token of a certificate's public link."""
    return sharing.share(Certificate.objects.get(project__slug="pool", number=2))


def token() -> str:
    """Return the token of an unused invitation to the project of digits."""
    project, mona = Project.objects.get(slug="digits"), User.objects.get(username="mona")
    return invitations.invite(project=project, user=mona, role=Role.ANNOTATOR)[1]


def mail_link(purpose: str) -> Callable[[], str]:
    """Return the token of a link in a mail to mona."""

    def make() -> str:
        user = User.objects.get(username="mona")
        Mailbox.objects.filter(user=user).delete()
        addresses.ask(user=user, address="mona@example.org")
        return addresses.token(Mailbox.objects.get(user=user), purpose)

    return make


def ask_for_link(page: Page) -> None:
    page.get_by_label("Your e-mail address").fill("mona@example.org")
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()


def part_of_link(part: int) -> Callable[[], str]:
    """Return a part of the address of a link for a new password."""
    return lambda: resets.parts_of_link(User.objects.get(username="annie"))[part]


def password_again(page: Page) -> None:
    page.get_by_label("Password").fill("mona-password")
    page.get_by_role("button", name="Go on").click()


def needs_password(page: Page) -> None:
    expect(page.get_by_role("heading", name="Enter your password")).to_be_visible()
    password_again(page)


def asked_for_code(page: Page) -> None:
    """Sign in as marc, who has an app, up to the second factor, and enter a wrong code."""
    marc = make_user("marc")
    Authenticator.objects.create(user=marc, type="totp", data={"secret": seal("JBSWY3DPEHPK3PXP")})
    page.goto(reverse("login"))
    page.get_by_label("Username").fill("marc")
    page.get_by_label("Password").fill("marc-password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code from your app").fill("1")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("This code is wrong")).to_be_visible()


def factor(type: str) -> Callable[[], int]:
    """Return the row of a second factor of mona."""

    def make() -> int:
        mona = User.objects.get(username="mona")
        data = {"secret": seal("JBSWY3DPEHPK3PXP"), "seed": seal("0" * 80), "used_mask": 0}
        return int(Authenticator.objects.get_or_create(user=mona, type=type, defaults={"data": data})[0].pk)

    return make


def with_app(page: Page) -> None:
    for each in ("totp", "recovery_codes"):
        factor(each)()
    page.reload()


def linked(page: Page) -> None:
    """Link mona's account with one of the provider."""
    SocialAccount.objects.get_or_create(user=User.objects.get(username="mona"), provider="oidc", uid="1")
    page.reload()


def measured(page: Page) -> None:
    """Show the measurement of two encoders, of which one has failed."""
    choices: list[Any] = [{"name": "pixels", "options": {}}, {"name": "backbone", "options": {"weights": "torn.pth"}}]
    numbers = {"accuracy": 0.78, "low": 0.72, "high": 0.83, "tested": 200, "seconds": 0.8, "pool_seconds": 24.0}
    EncoderComparison.objects.create(
        project=Project.objects.get(slug="digits"), choices=choices, labels=400, drawn=True, asked_at=timezone.now(),
        measured_at=timezone.now(),
        results=[{"choice": choices[0], **numbers}, {"choice": choices[1], "problem": "torn.pth cannot be read."}],
    )  # fmt: skip
    page.reload()
    unfold(page)


def refused_by_provider(page: Page) -> None:
    """Show the page of people who come from the provider and have no account here."""
    body = render_to_string("registration/no_account.html", {"provider": "Example"})
    back = reverse("provider-callback")
    page.route(f"**{back}", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto(back)


def wrong_filter(page: Page) -> None:
    unfold(page)
    page.get_by_label("Label", exact=True).fill("no such digit")
    page.get_by_label("Batch", exact=True).fill("99")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("There is no batch 99")).to_be_visible()


def written_preview(page: Page) -> None:
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview > *").first).to_be_visible()


def merge_into(name: str) -> Callable[[Page], None]:
    """Open the merge page from the class's page."""

    def go_on(page: Page) -> None:
        page.get_by_label("Merge it into").select_option(name)
        page.get_by_role("button", name="Continue to merge").click()
        page.get_by_role("button", name="Merge").wait_for()

    return go_on


def lasting_faults(page: Page) -> list[str]:
    """Return the faults that two looks at the page find, because an item that is just appearing or disappearing causes
    false ones.
    """
    seen = faults(page)
    if seen:
        page.wait_for_timeout(500)
        seen = faults(page)
    return seen


def split_into(*names: str) -> Callable[[Page], None]:
    """Open the split page from the class's page."""

    def go_on(page: Page) -> None:
        page.get_by_label("Split it into").fill("\n".join(names))
        page.get_by_role("button", name="Continue to split").click()
        page.get_by_role("button", name="Split").wait_for()

    return go_on


def make_others() -> None:
    """Make the people of `STATES` who are no members of projects."""
    make_user("newcomer")
    make_user("staff", is_staff=True, is_superuser=True)


class State(NamedTuple):
    """A page in one of its states, and the steps that lead there. `name` is the name of the page's address."""

    name: str
    state: str
    ids: dict[str, Any] = {}
    act: Callable[[Page], None] = lambda page: None
    user: str = "mona"


DIGITS, EMPTY, BROKEN, FINISHED = ({"slug": slug} for slug in ("digits", "empty", "broken", "finished"))

LINK = {"uidb64": part_of_link(0), "token": part_of_link(1)}

STATES = [
    State("login", "empty", user=""),
    State("login", "error", act=wrong_sign_in, user=""),
    State("login", "no account", act=refused_by_provider, user=""),
    State("forgotten-password", "filled", user=""),
    State("forgotten-password", "error", act=press("Mail me a link"), user=""),
    State("forgotten-password", "done", act=ask_for_link, user=""),
    State("new-password", "filled", LINK, user=""),
    State("new-password", "error", LINK, press("Set it"), user=""),
    State("new-password", "over", {"uidb64": "1", "token": "made-up"}, user=""),
    State("invitation", "new person", {"token": token}, user=""),
    State("invitation", "error", {"token": token}, press("Create my account"), user=""),
    State("invitation", "account", {"token": token}, user="newcomer"),
    State("invitation", "member", {"token": token}),
    State("invitation", "over", {"token": "made-up"}, user=""),
    State("home", "filled"),
    State("home", "empty", user="newcomer"),
    State("project-new", "empty"),
    State("project-new", "error", act=press("Create the project")),
    State("project-new", "filled", act=start_with_file),
    State("projects-deleted", "empty"),
    State("account", "empty"),
    State("account", "done", act=press("Create a token")),
    State("notices", "filled"),
    State("notices", "empty", user="newcomer"),
    State("notice-choices", "filled"),
    State("notice-address", "filled", {"token": mail_link(addresses.CONFIRM)}),
    State("notice-stop", "filled", {"token": mail_link(addresses.STOP)}, user=""),
    State("mfa_index", "empty"),
    State("account_reauthenticate", "error", act=press("Go on")),
    State("mfa_activate_totp", "filled", act=needs_password),
    State("mfa_activate_totp", "error", act=press("Set it up")),
    State("mfa_add_webauthn", "filled"),
    State("mfa_index", "filled", act=with_app),
    State("mfa_deactivate_totp", "filled"),
    State("mfa_view_recovery_codes", "filled"),
    State("mfa_generate_recovery_codes", "filled"),
    State("account", "linked", act=linked),
    State("provider-unlink", "filled"),
    State("mfa_authenticate", "error", act=asked_for_code, user=""),
    State("api-docs", "filled", act=unfold),
    State("password", "empty"),
    State("password", "error", act=press("Change it")),
    State("label", "filled", DIGITS, keys("f", "1", "2")),
    State("label", "skip", DIGITS, keys("Space")),
    State("label", "flagged", DIGITS, keys("f")),
    State("label", "guidelines", DIGITS, keys("g")),
    State("label-comments", "empty", DIGITS),
    State("label-comments", "filled", DIGITS, user="annie"),
    State("label", "keys", DIGITS, keys("?")),
    State("label", "view", DIGITS, view),
    State("label", "verify", {"slug": "verify"}, keys()),
    State("label", "score", {"slug": "score"}, keys("4")),
    State("label", "grid", {"slug": "grid"}, grid),
    State("label", "copies", {"slug": "copies"}, copies),
    State("label", "text copies", {"slug": "text-copies"}, copies),
    State("label", "multi", {"slug": "multi"}, keys("1", "3")),
    State("label", "search", {"slug": "search"}, keys("r", "e", "d")),
    State("label", "many", {"slug": "many"}, keys("1", "2", "g", "o")),
    State("label", "empty", EMPTY, panel),
    State("label", "failed", BROKEN, panel),
    State("label", "finished", FINISHED, panel),
    State("project", "filled", DIGITS, unfold),
    State("project", "annotator", DIGITS, unfold, user="annie"),
    State("project", "engineer", DIGITS, unfold, user="enzo"),
    State("project", "empty", EMPTY),
    State("project", "failed", BROKEN),
    State("project", "finished", FINISHED),
    State("project-import", "filled", DIGITS),
    State("project-import", "empty", EMPTY),
    State("project-import", "error", EMPTY, press("Import")),
    State("project-import-detail", "filled", {**DIGITS, "import_id": import_in("done")}, unfold),
    State("project-import-detail", "failed", {**DIGITS, "import_id": import_in("failed")}, unfold),
    State("project-settings", "filled", DIGITS),
    State("project-settings-page", "filled", {**DIGITS, "page": "batch"}, unfold),
    State("project-guidelines-edit", "preview", DIGITS, written_preview),
    State("project-settings", "error", DIGITS, wrong_settings),
    State("project-classes", "filled", DIGITS),
    State("project-classes", "error", DIGITS, press("Add")),
    State("project-class", "filled", {**DIGITS, "index": 3}),
    State("project-class-merge", "filled", {**DIGITS, "index": 3}, merge_into("8")),
    State("project-class-split", "filled", {**DIGITS, "index": 3}, split_into("3 open", "3 closed")),
    State("project-guidelines", "filled", DIGITS),
    State("project-guidelines-images", "filled", DIGITS),
    State("project-guidelines-images", "error", EMPTY, press("Upload")),
    State("project-manage", "filled", DIGITS),
    State("project-manage", "error", DIGITS, press("Delete this project")),
    State("project-transfer", "filled", {**DIGITS, "username": "enzo"}),
    State("project-encoder", "empty", EMPTY),
    State("project-encoder", "error", EMPTY, no_weights),
    State("project-encoder", "measured", DIGITS, measured),
    State("project-learner", "empty", EMPTY),
    State("project-members", "filled", DIGITS),
    State("project-members", "drawer", DIGITS, press("Change")),
    State("project-members", "link", DIGITS, press("Make links")),
    State("project-sources", "filled", DIGITS),
    State("project-sources", "error", EMPTY, press("Add")),
    State("project-source", "filled", {**DIGITS, "source_id": first_source}, unfold),
    State("project-webhooks", "filled", DIGITS),
    State("project-webhooks", "error", EMPTY, press("Add")),
    State("project-webhook", "filled", {**DIGITS, "webhook_id": first_webhook}, unfold),
    State("project-webhook", "secret", {**DIGITS, "webhook_id": first_webhook}, press("Make a new secret")),
    State("project-remove", "filled", {**DIGITS, "username": "enzo"}),
    State("project-review", "filled", DIGITS),
    State("project-review", "empty", EMPTY),
    State("project-batches", "filled", DIGITS),
    State("project-batches", "empty", EMPTY),
    State("project-batch", "filled", {**DIGITS, "number": 2}, unfold),
    State("project-batch", "open", {**DIGITS, "number": 5}, unfold),
    State("project-batch", "failed", {**BROKEN, "number": 2}, unfold),
    State("project-batch-end", "filled", {**DIGITS, "number": 5}),
    State("project-items", "filled", DIGITS, unfold),
    State("project-items", "rows", {"slug": "search"}),
    State("project-items", "error", DIGITS, wrong_filter),
    State("project-items", "empty", EMPTY),
    State("project-item", "filled", {**DIGITS, "item_id": item_in("digits", flagged=True)}),
    State("project-item", "skipped", {**DIGITS, "item_id": item_in("digits", skipped=True)}, press("Save")),
    State("project-item", "engineer", {**DIGITS, "item_id": item_in("digits", flagged=True)}, user="enzo"),
    State("project-item", "verify", {"slug": "verify", "item_id": item_in("verify")}),
    State("project-item", "many", {"slug": "many", "item_id": item_in("many")}),
    State("project-item", "vector", {"slug": "search", "item_id": item_in("search")}),
    State("project-progress", "filled", DIGITS, unfold),
    State("project-progress", "empty", EMPTY),
    State("project-agreement", "filled", {"slug": "twice"}),
    State("project-agreement", "empty", EMPTY),
    State("project-copies", "empty", EMPTY),
    State("project-models", "filled", DIGITS, unfold),
    State("project-models", "empty", EMPTY),
    State("project-model", "filled", {**DIGITS, "number": 3}, unfold),
    State("project-models-compare", "filled", DIGITS),
    State("project-models-compare", "empty", EMPTY),
    State("project-model-register", "filled", DIGITS, unfold),
    State("project-model-register", "empty", EMPTY),
    State("project-model-register", "error", DIGITS, press("Register")),
    State("project-prediction-sets", "filled", DIGITS, unfold),
    State("project-prediction-sets", "error", EMPTY, press("Hand in")),
    State("project-model-predict", "filled", {**DIGITS, "number": 3}),
    State("project-model-predict", "empty", {**DIGITS, "number": 2}),
    State("project-model-predict", "error", {**DIGITS, "number": 3}, press("Predict")),
    State("project-prediction", "waiting", {**DIGITS, "prediction_id": prediction_in("waiting")}),
    State("project-prediction", "running", {**DIGITS, "prediction_id": prediction_in("running")}),
    State("project-prediction", "filled", {**DIGITS, "prediction_id": prediction_in("done")}),
    State("project-prediction", "failed", {**DIGITS, "prediction_id": prediction_in("failed")}),
    State("project-privacy", "filled", DIGITS),
    State("project-finish", "filled", {"slug": "pool"}, unfold),
    State("project-finish", "error", {"slug": "pool"}, wrong_goal),
    State("project-finish", "empty", EMPTY),
    State("project-certificate", "filled", {"slug": "pool", "number": 2}),
    State("project-certificate", "suspended", {"slug": "pool", "number": 1}),
    State("project-certificate", "shared", {"slug": "pool", "number": 2}, press("link")),
    State("certificate", "filled", {"token": certificate_link}, user=""),
    State("project-auditlog", "filled", DIGITS),
    State("project-export", "filled", DIGITS, unfold),
    State("project-export", "empty", EMPTY),
    State("project-datasets", "filled", DIGITS, unfold),
    State("project-datasets", "empty", EMPTY),
    State("project-dataset", "filled", {**DIGITS, "name": "v2"}, press("Compare")),
    State("server", "filled", user="staff"),
    State("server-auditlog", "filled", user="staff"),
    State("login", "locked out", act=locked_out, user=""),
]


def test_every_page_is_looked_at() -> None:
    assert {state.name for state in STATES} | {
        "setup"
    } == all_names() - TAKERS - LIKE_OTHERS - DATA - PROGRAMS - REDIRECTS


def in_short(states: list[State]) -> list[State]:
    """Return one state of each page, the filled one or else the last, and all of the labeling screen."""
    chosen = {state.name: state for state in states}
    chosen |= {state.name: state for state in states if state.state == "filled"}
    return [state for state in states if state.name == "label" or state is chosen[state.name]]


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("look", some(["phone-dark", "desktop-light"]))
def test_no_page_has_a_fault(open_page: Any, screenshot: Any, settings: Any, look: str, half: int) -> None:
    """The states are split in two halves, so that two processes can test them in parallel."""
    fill_world()
    make_others()
    settings.MAIL, settings.OIDC_ISSUER = True, "https://id.example.org"
    options = {**LOOKS[look], "reduced_motion": "reduce"}
    pages: dict[str, Page] = {}
    found = []
    states = STATES if ALL else in_short(STATES)
    middle = len(states) // 2
    for state in states[middle:] if half else states[:middle]:
        if state.user not in pages:
            pages[state.user] = open_page(User.objects.filter(username=state.user).first(), **options)
        page = pages[state.user]
        ids = {name: value() if callable(value) else value for name, value in state.ids.items()}
        page.goto(reverse(state.name, kwargs=ids))
        state.act(page)
        page.wait_for_load_state()  # a pressed button may have sent a form
        screenshot(page, f"page-{state.name}-{state.state.replace(' ', '-')}-{look}", full=state.name != "label")
        wide = [] if page.evaluate("document.documentElement.scrollWidth <= innerWidth") else ["wider than the screen"]
        found += [f"{state.name} ({state.state}): {fault}" for fault in [*lasting_faults(page), *wide]]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", some(["dark", "light"]))
def test_the_first_page_of_all_has_no_fault(open_page: Any, screenshot: Any, scheme: str) -> None:
    page: Page = open_page(None, "/setup/", color_scheme=scheme, **PHONE)
    found = faults(page)
    page.goto(first_account.link())
    found += faults(page)
    page.locator("form button[type=submit]").click()
    screenshot(page, f"page-setup-error-phone-{scheme}", full=True)
    assert found + faults(page) == []


@pytest.mark.parametrize("scheme", some(["dark", "light"]))
def test_pages_about_faults_have_none_themselves(open_page: Any, screenshot: Any, scheme: str) -> None:
    page: Page = open_page(make_user("mona"), color_scheme=scheme, **PHONE)
    page.route(
        "**/gone/*",
        lambda route: route.fulfill(body=render_to_string(f"{route.request.url[-3:]}.html"), content_type="text/html"),
    )
    for status in (400, 403, 404, 500):
        page.goto(f"/gone/{status}")
        screenshot(page, f"page-{status}-phone-{scheme}", full=True)
        assert faults(page) == [], status


def test_a_fault_would_be_seen(page: Page) -> None:
    for body, fault in (
        ("<main><h1>a</h1><p style='color:#999'>too pale</p></main>", "color-contrast"),
        ("<main><h1>a</h1><input></main>", "label"),
        ("<main><h1>a</h1><img src=a.png></main>", "image-alt"),
        (
            "<main><h1>a</h1><div style='height:9px;overflow:auto'><p>a</p><p>b</p></div></main>",
            "scrollable-region-focusable",
        ),
        ("<main><h1>a</h1><button></button></main>", "button-name"),
    ):
        page.set_content(f"<!doctype html><html lang=en><title>a</title><body>{body}")
        assert any(f" {fault}:" in line for line in faults(page))
