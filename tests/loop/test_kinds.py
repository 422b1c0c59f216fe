"""Test the loop with every kind of item and every question."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from digits import QUICK, annotator, answer_batch, digits_project
from django.utils import timezone
from draining import drain
from factories import SECRET
from PIL import Image
from sentence_model import TINY_DIM, make_tiny
from sounds import recording
from taken_in import take_in

from labeling.models import Job, ModelVersion, Project, User
from labeling.projects.create import create_project
from labeling.projects.encoders.encoder_change import EncoderSettled, choose_encoder
from labeling.projects.encoders.encoder_settings import default_choice, reason_for_encoder
from labeling.projects.erasing_items import erase_items
from labeling.queue import queue, removing
from labeling.steps import encode as encode_step
from labeling.steps import features
from labeling.steps.features import load_encoder
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = {"sport": ["ball", "goal", "team", "match"], "food": ["bread", "soup", "cheese", "apple"]}


def sentences(n: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(3)
    names = [list(WORDS)[number % 2] for number in range(n)]
    return [(" ".join(rng.choice(WORDS[name], 6)), name) for name in names]


def text_rows(question: str, n: int = 120) -> list[dict]:
    rows = []
    for number, (text, name) in enumerate(sentences(n)):
        row = {"id": f"t{number}", "text": text}
        if question == "single":
            rows.append({**row, "truth": name})
        elif question == "multi":
            # Every fifth text is about neither.
            empty = {**row, "text": "rain wind cloud storm", "truth": []}
            rows.append(empty if number % 5 == 0 else {**row, "truth": [name]})
        else:
            proposed = list(WORDS)[number // 2 % 2]
            rows.append({**row, "class": proposed, "truth": proposed == name})
    return rows


# For what QUICK does not suffice.
LONGER = {"epochs": 40, "min_steps": 100, "calibration_labels": 0, "learns_from": "labels"}


def start(folder: Path, kind: str, rows: list[dict] | Path, **settings: object) -> Project:
    """Create a project with these rows, or those of a file, imported and not encoded."""
    project = create_project(
        slug=str(settings.pop("slug", "p")),
        kind=kind,
        classes=["low", "high"] if kind == "audio" else list(WORDS),
        settings={
            "seed": 5,
            "secret": SECRET,
            "pick_ahead": None,
            "batch_size": 30,
            "control_share": 0.2,
            "training": QUICK,
            **settings,
        },
    )
    if isinstance(rows, list):
        path = folder / "items.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        path = rows
    take_in(project, path)
    return project


def two_rounds(project: Project) -> ModelVersion:
    user = annotator(project)
    drain()
    for _ in range(2):
        answer_batch(project, user)
        drain()
    assert project.batches.open().get().number == 3
    return project.versions.latest("number")


@pytest.mark.long
@pytest.mark.parametrize("question", some(["multi", "single", "verify"]))
def test_texts_with_every_question(tmp_path: Path, question: str) -> None:
    version = two_rounds(start(tmp_path, "text", text_rows(question), question=question, training=LONGER))
    assert version.metrics["control"]["n"] == 12
    assert version.metrics["control"]["accuracy"] >= 0.7  # three of twelve may be wrong: trained numbers differ


def vectors(n: int = 120) -> list[dict]:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(n, 8)) + 3 * (np.arange(n) % 2)[:, None]).tolist()
    return [{"id": str(at), "vector": vector, "truth": list(WORDS)[at % 2]} for at, vector in enumerate(vectors)]


@pytest.mark.long
def test_tones_of_any_form(tmp_path: Path) -> None:
    """The recordings lie in a folder for each class, each with a slightly different pitch."""
    with zipfile.ZipFile(tmp_path / "tones.zip", "w") as archive:
        for number in range(120):
            name, pitch = (("low", 300), ("high", 2000))[number % 2]
            form = ("wav", "flac", "ogg", "mp3")[number // 2 % 4]
            sound = recording(pitch * (1 + number % 7 / 20), 0.4, form.upper(), seed=number)
            archive.writestr(f"{name}/{number:03}.{form}", sound)
    version = two_rounds(start(tmp_path, "audio", tmp_path / "tones.zip", training=LONGER))
    assert version.metrics["control"]["accuracy"] >= 0.9
    project = Project.objects.get()
    assert project.encoded_rows == 120
    task = queue.claim(project=project, user=User.objects.get(), count=1).tasks[0]
    assert task.item.media.startswith(f"{project.pk}/audio/")


def project_features(project: Project) -> np.ndarray:
    features = ProjectFiles(project).stored_features()
    assert features is not None
    return np.asarray(features[:])


@pytest.mark.long
def test_encoder_is_fitted_anew_while_nothing_depends_on_it(tmp_path: Path) -> None:
    """Each item keeps its row, also beside the row of an item that was erased."""
    rows = text_rows("single")
    project = start(tmp_path, "text", rows[:4])
    drain()
    project.refresh_from_db()
    assert (project.encoded_rows, project.features_generation) == (4, 1)
    erased = project.items.get(row=1)
    user = annotator(project)
    removing.remove_items(project=project, ids=[erased.pk], user=user, at_once=True)
    assert erase_items(timezone.now()) == 1
    path = tmp_path / "more.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows[4:]))
    take_in(project, path)
    drain()
    project.refresh_from_db()
    assert (project.encoded_rows, project.features_generation) == (120, 2)
    features, encoder = project_features(project), load_encoder(project)
    assert not features[1].any()
    for item in project.items.filter(row__in=[0, 2, 3, 50]):
        np.testing.assert_allclose(features[item.row], encoder.encode([item.data["text"]])[0], atol=1e-5)
    answer_batch(project, user)
    drain()
    assert project.versions.exists()


SENTENCES = {"name": "sentence-transformers", "options": {"folder": "sentences"}}


def put_sentence_model(folder: Path, data_dir: Path) -> Path:
    """Install a model on the server by a link, as the how-to describes. Return the link."""
    (data_dir / "weights").mkdir()
    link = data_dir / "weights" / "sentences"
    link.symlink_to(make_tiny(folder / "sentences"))
    return link


@pytest.mark.long
def test_texts_through_a_language_model(tmp_path: Path, data_dir: Path) -> None:
    link = put_sentence_model(tmp_path, data_dir)
    version = two_rounds(start(tmp_path, "text", text_rows("single"), encoder=SENTENCES))
    assert version.metrics["control"]["accuracy"] >= 0.8
    project = Project.objects.get()
    assert load_encoder(project).dim == TINY_DIM
    link.unlink()
    assert load_encoder(project).encode(["It lives on in the project."]).shape == (1, TINY_DIM)


def encode(project: Project) -> Project:
    Worker(run_step).run_next()
    project.refresh_from_db()
    assert project.features_generation, [job.reason for job in Job.objects.all()]
    return project


def photos(n: int) -> list[bytes]:
    rng, files = np.random.default_rng(1), [io.BytesIO() for _ in range(n)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (80, 80, 3), np.uint8)).save(file, "PNG")
    return [file.getvalue() for file in files]


def test_the_first_digits_take_small_pictures_and_photos_a_network_that_has_seen_photos(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=5, encoder=default_choice("image"))
    assert encode(project).encoder == {"name": "pixels", "options": {}, "by": "items"}
    assert load_encoder(project).name == "pixels"
    assert default_choice("image", photos(5))["options"] == {"weights": "efficientnet-lite0"}


TEXTS = {
    "sentence-transformers": "The train to Berlin leaves later today, says the railway.",
    "universal-sentence-encoder": "Der Zug nach Berlin fährt heute später ab, sagt die Bahn.",
    "tfidf-svd": "قطار امروز دیرتر به شهر می‌رسد و دولت مالیات‌های جدیدی تصویب کرد.",
}


@pytest.mark.long
def test_the_first_texts_take_the_encoder_that_reads_their_language(tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        choice = default_choice("text", [text] * 5)
        assert choice["name"] == name
        reason = reason_for_encoder("text", {**choice, "by": "items"})
        assert reason.startswith("It was chosen because most of the first texts are in ")
    rows = [{"id": str(number), "text": TEXTS["tfidf-svd"]} for number in range(5)]
    project = encode(start(tmp_path, "text", rows, encoder=default_choice("text")))
    assert (project.encoder["name"], project.encoder["by"]) == ("tfidf-svd", "items")


@pytest.mark.parametrize("kind", ["image", "text"])
def test_the_first_batch_does_not_wait_for_a_slow_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(encode_step, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(encode_step, "CHUNK", 50)
    monkeypatch.setattr(features, "CHUNK", 50)
    project = digits_project(tmp_path, n=120) if kind == "image" else start(tmp_path, "text", text_rows("single"))
    worker = Worker(run_step)
    while not project.batches.open().exists():
        assert worker.run_next()
    project.refresh_from_db()
    assert project.encoded_rows == 50
    assert project.batches.get().size == project.batch_size
    drain()
    project.refresh_from_db()
    assert (project.encoded_rows, project.batches.count()) == (120, 1)


def test_what_a_manager_chose_is_not_for_the_items_to_change(tmp_path: Path) -> None:
    rows = [{"id": "e", "text": TEXTS["sentence-transformers"]}]
    project = start(tmp_path, "text", rows, encoder=default_choice("text"))
    choose_encoder(project=project, choice={"name": "tfidf-svd"})
    assert encode(project).encoder["name"] == "tfidf-svd"
    assert "by" not in project.encoder


def test_weights_that_went_missing_fail_the_step_and_another_encoder_takes_it_up(
    tmp_path: Path, data_dir: Path
) -> None:
    link = put_sentence_model(tmp_path, data_dir)
    project = start(tmp_path, "text", text_rows("single"), encoder=SENTENCES)
    link.unlink()
    worker = Worker(run_step)
    worker.run_next()
    failed = Job.objects.get(state=Job.State.FAILED)
    assert failed.reason.startswith("The encoder 'sentence-transformers': folder: there is no 'sentences' ")
    choose_encoder(project=project, choice={"name": "tfidf-svd"})
    worker.run_next()
    project.refresh_from_db()
    assert project.encoded_rows == 120
    with pytest.raises(EncoderSettled):
        choose_encoder(project=project, choice={})
