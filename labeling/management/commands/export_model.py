"""Exports a model version as ONNX."""

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeling.loop.step import StepFailed
from labeling.management.shared import VersionCommand, written_whole
from labeling.models import LogKind, ModelVersion, Project
from labeling.observing import auditlog
from labeling.projects.privacy import ledger
from labeling.projects.version_in_use import is_outdated
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import load_model
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import store
from models_store import artifact, encoders
from models_store.encoders.endpoint import Endpoint
from models_store.networks.adapter import Adapter
from models_store.onnx_export import to_onnx


def generation_of(project: Project, version: ModelVersion) -> int:
    """Return the generation of the features that the version learned from. Raises `StepFailed` if its encoder is gone,
    `ArtifactError` if the version's files are damaged.
    """
    if not is_outdated(project, version):
        return project.features_generation
    taught = artifact.encoder_digest(ProjectFiles(project).artifact_at(version.artifact))
    for generation in range(project.features_generation - 1, 0, -1):
        stored = store().exists(ProjectFiles(project).encoder(generation))
        if stored and load_encoder(project, generation).digest == taught:
            return generation
    raise StepFailed(f"The encoder of model version {version.number} is gone.")


def onnx_of(project: Project, version: ModelVersion) -> bytes:
    """Return the version's ONNX graph.

    Raises `StepFailed` if the version cannot be loaded or is no network, ImportError without the packages for ONNX.
    """
    model, encoder = load_model(project, version), load_encoder(project, generation_of(project, version))
    if isinstance(model.network, Adapter):
        raise StepFailed(
            f"Model version {version.number} was learned by {model.network.config.estimator}, which cannot be exported "
            "as ONNX."
        )
    return to_onnx(
        model,
        dtype=encoder.dtype,
        metadata={
            "project": project.slug,
            "version": version.number,
            "digest": version.digest,
            "calibration": version.calibration_at(),
            "question": project.question,
            "classes": model.manifest["classes"],
            "encoder": model.manifest["encoder"],
        },
    )


class Command(VersionCommand):
    help = (
        "Write a model version as an ONNX graph that takes features and gives probabilities. Needs "
        "`scripts/setup.sh requirements-export.txt`. How to run it: docs/how-to/run-a-model-elsewhere.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="The .onnx file to write.")
        parser.add_argument(
            "--encoder", type=Path, metavar="FILE", help="Also write the encoder, which makes features of items (.npz)."
        )

    def handle(
        self, *args: Any, slug: str, version: int | None, output: Path, encoder: Path | None, **options: Any
    ) -> None:
        project, chosen = self.find(slug, version)
        if not ledger.may_be_downloaded(chosen):
            raise CommandError(ledger.download_refusal(chosen))
        try:
            content = onnx_of(project, chosen)
        except (StepFailed, ImportError) as error:
            raise CommandError(str(error)) from error
        auditlog.record(LogKind.MODEL_DOWNLOADED, project=project, subject=f"version {chosen.number}")
        with written_whole(output) as file:
            file.write(content)
        self.stdout.write(f"Version {chosen.number} written to {output}, {len(content):,} bytes")
        if encoder:
            path = store().local(ProjectFiles(project).encoder(generation_of(project, chosen)))
            with path.open("rb") as source, written_whole(encoder) as file:
                shutil.copyfileobj(source, file)
            self.stdout.write(f"Its encoder written to {encoder}")
            if isinstance(asking := encoders.load(encoder), Endpoint):
                self.stdout.write(
                    f"It makes no features itself: set `ask` to a function that sends its requests to {asking.address} "
                    "with your own key (docs/how-to/run-a-model-elsewhere.md)."
                )
