"""A manager adds a bucket by keyboard, chooses its columns and looks at it: in Chromium, with a real S3 server."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import fsspec
import pytest
from buckets import Store, work
from django.utils import timezone
from factories import make_member, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy
from processes import wait_until
from s3 import KEY, s3_server

from labeling.intake.watching import changing
from labeling.models import Job, Role, Source
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LOOKS: dict[str, dict[str, Any]] = {"phone-dark": {**PHONE, "color_scheme": "dark"}, "desktop": {}}
ROWS = b"ticket,body,topic\n7,Where is my parcel?,1\n8,I want my money back,2\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    log = tmp_path_factory.mktemp("s3") / "log"
    with s3_server(log) as made:
        yield Store(made.environment["AWS_ENDPOINT_URL"], log, fsspec.filesystem("s3", use_listings_cache=False))


@pytest.mark.parametrize("look", some(list(LOOKS)))
def test_a_bucket_is_added_and_its_columns_chosen(
    open_page: Any, screenshot: Any, settings: Any, store: Store, look: str
) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    bucket = store.bucket()
    store.fill(bucket, {"tickets/1.csv": ROWS})
    project = make_project(name="Tickets")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/sources/", **LOOKS[look])
    said = keep_to_policy(page.context)
    screenshot(page, f"sources-add-{look}", full=True)
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Help desk")
    for text in (f"s3://{bucket}/tickets", KEY, KEY, "", "", store.endpoint):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.get_by_label("files with a row for each item").check()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The source is added.")).to_be_visible()
    assert KEY not in page.content().replace(bucket, "")
    work()
    page.reload()
    screenshot(page, f"source-columns-{look}", full=True)
    page.get_by_role("link", name="Choose the columns").click()
    expect(page.get_by_text("holds for all files of the source Help desk")).to_be_visible()
    page.get_by_label("Id", exact=True).select_option("ticket")
    page.get_by_label("Ignore them").check()
    screenshot(page, f"source-mapping-{look}", full=True)
    page.locator("#import").click()
    wait_until(lambda: Job.objects.filter(kind=Job.Kind.IMPORT).exists())
    work()  # no web thread reads from a source
    assert project.imports.get().accepted == 2
    page.reload()
    expect(page.get_by_text("1.csv").first).to_be_visible()
    store.fill(bucket, {"tickets/2.csv": b"ticket,body,topic\n9,Thank you,3\n"})
    changing.look_at_due(timezone.now())
    work()
    assert sorted(project.items.values_list("external_id", flat=True)) == ["7", "8", "9"]
    page.goto(page.url.replace("/import/", f"/sources/{Source.objects.get().pk}/"))
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("The connection works.")).to_be_visible()
    screenshot(page, f"source-{look}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Sources").first.click()
    screenshot(page, f"sources-{look}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []
