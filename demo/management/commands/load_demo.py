"""Loads the demo: two projects with scikit-learn's data sets, and an account for each of three roles."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import Project, Role, User
from labeling.models.jobs import worker_name
from labeling.projects.create import create_project
from labeling.projects.people.members import get_or_create_user, set_role

ACCOUNTS = {
    "annie": (Role.ANNOTATOR, "annotator"),
    "bert": (Role.ANNOTATOR, "annotator"),
    "mona": (Role.MANAGER, "manager"),
    "enzo": (Role.ENGINEER, "ML engineer"),
}
PASSWORD = "marginalia-demo"  # noqa: S105  printed by the command; the demo listens on this machine only

DIGITS_GUIDELINES = """\
Type the digit that you read, **as the writer meant it**.

- A *7* may have a bar through it.
- A *1* may have a foot; without one, look for the flag at its top.
- An open *9* has a straight stem, a *4* has corners.

If two digits are equally likely, skip the image as *equally likely*: a guess teaches the model nothing.
"""


class Command(BaseCommand):
    help = "Load the demo projects and accounts. Running it again changes nothing that is there."

    def handle(self, *args: Any, **options: Any) -> None:
        people = {name: self._account(name) for name in ACCOUNTS}
        self._digits(people)
        self._tumours(people)
        self.stdout.write("\nAccounts (password for all: " + PASSWORD + ")")
        for name, (_, title) in ACCOUNTS.items():
            self.stdout.write(f"  {name:<6} {title}")

    def _account(self, name: str) -> User:
        user, created = get_or_create_user(name)
        if created:
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
        return user

    def _digits(self, people: dict[str, User]) -> None:
        """Create the project of 1,797 handwritten digits (8 x 8 pixels) from a zip of PNG files."""
        project = self._project(
            "digits",
            people,
            kind="image",
            classes=[str(digit) for digit in range(10)],
            settings={
                "name": "Handwritten digits",
                "prompt": "Which digit is this?",
                "guidelines": DIGITS_GUIDELINES,
                "seed": 2021,
                "batch_size": 100,
                "control_share": 0.2,
            },
        )
        if project is None:
            return
        digits = load_digits()
        path = self._folder() / "digits.zip"
        with zipfile.ZipFile(path, "w") as archive:
            lines = []
            for number, (pixels, truth) in enumerate(zip(digits.images, digits.target, strict=True)):
                name = f"digit-{number:04}.png"
                image = io.BytesIO()
                Image.fromarray((255 - pixels * (255 / 16)).astype(np.uint8)).save(image, "PNG")
                archive.writestr(name, image.getvalue())
                lines.append(f'{{"file_name": "{name}", "id": "digit-{number:04}", "truth": "{truth}"}}')
            archive.writestr("metadata.jsonl", "\n".join(lines))
        self._import(project, path)

    def _tumours(self, people: dict[str, User]) -> None:
        """Create the project of 569 breast tumours with 30 measures each, from a CSV table."""
        data = load_breast_cancer()
        project = self._project(
            "tumours",
            people,
            kind="vector",
            classes=[str(name) for name in data.target_names],
            settings={
                "name": "Breast tumours",
                "prompt": "Is this tumour malignant or benign?",
                "guidelines": "Thirty measures of the cell nuclei in one sample (Wisconsin Diagnostic Breast Cancer).",
                "seed": 1995,
                "batch_size": 40,
                "control_share": 0.2,
            },
        )
        if project is None:
            return
        path = self._folder() / "tumours.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", *data.feature_names, "truth"])
            for number, (row, target) in enumerate(zip(data.data, data.target, strict=True)):
                writer.writerow([f"tumour-{number:03}", *row.tolist(), data.target_names[target]])
        self._import(project, path)

    def _project(
        self, slug: str, people: dict[str, User], *, kind: str, classes: list[str], settings: dict[str, Any]
    ) -> Project | None:
        """Create a project with the demo's members; return None if the whole project exists already."""
        existing = Project.objects.filter(slug=slug).first()
        if existing is not None:
            return existing if not existing.imports.exists() else None
        project = create_project(slug=slug, kind=kind, classes=classes, settings=settings)
        for name, user in people.items():
            set_role(project=project, user=user, role=ACCOUNTS[name][0])
        return project

    def _import(self, project: Project, path: Path) -> None:
        job = register(
            project=project, user=None, path=path, name=path.name, strict=True, owns_file=True, taken_by=worker_name()
        )
        import_items(Step(job, gives_way=False))
        self.stdout.write(f"{project.slug}: {project.items.count()} items")

    def _folder(self) -> Path:
        folder = Path(settings.DATA_DIR) / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
