"""Examples of request and response bodies for the published schema, made from its components.

`SAMPLES` has values for fields whose type says too little; the other fields get a value by their type.
"""

from collections.abc import Mapping
from typing import Any

from labeling.api.shared.fields import words
from labeling.projects.settings import SETTINGS, default_of

UUID = "0b6f4b1c-6f0e-4a57-9c53-8c1b3c1f3d52"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TIME, LATER = "2026-03-02T10:01:12Z", "2026-03-09T10:01:12Z"
ITEM = "/api/v1/projects/owls/items/812/media/"
BACKBONE = {"architecture": "torchvision/resnet50", "weights": "resnet50.pth"}


def _each(names: str, sample: Any) -> dict[str, tuple[Any, ...]]:
    return dict.fromkeys(words(names), (sample,))


# By the name of a field, or of a component without `Request` and its field: the values that it may have. The first that
# its type allows is taken.
SAMPLES: dict[str, tuple[Any, ...]] = {
    **{name: (default_of(name),) for name in SETTINGS},
    **_each("by chosen_by created_by deleted_by invited_by started_by user", "mona"),
    **_each("dendrogram_hash digest features_hash labels_hash margins_hash sha256", DIGEST),
    **_each("claimed_at finished_at labeled_at opened_at started_at", TIME),
    **_each("deadline_at expires_at", LATER),
    **_each("class_revision position rank start within", 0),
    **_each("chosen control n remaining size stop tokens", 120),
    **_each("asked answers clusters found left rows surveyed", 540),
    **_each("candidates pool pool_rows pool_size joined_rows tokens_of_all total", 12_000),
    **_each("epsilon spent noise", 1.2),
    "missing": (None,),
    **_each("missing_images packaged problems telling", []),
    **_each("automatic correctable full running settled whole", True),
    **_each("accuracy confidence described_then threshold", 0.9),
    **_each("batch embedded_by", 4),
    **_each("seconds_left step_seconds_left", 35),
    **_each("annotator username", "ann"),
    **_each("b expected label name", "barn owl"),
    **_each("proposed said", "tawny owl"),
    **_each("newest_version seed selected_by version", 3),
    **_each("ItemDetailResponse.id ItemSummary.id TaskItem.id", 812),
    **_each("task ClaimedTask.id", 4711),
    **_each("DeletedProject.name Deletion.name Project.name", "Owls at the feeder"),
    **_each("CopiedProject.name Copy.name", "Owls at the feeder, 2027"),
    **_each("CopiedProject.slug Copy.slug", "owls-2027"),
    **_each("Invitation.name InvitationBody.name NewInvitation.name", "Ann Lee"),
    **_each("GoalBody.error GoalFigures.error", 0.02),
    **_each("learned_by open_batches", [4]),
    **_each("dataset Dataset.name", "v3"),
    **_each("count index into selection", 1),
    **_each("Encoder.name EncoderChange.name EncoderChoice.name KnownEncoder.name", "backbone"),
    **_each("model_name slug PredictionServer.username", "owls"),
    **_each("guidelines Guidelines.text", "Judge by the *face*, not by the colour."),
    "a": ("no owl",),
    "accepted": ([UUID], 1198),
    "action": ("exclude",),
    "address": ("s3://field-cameras/2026",),
    "advice": ("go-on",),
    "after": ("barn owl", 241),
    "aliases": (["brown owl"],),
    "alt_text": ("A barn owl: the face is a white heart",),
    "annotators": (["ann"],),
    "answered": ("tawny owl", 120),
    "batch_size": (200,),
    "before": ("buzzard", 180),
    "classes": (["barn owl", "tawny owl"], [1]),
    "code": ("invalid",),
    "colour": ("#8a5a2b",),
    "columns": (["ticket_id", "body", "category"],),
    "content": ("media",),
    "credentials": ({"key": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},),
    "currency": ("EUR",),
    "data": ({"camera": "north"},),
    "description": ("Round head without tufts, dark eyes.",),
    "error": (0.019, "The receiver answered 500."),
    "event": ("batch.done",),
    "events": (["batch.done", "model_version.passed"],),
    "examples": ([812],),
    "external_id": ("night-0812.jpg",),
    "filter": ({"q": "camera:south"},),
    "filters": ({"batch": "1-3", "copies": "true"},),
    "full_schedule": ("week",),
    "group": ("radiology",),
    "high": (0.95,),
    "hourly_cost": (17.5,),
    "id": (3, UUID),
    "item": ("night-0812.jpg", 812),
    "items": ([812, 907], 480, True),
    "key": ("snowy owl",),
    "labels": (540, 540.0, True),
    "layout": ({"labels_as": "trusted"},),
    "lease_expires_at": ("2026-03-02T10:04:12Z",),
    "low": (0.85,),
    "meaning": ("What a network sees that was trained on other images before.",),
    "media_url": (ITEM,),
    "message_id": ("evt_0f4a1c0e6e5d4c43a0c7a6c0b8f7d1e2",),
    "metrics": ({"control": {"accuracy": 0.91, "low": 0.85, "high": 0.95, "n": 120}},),
    "model": ({"name": "network"},),
    "note": ("The face is round.",),
    "options": (BACKBONE,),
    "page": ("https://mlflow.example.org/#/models/owls/versions/2",),
    "password": ("a password",),
    "payload": ({"type": "batch.done", "timestamp": TIME, "data": {"project": "owls", "number": 3}},),
    "people": (["ann", "bo"],),
    "phase": ("training the model",),
    "predicted": ("tawny owl", 299),
    "prompt": ("Which owl is this?",),
    "recognized": ("Rows of Prodigy: 1180 accepted, 15 rejected, 5 ignored.",),
    "rejected_by_reason": ({"The project already has an item with this id.": 2},),
    "removed_after": ("2026-04-01T10:01:12Z",),
    "response": ("Internal Server Error",),
    "schedule": ("hour",),
    "secret": ("whsec_mCh6v0gk0Cw3yXJzTq0Zk2y8Zy8iL1j1sG4b7m1K6pA=",),
    "source": ({"format": "onnx", "sha256": DIGEST}, "march.zip/night-0812.jpg"),
    "state": ("done",),
    "strategy": ("cluster-margin",),
    "subject": ("answers",),
    "suggestions": (["barn owl", "tawny owl"],),
    "tasks": ([4711], 0),
    "text": ("The bar makes it a 7.",),
    "to": ("annie",),
    "training": ({"epochs": 40},),
    "truth": ("barn owl", 40),
    "unknown": ({"emu": 20},),
    "url": ("https://example.org/hooks/owls",),
    "value": ("barn owl", 0.91),
    "weights": (["resnet50.pth"],),
    "where": ("line 2",),
    "Change.text": ("Renamed “wood owl” to “tawny owl”",),
    "Claim.count": (10,),
    "Dataset.state": ("whole",),
    "DatasetBody.name": ("spring",),
    "EmbeddingServer.address": ("https://api.openai.com/v1/embeddings",),
    "EmbeddingServer.key": ("a key",),
    "ImageOfGuidelines.name": ("barn-owl.png",),
    "ImageOfGuidelines.url": ("/api/v1/projects/owls/guidelines/images/barn-owl.png/",),
    "Import.name": ("march.zip",),
    "NewInvitation.url": ("https://labels.example.org/invitation/QJc0hXbC8p9q1mJwW0x7hOq8aZ5m4s2dT3n6v1k9y0U/",),
    "PredictionRun.name": ("april.zip",),
    "PredictionRun.result_url": ("/api/v1/projects/owls/predictions/3/result/",),
    "PredictionRun.url": ("/api/v1/projects/owls/predictions/3/",),
    "PredictionServer.url": ("https://ml.example.org",),
    "PredictionSet.name": ("predictions.npz",),
    "PredictionSet.url": ("/api/v1/projects/owls/prediction-sets/3/",),
    "ProgressResponse.detail": ("step 480 of 1,200, loss 0.31",),
    "ProgressResponse.state": ("training",),
    "ProjectClass.key": ("2",),
    "RefusedAnswer.detail": ("An annotation needs an id that is a UUID.",),
    "Registration.name": ("owls-resnet.zip",),
    "Registration.url": ("/api/v1/projects/owls/registrations/3/",),
    "Skip.reason": ("Cannot be made out",),
    "Source.name": ("Field cameras",),
    "Source.options": ({"region": "eu-central-1"},),
    "SourceFile.key": ("07/owl-0001.jpg",),
    "Split.into": (["kitten", "tomcat"],),
}

# The fields of a request that its example has besides the required ones.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "AnnotationRequest": ("seconds",),
    "ChangeRequest": ("items", "reason"),
    "ClaimRequest": ("count",),
    "CommentRequest": ("to",),
    "CorrectionRequest": ("note",),
    "DatasetBodyRequest": ("name", "filters"),
    "EmbeddingServerRequest": ("key", "price"),
    "EncoderChoiceRequest": ("options",),
    "EncodersToCompareRequest": ("also",),
    "GoalBodyRequest": ("error", "confidence", "by_class", "within"),
    "InvitationBodyRequest": ("name",),
    "LookRequest": ("full",),
    "NewClassRequest": ("description",),
    "PartRequest": ("group",),
    "PatchedClassEditRequest": ("name", "colour"),
    "PatchedProjectChangeRequest": ("batch_size", "training", "hourly_cost"),
    "PatchedSourceChangeRequest": ("schedule",),
    "PatchedWebhookChangeRequest": ("paused",),
    "PredictionServerRequest": ("username", "password"),
    "ProjectRequest": ("prompt", "batch_size"),
    "ReleaseRequest": ("tasks",),
    "SkipRequest": ("id", "seconds"),
    "SourceRequest": ("options", "credentials", "schedule"),
    "WayOutRequest": ("way",),
}

# The fields of a response that its example leaves out.
UNUSUAL = {"ClaimResponse": ("reason", "limit")}

BY_TYPE: dict[str, Any] = {"boolean": False, "integer": 3, "number": 0.5, "object": {}, "string": ""}
BY_FORMAT = {"date": "2026-03-09", "date-time": TIME, "uuid": UUID}
TYPES: dict[str, Any] = {"array": list, "boolean": bool, "integer": int, "number": float, "object": dict, "string": str}


def add_examples(schema: dict[str, Any]) -> None:
    """Give an example to each component that is the body of a request, or of a successful response."""
    components = schema["components"]["schemas"]
    for path in schema["paths"].values():
        for operation in path.values():
            bodies = [response for status, response in operation["responses"].items() if status < "400"]
            for body in (operation.get("requestBody", {}), *bodies):
                for content in body.get("content", {}).values():
                    name = name_of(content["schema"]) or name_of(content["schema"].get("items", {}))
                    page = components.get(name, {}).get("properties", {}).get("results", {})
                    name = name_of(page.get("items", {})) if name.startswith("Paginated") else name
                    if name and "properties" in components[name]:
                        components[name]["example"] = example_of(name, components)


def example_of(name: str, components: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example of a component with fields: of a response all fields, of a request those that it needs."""
    component = components[name]
    names = [each for each in component["properties"] if each not in UNUSUAL.get(name, ())]
    if name.endswith("Request"):
        shown = {*component.get("required", []), *OPTIONAL.get(name, [])}
        names = [each for each in names if each in shown]
    return {each: _value(component["properties"][each], name, each, components) for each in names}


def _value(schema: Mapping[str, Any], owner: str, field: str, components: Mapping[str, Any]) -> Any:
    for key in (f"{owner.removesuffix('Request')}.{field}", field):
        for sample in SAMPLES.get(key, ()):
            if _fits(sample, schema, components):
                return sample
    for part in ("allOf", "oneOf", "anyOf"):
        if part in schema:
            return _value(schema[part][0], owner, field, components)
    if name := name_of(schema):
        component = components[name]
        return example_of(name, components) if "properties" in component else component["enum"][0]
    if schema.get("type") == "array":
        return [_value(schema["items"], owner, field, components)] * schema.get("minItems", 1)
    if schema.get("nullable"):
        return None
    if "enum" in schema:
        return schema["enum"][0]
    return BY_FORMAT.get(schema.get("format", ""), schema.get("default", BY_TYPE.get(schema.get("type", ""))))


def _fits(sample: Any, schema: Mapping[str, Any], components: Mapping[str, Any]) -> bool:
    """Return whether the schema allows the sample. Objects with fields of their own allow none."""
    if sample is None and schema.get("nullable"):
        return True
    for part in ("allOf", "oneOf", "anyOf"):
        if part in schema:
            return any(_fits(sample, each, components) for each in schema[part])
    if name := name_of(schema):
        return "properties" not in components[name] and _fits(sample, components[name], components)
    if "enum" in schema:
        return sample in schema["enum"]
    if "type" not in schema:
        return True
    if type(sample) is not TYPES[schema["type"]]:
        return False
    return schema["type"] != "array" or all(_fits(each, schema["items"], components) for each in sample)


def name_of(schema: Mapping[str, Any]) -> str:
    """Return the name of the component that a schema refers to."""
    return str(schema.get("$ref", "")).rpartition("/")[2]
