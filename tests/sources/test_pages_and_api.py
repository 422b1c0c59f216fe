"""The pages and the API of sources; no answer of theirs has a credential."""

import json
import logging

import pytest
from buckets import Store, make_source, work
from django.db import connection
from django.test import Client
from django.utils import timezone
from factories import digit_png, make_member, make_project, make_user
from pages import errors_of, manager, text_of
from receivers import receiver
from rest_framework.test import APIClient

from labeling.models import ItemImport, Project, Role, Source
from labeling.outside import references

pytestmark = pytest.mark.django_db

SECRET = "kept-" + "0123456789"
PAGE, API = "/p/digits/sources/", "/api/v1/projects/digits/sources/"


@pytest.fixture
def images() -> Project:
    return make_project(kind="image")


@pytest.fixture
def api(images: Project) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(images, "mia", Role.MANAGER))
    return client


def form_of(store: Store, bucket: str) -> dict[str, str]:
    return {
        "name": "Cameras", "address": f"s3://{bucket}", "key": f"{SECRET}-key", "secret": SECRET, "content": "media",
        "endpoint": store.endpoint, "folders": "truth", "schedule": "hour", "full_schedule": "week",
    }  # fmt: skip


def test_a_source_is_added_tested_paused_and_removed(store: Store, images: Project) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"3/1.png": digit_png(1), "2.png": digit_png(2)})
    mona = manager(images)
    shown = text_of(mona.post(f"{PAGE}?place=s3", form_of(store, bucket), follow=True))
    assert "The source is added." in shown
    work()
    source = Source.objects.get()
    page = f"{PAGE}{source.pk}/"
    shown = text_of(mona.get(page))
    assert "Cameras: 2 images done 2 0" in shown
    assert "Last file 3/1.png" in shown
    assert images.items.get(source="3/1.png").truth == 3
    shown = text_of(mona.post(f"{page}test/"))
    assert "The connection works. The first files: 2.png" in shown
    assert "From Cameras" in text_of(mona.get(f"/p/digits/imports/{images.imports.get().pk}/"))
    assert "paused" in text_of(mona.post(f"{page}pause/", {"paused": "yes"}, follow=True))
    assert "Resume it first" in text_of(mona.post(f"{page}look/", {}, follow=True))
    mona.post(f"{page}pause/", {"paused": "no"})
    assert "A worker is checking the source" in text_of(mona.post(f"{page}look/", {"full": "yes"}, follow=True))
    assert "checking" in text_of(mona.get(PAGE))
    assert "Its items stay." in text_of(mona.post(f"{page}remove/", follow=True))
    assert images.items.count() == 2


def test_files_stay_if_the_form_says_so(store: Store, images: Project, api: APIClient) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"1.png": digit_png(1)})
    mona = manager(images)
    mona.post(f"{PAGE}?place=s3", {**form_of(store, bucket), "by_reference": "on"})
    work()
    source = Source.objects.get()
    page = f"{PAGE}{source.pk}/"
    assert source.by_reference
    assert "files that are an item each, which stay there" in text_of(mona.get(page))
    assert store.requests(f"GET /{bucket}/") == 0
    assert "1 item has its file at this source" in text_of(mona.post(f"{page}remove/", follow=True))
    item = images.items.get()
    images.items.update(deleted_at=timezone.now(), excluded_at=timezone.now())
    assert api.delete(f"{API}{source.pk}/").status_code == 409, "a deleted item can be restored"
    assert "can then no longer be shown" in text_of(mona.get(page))
    mona.post(f"{page}remove/", {"lose_files": "yes"})
    assert not Source.objects.exists()
    images.items.update(deleted_at=None, excluded_at=None)
    assert "its source was removed" in references.bring([item.media])[item.media].problem


def test_a_source_is_removed_with_its_files_by_the_api(store: Store, images: Project, api: APIClient) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"1.png": digit_png(1)})
    source = make_source(images, f"s3://{bucket}", store.options, by_reference=True)
    work()
    assert api.delete(f"{API}{source.pk}/?lose_files=true").status_code == 204
    assert images.items.count() == 1


def test_a_wrong_form_keeps_what_was_typed(images: Project) -> None:
    mona = manager(images)
    form = {"name": "x", "content": "media", "folders": "ignore", "schedule": "day", "full_schedule": "week"}
    response = mona.post(f"{PAGE}?place=s3", {**form, "address": "s3://B", "secret": SECRET})
    assert response.status_code == 400
    assert errors_of(response)["address"].startswith("The URL does not name a bucket.")
    assert 'value="s3://B"' in response.content.decode()
    assert SECRET not in response.content.decode()
    inner = {**form, "address": "https://10.0.0.1/x.csv", "content": "file"}
    assert "private network" in errors_of(mona.post(f"{PAGE}?place=https", inner))["address"]
    inner = {**form, "address": "s3://bucket", "endpoint": "https://10.0.0.1"}
    assert "private network" in errors_of(mona.post(f"{PAGE}?place=s3", inner))["endpoint"]
    inner = {**form, "address": "gs://bucket/x", "service_account": json.dumps({"private_key": SECRET})}
    response = mona.post(f"{PAGE}?place=gs", inner)
    assert "Paste the whole JSON key" in errors_of(response)["service_account"]
    assert SECRET not in response.content.decode()
    assert not Source.objects.exists()


def test_no_answer_has_a_credential(
    store: Store, images: Project, api: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bucket = store.bucket()
    store.fill(bucket, {"1.png": digit_png(1)})
    mona = manager(images)
    mona.post(f"{PAGE}?place=s3", form_of(store, bucket))
    source = Source.objects.get()
    work()
    page = f"{PAGE}{source.pk}/"
    answers = [mona.get(page), mona.get(PAGE), mona.post(f"{page}test/"), mona.get("/p/digits/import/")]
    answers += [api.get(API), api.get(f"{API}{source.pk}/"), api.post(f"{API}{source.pk}/test/")]
    answers += [api.patch(f"{API}{source.pk}/", {"credentials": {"key": SECRET, "secret": SECRET}}, format="json")]
    staff = Client()
    staff.force_login(make_user("boss", is_staff=True, is_superuser=True))
    answers += [staff.get("/admin/labeling/source/"), staff.get(f"/admin/labeling/source/{source.pk}/change/")]
    assert [each.status_code for each in answers] == [200] * len(answers)
    for each in answers:
        assert SECRET not in each.content.decode()
        assert source.sealed_secrets not in each.content.decode()
    assert SECRET not in caplog.text
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM labeling_source")
        assert SECRET not in str(cursor.fetchall())


def test_credentials_are_replaced(images: Project) -> None:
    with receiver(status=401) as server:
        url = f"http://127.0.0.1:{server.port}/rows.csv"
        mona = manager(images)
        form = {"name": "x", "address": url, "authorization": "Bearer old", "content": "file", "schedule": "day"}
        mona.post(f"{PAGE}?place=http", form)
        work()
        source = Source.objects.get()
        page = f"{PAGE}{source.pk}/"
        assert "rejected the request (401). Enter other credentials." in text_of(mona.get(page))
        server.status, server.body = 200, b"image\ndata:image/png;base64,xx\n"
        mona.post(f"{page}credentials/", {"authorization": "Bearer new"})
        work()
        assert server.got[-1].headers["authorization"] == "Bearer new"
        assert "Choose the columns" in text_of(mona.get(page))
        mona.post(f"{page}credentials/", {})
        source.refresh_from_db()
        assert not source.has_secrets


def test_the_api_adds_looks_changes_and_removes(store: Store, images: Project, api: APIClient) -> None:
    bucket = store.bucket()
    store.fill(bucket, {"a/1.png": digit_png(1)})
    body = {
        "name": "Cameras",
        "address": f"s3://{bucket}/a",
        "options": {"endpoint": store.endpoint},
        "credentials": {"key": "k", "secret": "s"},
        "content": "media",
        "layout": {"labels_as": "ignore"},
    }
    added = api.post(API, body, format="json")
    assert added.status_code == 201
    assert (added.json()["looking"], added.json()["has_credentials"]) == (True, True)
    work()
    one = f"{API}{added.json()['id']}/"
    shown = api.get(one).json()
    assert (shown["found"], shown["looking"], shown["problem"]) == (1, False, "")
    assert api.post(f"{one}test/").json()["files"][0]["key"] == "1.png"
    assert api.post(f"{one}look/", {"full": True}, format="json").json()["looking"]
    assert api.patch(one, {"paused": True, "schedule": "off"}, format="json").json()["paused"]
    assert api.post(f"{one}look/", {}, format="json").status_code == 409
    for wrong, field in (
        ({"address": "file:///etc/passwd"}, "address"),
        ({"options": {"endpoint": "http://10.0.0.1"}}, "endpoint"),
        ({"options": {"secret": "s"}}, "secret"),
        ({"credentials": {"nothing": "x"}}, "nothing"),
        ({"layout": {"labels_as": "gospel"}}, "layout.labels_as"),
        ({"content": "everything"}, "content"),
        ({"content": "file", "address": f"s3://{bucket}"}, "address"),
        ({"content": "file", "address": "gs://bucket/", "options": {}, "credentials": {}}, "address"),
        ({"content": "file", "address": "az://account/container", "options": {}, "credentials": {}}, "address"),
    ):
        refused = api.post(API, {**body, **wrong}, format="json")
        assert (refused.status_code, list(refused.json()["fields"])) == (400, [field]), refused.json()
    assert api.delete(one).status_code == 204
    assert images.items.count() == 1
    del body["layout"]
    added = api.post(API, body, format="json")
    work()
    assert (added.json()["layout"], images.items.count()) == ({}, 2), "the files are items, so no columns are chosen"


@pytest.mark.long
def test_columns_by_the_api(store: Store) -> None:
    texts = make_project(kind="text")
    client = APIClient()
    client.force_authenticate(make_member(texts, "mia", Role.MANAGER))
    bucket = store.bucket()
    store.fill(bucket, {"1.csv": b"number,body\n1,one\n"})
    body = {"name": "x", "address": f"s3://{bucket}", "content": "files", "options": {"endpoint": store.endpoint}}
    body |= {"credentials": {"key": "k", "secret": "s"}}
    one = f"{API}{client.post(API, body, format='json').json()['id']}/"
    work()
    shown = client.get(one).json()
    assert (shown["layout"], shown["parked_import"]) == (None, ItemImport.objects.get().pk)
    client.patch(one, {"layout": {"text_column": "body"}}, format="json")
    work()
    assert (texts.items.get().data["text"], client.get(one).json()["parked_import"]) == ("one", None)
