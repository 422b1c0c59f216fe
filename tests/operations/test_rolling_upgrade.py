"""Test that web processes of the previous release can use the migrated tables while hosts are upgraded one by one.

See docs/how-to/upgrade.md and decision 42.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from access.world import World
from django.apps import apps
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState
from django.db.utils import DatabaseError

pytestmark = pytest.mark.django_db

# The last migration of the release before. Whoever makes a release writes its last one here.
RELEASED = "0001_release_1_0"
# What `problems` may say all the same, each with the reason why the release before does not trip over it.
ACCEPTED: dict[str, str] = {
    "0004_class_keys: RunPython": "it stores the keys that the release before shows anyway",
    "0007_index_file_names: RunPython": "the release before finds items by the words that are indexed, and its workers "
    "are stopped",
    "0043_nothing_left_on_the_project: RunPython": "it fills a column that the release before does not know; "
    "until that release is gone, a page may say for minutes that no item is left, or is not: the next look corrects it",
    "0046_chains_of_old_projects: RunPython": "it adds chains of the audit log, which the release before does not know",
    "0047_erasures: RunPython": "it fills a table that the release before does not know",
    "labeling_itemimport: import_of_a_request is new": "the release before stores no request, and the constraint "
    "leaves such rows out",
    "labeling_labelclass: class_key_unique is new": "the release before refuses a key that another class has, and adds "
    "classes without a key",
}
# Of each table.
MOST_ROWS = 20


@cache
def loader() -> MigrationLoader:
    return MigrationLoader(connection)


@cache
def models_of(migration: str) -> list[type[models.Model]]:
    """Return the models of the code whose last migration this is."""
    state = loader().project_state(("labeling", migration))
    return list(state.apps.get_app_config("labeling").get_models(include_auto_created=True))


def problems(released: list[type[models.Model]]) -> set[str]:
    """Return the problems that code with these models would have with the present tables."""
    newest = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        columns = {
            table: {column.name: column for column in connection.introspection.get_table_description(cursor, table)}
            for table in tables
        }
    told = set()
    for model in released:
        table = model._meta.db_table
        if table not in tables:
            told.add(f"{table} is gone")
            continue
        told |= {f"{table}.{problem}" for problem in _of_columns(model, columns[table])}
        if table in newest:
            told |= {f"{table}: {problem}" for problem in _of_fields(model, newest[table])}
    return told


def _of_columns(model: type[models.Model], columns: dict[str, Any]) -> set[str]:
    """Return problems with columns, which the database itself lists."""
    fields = {field.column: field for field in model._meta.local_concrete_fields}
    gone = {f"{name} is gone" for name in fields.keys() - columns.keys()}
    required = {
        f"{name} is required now"
        for name, field in fields.items()
        if name in columns and field.null and not columns[name].null_ok
    }
    unknown = {
        f"{name} is required, and the database has no default"
        for name in columns.keys() - fields.keys()
        if not columns[name].null_ok and columns[name].default is None
    }
    return gone | required | unknown


def _of_fields(model: type[models.Model], newest: type[models.Model]) -> set[str]:
    """Return problems with types and constraints. `ON CONFLICT` needs its unique constraint."""
    before = {field.column: field for field in model._meta.local_concrete_fields}
    after = {field.column: field for field in newest._meta.local_concrete_fields}
    told = set()
    for name in before.keys() & after.keys():
        if before[name].db_type(connection) != after[name].db_type(connection):
            told.add(f"{name} has another type")
        if before[name].unique != after[name].unique:
            told.add(f"{name} is {'no longer ' * before[name].unique}unique")
    told |= {
        f"{constraint.name} is new"
        for constraint in newest._meta.constraints
        if constraint not in model._meta.constraints
    }
    unique = (each for each in model._meta.constraints if isinstance(each, models.UniqueConstraint))
    return told | {f"{each.name} is gone" for each in unique if each not in newest._meta.constraints}


def rows_changed(released: str) -> set[str]:
    """Return the later migrations' operations that change rows in a way that only a review can judge."""
    behind = [node for node in loader().graph.forwards_plan(("labeling", newest())) if node[0] == "labeling"]
    behind = behind[behind.index(("labeling", released)) + 1 :]
    return {
        f"{name}: {type(operation).__name__}"
        for label, name in behind
        for operation in loader().get_migration(label, name).operations
        if isinstance(operation, RunPython | RunSQL)
    }


def newest() -> str:
    (leaf,) = loader().graph.leaf_nodes("labeling")
    return leaf[1]


def write_again(released: list[type[models.Model]]) -> dict[str, int]:
    """Read, delete, insert and update rows of each table with code that has these models; return their number.

    Raises DatabaseError.
    """
    written = {}
    with transaction.atomic():
        rows = {model: list(model._base_manager.order_by("pk")[:MOST_ROWS]) for model in released}
        for model, some in rows.items():
            model._base_manager.filter(pk__in=[row.pk for row in some])._raw_delete(connection.alias)
        for model, some in rows.items():
            model._base_manager.bulk_create(some)
            for row in some:
                row.save(force_update=True)
            written[model._meta.object_name] = len(some)
        connection.check_constraints()
    return written


def test_nothing_that_the_release_before_knows_has_become_otherwise() -> None:
    told = problems(models_of(RELEASED)) | rows_changed(RELEASED)
    assert told - ACCEPTED.keys() == set()
    assert ACCEPTED.keys() - told == set(), "these are true no longer"


def test_rows_of_the_release_before_are_taken() -> None:
    World()
    written = write_again(models_of(RELEASED))
    assert all(written[name] for name in ("Project", "Item", "Batch", "Task", "Assignment", "Annotation", "ItemImport"))
    assert sum(map(bool, written.values())) > len(written) / 2


@pytest.mark.long
def test_what_older_code_trips_over_is_told() -> None:
    state = loader().project_state(("labeling", RELEASED)).clone()
    state.add_field("labeling", "item", "is_control", models.BooleanField(default=False), preserve_default=True)
    state.remove_field("labeling", "project", "name")
    state.remove_constraint("labeling", "batch", "batch_number_unique")
    state.add_constraint("labeling", "task", models.UniqueConstraint(fields=["batch", "rank"], name="one_per_rank"))
    older = list(state.apps.get_app_config("labeling").get_models(include_auto_created=True))
    assert problems(older) - ACCEPTED.keys() == {
        "labeling_item.is_control is gone",
        "labeling_project.name is required, and the database has no default",
        "labeling_batch: batch_number_unique is new",
        "labeling_task: one_per_rank is gone",
    }
    World()
    with pytest.raises(DatabaseError):
        write_again(older)


def test_installations_from_before_the_first_release_have_its_tables() -> None:
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app="labeling").delete()
    for app, name in loader().get_migration("labeling", RELEASED).replaces:
        recorder.record_applied(app, name)
    executor = MigrationExecutor(connection)
    assert executor.migration_plan([("labeling", RELEASED)]) == []


def test_the_tables_count_whatever_the_models_say() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE labeling_comment RENAME COLUMN text TO words")
        cursor.execute("DROP TABLE labeling_copyanswer")
    assert problems(models_of(RELEASED)) - ACCEPTED.keys() == {
        "labeling_comment.text is gone",
        "labeling_comment.words is required, and the database has no default",
        "labeling_copyanswer is gone",
    }


def table_of(name: models.Field[Any, Any]) -> type[models.Model]:
    state = ProjectState()
    state.add_model(ModelState("labeling", "Row", [("id", models.BigAutoField(primary_key=True)), ("name", name)]))
    return state.apps.get_model("labeling", "Row")


def test_stricter_columns_are_told() -> None:
    before = table_of(models.CharField(max_length=20, null=True))
    after = table_of(models.CharField(max_length=10, unique=True))
    required = SimpleNamespace(null_ok=False, default=None)
    assert _of_columns(before, {"id": required, "name": required}) == {"name is required now"}
    assert _of_fields(before, after) == {"name has another type", "name is unique"}
