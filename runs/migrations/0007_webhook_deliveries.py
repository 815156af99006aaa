from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0006_writebefore"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="run",
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("cancel_run", "Can cancel runs"),
                    ("redeliver_webhook", "Can tell webhooks of runs again"),
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "run_id", "number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("sent_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("error", models.TextField(db_default="")),
                ("seconds", models.FloatField(null=True)),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="deliveries",
                        to="runs.run",
                    ),
                ),
            ],
            options={
                "ordering": ["run_id", "number"],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE runs_webhookdelivery ADD CONSTRAINT runs_webhookdelivery_run_id_fk "
            "FOREIGN KEY (run_id) REFERENCES runs_run (id) ON DELETE CASCADE",
            "ALTER TABLE runs_webhookdelivery DROP CONSTRAINT runs_webhookdelivery_run_id_fk",
        ),
    ]
