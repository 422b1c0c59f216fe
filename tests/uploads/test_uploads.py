"""Test imports over HTTP and from files: imported rows, rejected rows, and no partial result."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from factories import digit_png, make_member, make_project
from rest_framework.test import APIClient

from labeling.intake import uploads
from labeling.intake.items import control_key
from labeling.models import Item, Job, Project, RejectedRow, Role
from labeling.storage import media

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/digits/"


def start(kind: str = "text", **settings: Any) -> tuple[APIClient, Project]:
    project = make_project(kind=kind, **settings)
    client = APIClient()
    client.force_authenticate(make_member(project, "mona", Role.MANAGER))
    return client, project


def upload(client: APIClient, name: str, content: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile(name, content)
    return client.post(f"{URL}items/", {"file": file, **fields}, format="multipart")


def test_json_list_goes_in_at_once_and_bad_items_are_set_aside() -> None:
    client, _ = start()
    items = [{"id": "a", "text": "one", "truth": "1"}, {"id": "b"}, {"id": "c", "text": "three", "truth": "eleven"}]
    response = client.post(f"{URL}items/", items, format="json")
    assert response.status_code == 201
    body = response.json()
    assert (body["state"], body["accepted"], body["rejected"]) == ("done", 1, 2)
    item = Item.objects.get()
    assert (item.external_id, item.data, item.truth, item.row) == ("a", {"text": "one"}, 1, None)
    assert Job.objects.get(kind=Job.Kind.ENCODE).state == Job.State.WAITING
    csv = b"".join(client.get(f"{URL}imports/{body['id']}/rejected/").streaming_content).decode()
    assert len(csv.strip().splitlines()) == 3
    assert "eleven" in csv


def test_ndjson() -> None:
    client, _ = start()
    body = b'{"text": "one"}\n{"text": "two"}\nnot json\n'
    response = client.post(f"{URL}items/", body, content_type="application/x-ndjson")
    assert (response.json()["accepted"], response.json()["rejected"]) == (2, 1)
    again = client.post(f"{URL}items/", body, content_type="application/x-ndjson")
    assert again.json()["accepted"] == 2, "items without ids never collide"
    assert Item.objects.count() == 4


def test_duplicate_ids_are_set_aside_within_a_file_and_against_the_project() -> None:
    client, _ = start()
    upload(client, "a.csv", b"id,text\n1,one\n2,two\n1,again\n")
    upload(client, "b.csv", b"id,text\n2,two\n3,three\n")
    assert sorted(Item.objects.values_list("external_id", flat=True)) == ["1", "2", "3"]
    reasons = list(RejectedRow.objects.values_list("where", "reason"))
    assert [where for where, _ in reasons] == ["line 4", "line 2"]
    assert "twice" in reasons[0][1]
    assert "already" in reasons[1][1]


def test_files_that_cannot_be_read_or_are_too_large_are_refused_with_one_line(settings: Any) -> None:
    client, project = start()
    for name, content, says in (
        ("a.csv", b"", "empty"),
        ("a.csv", "id,text\n1,x\n".encode("utf-16"), "UTF-8"),
        ("a.exe", b"MZ\x90", "not read"),
        ("a.parquet", b"PAR1nonsense", ""),
        ("a.csv", b"name,words\n1,x\n", "text"),
    ):
        response = upload(client, name, content)
        assert response.status_code == 400
        detail = response.json()["detail"]
        assert says in detail
        assert "\n" not in detail
    assert client.post(f"{URL}items/", {"strict": "1"}, format="multipart").status_code == 400
    assert client.post(f"{URL}items/", b"<xml/>", content_type="text/xml").status_code in (400, 415)
    n, settings.MAX_UPLOAD_MB = project.imports.count(), 0
    response = upload(client, "a.csv", b"id,text\n1,one\n")
    assert response.status_code == 400
    assert "larger" in response.json()["detail"]
    assert list((Path(settings.DATA_DIR) / "uploads").iterdir()) == []
    assert project.imports.count() == n
    assert not Item.objects.exists()


def test_an_upload_is_deleted_once_it_is_in_and_a_large_one_waits_for_the_worker(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = start()
    upload(client, "a.csv", b"id,text\n1,one\n")
    assert list((Path(settings.DATA_DIR) / "uploads").iterdir()) == []
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 10)
    response = upload(client, "b.csv", b"id,text\n3,one\n4,two\n")
    assert (response.status_code, response.json()["state"]) == (202, "waiting")
    assert Job.objects.filter(kind=Job.Kind.IMPORT).waiting().count() == 1


def test_first_vector_sets_the_length_for_good() -> None:
    client, project = start("vector")
    rows = [{"vector": [1, 2, 3]}, {"vector": [1, 2]}, {"vector": [1, 2, "x"]}, {"vector": [4, 5, 6]}]
    assert client.post(f"{URL}items/", rows, format="json").json()["accepted"] == 2
    project.refresh_from_db()
    assert project.vector_length == 3
    assert client.post(f"{URL}items/", [{"vector": [1, 2]}], format="json").json()["import"]["rejected"] == 1
    block = np.load(media.path_of(Item.objects.last().media))
    assert block.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_control_items_are_a_uniform_share_fixed_by_the_id() -> None:
    project = make_project(control_share=0.2)
    keys = [control_key(project.keyed("control", f"item-{number}")) for number in range(5000)]
    assert abs(np.mean(np.array(keys) < 0.2) - 0.2) < 0.02
    assert abs(np.mean(keys) - 0.5) < 0.02
    assert control_key(project.keyed("control", "item-1")) == keys[1]


def test_command_reports_and_writes_what_was_set_aside_and_says_what_is_wrong(tmp_path: Path) -> None:
    make_project()
    path, rejected = tmp_path / "a.jsonl", tmp_path / "rejected.csv"
    path.write_text("\n".join(json.dumps(row) for row in [{"text": "one"}, {"text": ""}, {"text": "three"}]))
    out = io.StringIO()
    call_command("import_items", "digits", str(path), f"--rejected={rejected}", stdout=out)
    assert "2 items imported, 1 rows rejected" in out.getvalue()
    assert "line 2" in rejected.read_text()
    for arguments, says in ((["nothing", "x.csv"], "no project"), (["digits", "missing.csv"], "does not exist")):
        with pytest.raises(CommandError, match=says):
            call_command("import_items", *arguments)


def test_command_takes_vectors_with_their_truth(tmp_path: Path) -> None:
    make_project(kind="vector")
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    np.save(tmp_path / "y.npy", np.array([1, 2, 3, 4]))
    call_command(
        "import_items", "digits", str(tmp_path / "x.npy"), f"--truth={tmp_path / 'y.npy'}", stdout=io.StringIO()
    )
    truths = Item.objects.order_by("media_offset").values_list("truth", flat=True)
    assert list(truths) == [1, 2, 3, 4], "a row's own truth goes with its vector"


def test_zip_of_images_is_stored_and_served() -> None:
    client, project = start("image")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("3/three.png", digit_png(3))
        file.writestr("x/evil.png", b"<svg onload=alert(1)>")
        file.writestr("../../outside.png", digit_png(4))
    response = upload(client, "pictures.zip", archive.getvalue())
    assert response.status_code == 201, response.json()
    item = Item.objects.get()
    assert item.truth == 3, "the folder's name is a class"
    assert item.source == "3/three.png", "where it stood is kept for engineers"
    assert "3/" not in item.external_id, "and from annotators"
    assert media.path_of(item.media).read_bytes() == digit_png(3)
    assert media.path_of(item.media).is_relative_to(media.path_of(""))
    assert RejectedRow.objects.count() == 2
    served = client.get(f"{URL}items/{item.pk}/media/")
    assert b"".join(served.streaming_content) == digit_png(3)
    assert project.imports.get().name == "pictures.zip"
