from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0005_run_user"),
    ]

    operations = [
        migrations.CreateModel(
            name="WriteBefore",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "run_id",
                        "checkpoint_ns",
                        "checkpoint_id",
                        "task_id",
                        "idx",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("checkpoint_ns", models.TextField()),
                ("checkpoint_id", models.TextField()),
                ("task_id", models.TextField()),
                ("idx", models.IntegerField()),
                ("channel", models.TextField(null=True)),
                ("type", models.TextField(null=True)),
                ("blob", models.BinaryField(null=True)),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="runs.run",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE runs_writebefore ADD CONSTRAINT runs_writebefore_run_id_fk "
            "FOREIGN KEY (run_id) REFERENCES runs_run (id) ON DELETE CASCADE",
            "ALTER TABLE runs_writebefore DROP CONSTRAINT runs_writebefore_run_id_fk",
        ),
    ]
