"""Test that a client that openapi-python-client generates from the published schema goes through the label loop."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken

from labeling.models import Role

LOOP = """
import io, json, sys, uuid
from marginalia_api_client import AuthenticatedClient, models
from marginalia_api_client.api.export import get_export
from marginalia_api_client.api.items import post_imports, post_items
from marginalia_api_client.api.labeling import delete_annotation, post_annotations, post_claim, post_skip
from marginalia_api_client.types import File

url, token = sys.argv[1:]
server = AuthenticatedClient(base_url=url, token=token, prefix="Token", raise_on_unexpected_status=True)
added = post_items.sync("digits", client=server, body=[{"id": "new", "text": "A new text."}])
file = io.BytesIO(b"id,text\\ncsv,A text of a file\\n")
form = models.PostImportsFilesBody(file=File(payload=file, file_name="texts.csv"))
sent = post_imports.sync("digits", client=server, body=form)
claim = post_claim.sync("digits", client=server, body=models.ClaimRequest(count=3))
answers = [
    models.AnnotationRequest(id=uuid.uuid4(), task=task.id, value=0, seconds=1.5) for task in claim.tasks[:2]
]
answered = post_annotations.sync("digits", client=server, body=models.AnnotationsRequest(annotations=answers))
undone = delete_annotation.sync_detailed("digits", answers[0].id, client=server)
skip = models.SkipRequest(task=claim.tasks[2].id, reason="unclear")
skipped = post_skip.sync_detailed("digits", client=server, body=skip)
rows = get_export.sync("digits", client=server, format_=models.GetExportFormat.JSONL).payload.read().splitlines()
table = get_export.sync("digits", client=server, format_=models.GetExportFormat.PARQUET).payload.read()
print(json.dumps({
    "added": added.accepted, "file": sent.accepted, "accepted": len(answered.accepted), "undone": undone.status_code,
    "skipped": skipped.status_code, "rows": len(rows), "parquet": table[:4].decode(),
}))
"""


@pytest.mark.long  # openapi-python-client takes seconds
@pytest.mark.django_db(transaction=True)
def test_the_label_loop(live_server: Any, tmp_path: Path) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 5))
    token = AuthToken.objects.create(make_member(project, "mia", Role.MANAGER))[1]
    schema = tmp_path / "schema.yaml"
    call_command("spectacular", file=str(schema))
    generate = [Path(sys.executable).parent / "openapi-python-client", "generate", "--path", schema, "--meta", "none"]
    package = tmp_path / "marginalia_api_client"
    subprocess.run([*generate, "--output-path", package], check=True, cwd=tmp_path, capture_output=True)
    command = [sys.executable, "-c", LOOP, live_server.url, token]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        '{"added": 1, "file": 1, "accepted": 2, "undone": 200, "skipped": 200, "rows": 1, "parquet": "PAR1"}\n'
    )
