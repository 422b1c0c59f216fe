"""Words of items can be searched: a table of each database's own, filled by the worker."""

import django.db.models.deletion
from django.db import migrations, models

# Marks (categories M) are words' parts for SQLite too, should any be left; accents are gone before.
SQLITE = """
CREATE VIRTUAL TABLE labeling_itemwords USING fts5(
    words, prefix = '2 3', tokenize = "unicode61 remove_diacritics 0 categories 'L* N* Co M*'"
)
"""
# Words that wait to be put into the index are all looked through by each search, and put in by whoever is the last:
# few of them keep both short.
POSTGRESQL = [
    "CREATE TABLE labeling_itemwords (item_id bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX labeling_itemwords_words ON labeling_itemwords USING gin (words) WITH (gin_pending_list_limit = 256)",
    # On SQLite the foreign key's own index is in the order of items too.
    "CREATE INDEX item_in_project ON labeling_item (project_id, id)",
]


def create(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else [SQLITE]:
        schema_editor.execute(statement)


def drop(apps, schema_editor):
    schema_editor.execute("DROP TABLE labeling_itemwords")
    schema_editor.execute("DROP INDEX IF EXISTS item_in_project")


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0025_pick_ahead"),
    ]

    operations = [
        migrations.CreateModel(
            name="ItemIndex",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="item_index",
                        serialize=False,
                        to="labeling.project",
                    ),
                ),
                ("indexed_to", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.RunPython(create, drop),
    ]
