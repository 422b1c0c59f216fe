"""Rows of Prodigy, Argilla and doccano mean the same by the API, by the command and on the page.

Argilla's files were written by Argilla itself (`argilla/README.md`). Prodigy is not free, so its rows are those of its
documentation.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from factories import make_member, make_project
from pages import text_of

from labeling.models import Project, Role
from tests.extent import ALL, combinations, some

pytestmark = pytest.mark.django_db

ARGILLA = Path(__file__).parent / "argilla"
WAYS = ["api", "command", "page"]

HASHED = {"_input_hash": 1, "_task_hash": 2, "_view_id": "x", "_annotator_id": "s-ann", "_timestamp": 1700000000}
OPTIONS = [{"id": "cat", "text": "A cat"}, {"id": "dog", "text": "A dog"}]
NUMBERED = [{"id": 0, "text": "cat"}, {"id": 1, "text": "dog"}]
ONE = [
    {"text": "accepted", "label": "cat", "answer": "accept", "meta": {"source": "web"}},
    {"text": "rejected", "label": "cat", "answer": "reject"},
    {"text": "ignored", "label": "dog", "answer": "ignore"},
    {"text": "open", "label": "dog"},
]
CHOICE = [
    {"text": "chosen", "options": OPTIONS, "accept": ["dog"], "answer": "accept", "config": {"choice_style": "single"}},
    {"text": "chosen by number", "options": NUMBERED, "accept": [1], "answer": "accept"},
    {"text": "not chosen", "options": OPTIONS, "accept": [], "answer": "accept"},
    {"text": "choice rejected", "options": OPTIONS, "accept": ["dog"], "answer": "reject"},
    {"text": "choice ignored", "options": OPTIONS, "accept": ["dog"], "answer": "ignore"},
    {"text": "choice proposed", "options": OPTIONS, "accept": ["dog"]},
]
Values = dict[str, tuple[Any, Any]]
LABELED: dict[str, Values] = {
    "single": {
        "accepted": (0, None), "rejected": (None, None), "ignored": (None, None), "open": (None, 1),
        "chosen": (1, None), "chosen by number": (1, None), "not chosen": (None, None),
        "choice rejected": (None, None), "choice ignored": (None, None), "choice proposed": (None, 1),
    },
    "multi": {
        "accepted": ([0], None), "rejected": (None, None), "ignored": (None, None), "open": (None, [1]),
        "chosen": ([1], None), "chosen by number": ([1], None), "not chosen": ([], None),
        "choice rejected": (None, None), "choice ignored": (None, None), "choice proposed": (None, [1]),
    },
    "verify": {
        "accepted": (True, None), "rejected": (False, None), "ignored": (None, None), "open": (None, None),
    },
}  # fmt: skip


def lines(rows: list[dict[str, Any]], **more: Any) -> bytes:
    return "\n".join(json.dumps({**row, **more}) for row in rows).encode()


def bring(
    way: str, content: bytes, name: str, folder: Path, *, slug: str = "pets", question: str = "single", **options: str
) -> Project:
    """Import the file into a new project."""
    project = make_project(slug, classes=["cat", "dog"], question=question)
    client = Client()
    client.force_login(make_member(project, "mona", Role.MANAGER))
    file = SimpleUploadedFile(name, content)
    if way == "api":
        answer = client.post(f"/api/v1/projects/{slug}/items/", {"file": file, **options})
        assert answer.status_code == 201, answer.json()
    elif way == "command":
        (folder / name).write_bytes(content)
        call_command("import_items", slug, str(folder / name), **options)
    else:
        shown = client.post(reverse("project-import", args=[slug]), {"file": file}, follow=True)
        assert "Rows of " in text_of(shown), "the page shows such a file first"
        address = reverse("project-import-detail", args=[slug, project.imports.get().pk])
        pattern = r'<select id="id_(\w+)".*?value="([^"]*)" selected'
        chosen = dict(re.findall(pattern, shown.content.decode(), re.DOTALL))
        client.post(address, {**chosen, "do": "import", **options})
    return project


def values(project: Project, key: str = "text") -> Values:
    return {item.data[key]: (item.label, item.suggestion) for item in project.items.all()}


@pytest.mark.parametrize(
    ("way", "question"),
    combinations(WAYS, [*LABELED]) if ALL else [("api", "single"), ("command", "multi"), ("page", "verify")],
)
def test_prodigy(way: str, question: str, tmp_path: Path) -> None:
    rows = ONE if question == "verify" else ONE + CHOICE
    project = bring(way, lines(rows, **HASHED), "a.jsonl", tmp_path, question=question)
    assert values(project) == LABELED[question]
    assert not project.imports.get().rejected
    assert project.items.get(data__text="accepted").data == {"text": "accepted", "meta": {"source": "web"}}
    assert all(item.data.keys() <= {"text", "meta"} for item in project.items.all()), "no answer is shown"


@pytest.mark.parametrize(
    ("labels_as", "field"), [("suggestions", "suggestion"), ("gold", "gold"), ("truth", "truth"), ("ignore", "")]
)
def test_only_accepted_labels_are_used_as_asked(labels_as: str, field: str, tmp_path: Path) -> None:
    rows = [*ONE, CHOICE[0], CHOICE[3]]
    project = bring("api", lines(rows, **HASHED), "a.jsonl", tmp_path, labels_as=labels_as, label_column="accept")
    found = {item.data["text"]: getattr(item, field) for item in project.items.all()} if field else {}
    proposed = {"open": 1} if field == "suggestion" else {}
    assert {text: value for text, value in found.items() if value is not None} == (
        {"accepted": 0, "chosen": 1, **proposed} if field else {}
    )
    assert field or not project.items.filter(suggestion__isnull=False).exists()
    assert not project.items.filter(label__isnull=False).exists()


def test_what_is_not_prodigy_stays_as_it_is(tmp_path: Path) -> None:
    """Questions and answers, answers that are classes, and a plain row among Prodigy's."""
    rows: list[dict[str, Any]] = [
        {"text": "plain", "label": "cat", "answer": "42"},
        {"text": "its label is an answer", "answer": "accept"},
        {"text": "by hand", "label": "cat", "answer": "reject"},
        {**ONE[1], **HASHED},
    ]
    project = bring("api", lines(rows), "a.jsonl", tmp_path)
    assert {text: label for text, (label, _) in values(project).items()} == {
        "plain": 0, "its label is an answer": None, "by hand": None, "rejected": None,
    }  # fmt: skip
    assert project.items.get(data__text="plain").data["answer"] == "42"
    assert project.items.get(data__text="its label is an answer").data["answer"] == "accept"


def test_answers_of_prodigy_that_are_left_out_or_unknown_and_its_number_as_the_id(tmp_path: Path) -> None:
    project = bring("command", lines(ONE[1:2]), "a.jsonl", tmp_path, leave_out="answer")
    assert values(project) == {"rejected": (0, None)}
    content = lines([ONE[0], {**ONE[1], "answer": "maybe"}], **HASHED)
    project = bring("api", content, "a.jsonl", tmp_path, slug="other", id_column="_input_hash")
    assert project.items.get().external_id == "1"
    [rejected] = project.imports.get().rejected_rows.all()
    assert (rejected.where, rejected.reason) == ("line 2", '"answer" is "maybe", not accept, reject or ignore.')


RECORDS: Values = {
    "The goal came late.": (0, 1), "Knead for ten minutes.": (None, 1), "Nothing.": (None, None),
    "Disputed.": (None, None), "Open.": (None, None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("way", "name"),
    [
        ("page", "flat.json"),
        ("command", "datasets.parquet"),
        *some([("api", "flat.json"), ("page", "datasets.parquet")], 0),
    ],
)
def test_argilla(way: str, name: str, tmp_path: Path) -> None:
    project = bring(way, (ARGILLA / name).read_bytes(), name, tmp_path)
    assert values(project) == RECORDS
    agreed, disputed = (project.items.get(external_id=each).task.annotations for each in ("r1", "r4"))
    assert list(agreed.values_list("value", flat=True)) == [0, 0]
    assert sorted(disputed.values_list("value", flat=True)) == [0, 1]
    users = sorted(agreed.values_list("user__username", flat=True))
    assert users == [f"argilla-00000000-0000-0000-0000-00000000000{n}" for n in (1, 2)]


def test_argilla_without_a_status_is_not_trusted(tmp_path: Path) -> None:
    """`to_json` leaves the status of a response out, so a pending record may have drafts alone."""
    content = (ARGILLA / "records.json").read_bytes()
    project = bring("api", content, "records.json", tmp_path)
    assert values(project) == {
        "The goal came late.": (None, 0), "Knead for ten minutes.": (None, 0), "Nothing.": (None, 0),
        "Disputed.": (None, None), "Open.": (None, None),
    }  # fmt: skip
    project.delete()
    project = bring("api", content.replace(b'"pending"', b'"completed"'), "records.json", tmp_path)
    assert {text: label for text, (label, _) in values(project).items()} == {
        "The goal came late.": 0, "Knead for ten minutes.": 0, "Nothing.": 0, "Disputed.": None, "Open.": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "question", "answers"),
    [
        ("v1-feedback.jsonl", "", [0, 0]),
        ("v1-feedback.jsonl", "sentiment", [0, 0]),
        ("v1-feedback.parquet", "label", [0, 0]),
        ("v1-feedback.parquet", "urgent", [1, 0]),
    ],
)
def test_one_of_several_questions_of_argilla_is_read(
    name: str, question: str, answers: list[int], tmp_path: Path
) -> None:
    project = bring("page", (ARGILLA / name).read_bytes(), name, tmp_path, label_column=question)
    first = project.items.get(external_id="f1")
    assert [each.value for each in first.task.annotations.order_by("user__username")] == answers
    assert first.data == {"text": "Two agree.", "title": "A", "source": "web"}
    assert (project.items.count(), project.items.filter(label__isnull=False).count()) == (3, answers == [0, 0])
    if not question:
        project = bring("command", (ARGILLA / name).read_bytes(), name, tmp_path, slug="other", text_column="title")
        assert project.items.get(external_id="f1").data == {"text": "A", "review": "Two agree.", "source": "web"}


def test_argilla_of_version_1(tmp_path: Path) -> None:
    name = "v1-classification.jsonl"
    project = bring("page", (ARGILLA / name).read_bytes(), name, tmp_path)
    assert values(project) == {
        "Validated.": (1, 0), "Predicted.": (None, 0), "Discarded.": (None, None), "Default.": (None, None),
    }  # fmt: skip


def test_nested_lists_of_argilla_and_what_it_asks_that_we_do_not(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 1, "label": "cat"}]
    rows = [
        {"fields": {"text": "by user"}, "responses": [{"values": {"label": {"value": "cat"}}, "status": "submitted"}]},
        {"fields": {"text": "spans"}, "responses": {"label": [{"value": spans, "status": "submitted"}]}},
        {"fields": {"text": "hinted"}, "responses": [], "suggestions": [{"question_name": "label", "value": "dog"}]},
    ]
    project = bring("api", json.dumps(rows).encode(), "a.json", tmp_path)
    assert values(project) == {"by user": (0, None), "hinted": (None, 1)}
    assert "only classes and ratings are read" in project.imports.get().rejected_rows.get().reason


@pytest.mark.parametrize(("way", "question"), [("page", "single"), ("api", "multi"), ("command", "single")])
def test_doccano(way: str, question: str, tmp_path: Path) -> None:
    rows = [
        {"id": 1, "text": "one", "lang": "en", "label": ["cat"], "Comments": ["surely a cat"]},
        {"id": 2, "text": "none", "label": [], "Comments": []},
        {"id": 3, "text": "two", "label": ["cat", "dog"], "Comments": []},
    ]
    project = bring(way, lines(rows), "a.jsonl", tmp_path, question=question)
    assert project.items.get(external_id="1").data == {"text": "one", "lang": "en"}
    if question == "multi":
        assert values(project) == {"one": ([0], None), "none": (None, None), "two": ([0, 1], None)}
        return
    if way == "page":  # it sets no row aside for its label
        assert values(project) == {"one": (0, None), "none": (None, None), "two": (None, None)}
        return
    assert values(project) == {"one": (0, None), "none": (None, None)}
    reason = project.imports.get().rejected_rows.get().reason
    assert reason == "Label names 2 classes, but this project asks for one."
    project = bring("api", b"id,text,label,Comments\n1,one,cat,late\n", "a.csv", tmp_path, slug="other")
    assert project.items.get().data == {"text": "one", "Comments": "late"}, "the comments of another table stay"


def test_every_preview_says_what_the_rows_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = lines(ONE[:3], **HASHED)
    said = (
        "Rows of Prodigy: 1 accepted, 1 rejected, 1 ignored. Accepted rows have a label. A "
        "rejected row means “no” for a yes-or-no question; for other questions it has no label."
    )
    project = make_project("pets", classes=["cat", "dog"])
    client = Client()
    client.force_login(make_member(project, "mona", Role.MANAGER))
    url = "/api/v1/projects/pets/items/"
    preview = client.post(url, {"file": SimpleUploadedFile("a.jsonl", content), "preview": "true"}).json()
    assert (preview["recognized"], preview["labels"], preview["layout"]) == (said, 1, {})
    assert preview["tools"] == {"prodigy": {"accepted": 1, "rejected": 1, "ignored": 1}}
    (tmp_path / "a.jsonl").write_bytes(content)
    call_command("import_items", "pets", str(tmp_path / "a.jsonl"), preview=True)
    assert " ".join(capsys.readouterr().out.split()).count(said) == 1
    page = client.post(
        reverse("project-import", args=["pets"]), {"file": SimpleUploadedFile("a.jsonl", content)}, follow=True
    )
    assert said in text_of(page)
    assert not project.items.exists()
