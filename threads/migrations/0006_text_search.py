from __future__ import annotations

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

# Finds the threads that have changed of late. Before Postgres 16 an update of a column with any index at all
# touches the other indexes too (no HOT), which all runs would pay for: there the table is read instead.
CHANGED = """
DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
        CREATE INDEX thread_state_updated ON threads_thread USING brin (state_updated_at)
        WITH (pages_per_range = 8, autosummarize = on);
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("threads", "0005_titles"),
    ]

    operations = [
        migrations.CreateModel(
            name="ThreadText",
            fields=[
                (
                    "thread",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="threads.thread",
                    ),
                ),
                ("state_updated_at", models.DateTimeField(db_index=True)),
                ("words", django.contrib.postgres.search.SearchVectorField()),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["words"], gin_pending_list_limit=512, name="thread_text_words"
                    )
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE threads_threadtext ADD CONSTRAINT threads_threadtext_thread_id_fk "
            "FOREIGN KEY (thread_id) REFERENCES threads_thread (id) ON DELETE CASCADE",
            "ALTER TABLE threads_threadtext DROP CONSTRAINT threads_threadtext_thread_id_fk",
        ),
        migrations.RunSQL(CHANGED, "DROP INDEX IF EXISTS thread_state_updated"),
    ]
