"""Give a chain of the audit log to what had none yet: `audit_verify` names a project without one."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def add_chains(apps: Any, schema_editor: Any) -> None:
    chains, projects = (apps.get_model("labeling", name).objects for name in ("LogChain", "Project"))
    row = chains.model
    rows = [row(name=f"project {pk}", project_id=pk) for pk in projects.values_list("pk", flat=True)]
    if apps.get_model("labeling", "User").objects.exists():
        rows.append(row(name="server"))
    chains.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("labeling", "0045_deaths_of_jobs")]

    operations = [migrations.RunPython(add_chains, migrations.RunPython.noop, elidable=True)]
