"""Examples of projects, their settings, guidelines and encoders."""

from __future__ import annotations

from typing import Any

from labeling.projects.settings import SETTINGS, default_of

_PROJECT: dict[str, Any] = {
    "slug": "owls",
    "kind": "image",
    "question": "single",
    "classes": ["barn owl", "tawny owl", "no owl"],
    "name": "Owls at the feeder",
    "prompt": "Which owl is this?",
    "guidelines": "Judge by the *face*, not by the colour.",
    **{name: default_of(name) for name in SETTINGS},
    "batch_size": 200,
    "candidate_factor": 5.0,
    "mean_cluster_size": 10.0,
    "overlap_max": 5,
    "deadline_hours": 48.0,
    "gold_share": 0.05,
    "gold_threshold": 0.8,
    "review_share": 0.05,
    "class_guard": 3.0,
    "model": {"name": "network"},
    "training": {"epochs": 40},
    "privacy_epsilon": 5.0,
    "class_proposals": True,
    "hourly_cost": 17.5,
}
_NEEDED = ("slug", "kind", "classes", "prompt", "batch_size")
_BACKBONE = {"name": "backbone", "options": {"architecture": "torchvision/resnet50", "weights": "resnet50.pth"}}
_EMBEDDINGS = {"address": "https://api.openai.com/v1/embeddings", "price": 0.02}

PROJECTS: dict[str, Any] = {
    "Project": {**_PROJECT, "guidelines_version": 2, "created_at": "2026-03-01T09:12:44Z", "archived_at": None},
    "CopiedProject": {
        **_PROJECT,
        "slug": "owls-2027",
        "guidelines_version": 1,
        "created_at": "2027-03-01T09:12:44Z",
        "archived_at": None,
        "missing_images": [],
    },
    "ProjectRequest": {name: _PROJECT[name] for name in _NEEDED},
    "PatchedProjectChangeRequest": {"batch_size": 400, "training": {"epochs": 80}, "hourly_cost": 18},
    "Guidelines": {
        "version": 2,
        "text": "Judge by the *face*, not by the colour.",
        "user": "mona",
        "created_at": "2026-03-02T09:00:00Z",
        "answers": 412,
    },
    "ImageOfGuidelines": {
        "name": "barn-owl.png",
        "alt_text": "A barn owl: the face is a white heart",
        "url": "/api/v1/projects/owls/guidelines/images/barn-owl.png/",
        "bytes": 48_120,
        "user": "mona",
        "created_at": "2026-03-02T09:00:00Z",
    },
    "ProjectContents": {
        "items": 12_400,
        "labels": 2_300,
        "annotations": 2_760,
        "models": 11,
        "members": 6,
        "bytes": 734_003_200,
    },
    "DeletionRequest": {"name": "Owls at the feeder"},
    "DeletedProject": {
        "slug": "owls",
        "name": "Owls at the feeder",
        "deleted_at": "2026-03-02T10:01:12Z",
        "deleted_by": "mona",
        "removed_after": "2026-04-01T10:01:12Z",
    },
    "RestoreRequest": {"slug": "owls"},
    "CopyRequest": {"slug": "owls-2027", "name": "Owls at the feeder, 2027", "members": True},
    "TransferRequest": {"username": "ann", "role": "engineer"},
    "EmbeddingServer": {
        **_EMBEDDINGS,
        "id": 2,
        "has_key": True,
        "tokens": 812_400,
        "cost": 0.016248,
        "tokens_of_all": 1_250_000,
    },
    "EmbeddingServerRequest": {**_EMBEDDINGS, "key": "a key"},
    "EncoderChoiceRequest": _BACKBONE,
    "EncodersToCompareRequest": {"also": [_BACKBONE]},
    "Encoder": {
        **_BACKBONE,
        "digest": "",
        "meaning": "What a network sees that was trained on other images before.",
        "why": "",
        "settled": False,
        "next": None,
        "known": [
            {
                "name": "pixels",
                "meaning": "Small pictures, which a network learns to see from the labels alone.",
                "options": [
                    {
                        "name": "size",
                        "meaning": "Height and width, in pixels.",
                        "default": 32,
                        "names_weights": False,
                        "packaged": [],
                    }
                ],
            },
            {
                "name": "backbone",
                "meaning": "What a network sees that was trained on other images before.",
                "options": [
                    {
                        "name": "weights",
                        "meaning": "The network's weights.",
                        "default": None,
                        "names_weights": True,
                        "packaged": [],
                    }
                ],
            },
        ],
        "weights": ["resnet50.pth"],
    },
}
