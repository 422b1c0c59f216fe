"""Export a model version's network as ONNX, with the metadata that a user of the network needs."""

from __future__ import annotations

from labeling.loop.step import StepFailed
from labeling.models import ModelVersion, Project
from labeling.steps.encode import load_encoder
from labeling.steps.reading import load_model
from models_store.networks.adapter import Adapter
from models_store.onnx_export import to_onnx


def onnx_of(project: Project, version: ModelVersion) -> bytes:
    """The version's ONNX graph.

    Raises `StepFailed` if the version cannot be loaded or is no network, ImportError without the packages for ONNX.
    """
    model, encoder = load_model(project, version), load_encoder(project)
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
