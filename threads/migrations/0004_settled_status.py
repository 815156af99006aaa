from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("threads", "0003_accounts"),
    ]

    operations = [
        migrations.AddField(
            model_name="thread",
            name="settled_status",
            field=models.CharField(
                choices=[
                    ("idle", "Idle"),
                    ("busy", "Busy"),
                    ("interrupted", "Interrupted"),
                    ("error", "Error"),
                ],
                default="idle",
                editable=False,
                max_length=16,
            ),
        ),
        migrations.RunSQL(
            "UPDATE threads_thread SET settled_status = CASE WHEN status <> 'busy' THEN status "
            "WHEN interrupts IS NOT NULL THEN 'interrupted' ELSE 'idle' END "
            "WHERE status <> 'idle'",
            migrations.RunSQL.noop,
        ),
    ]
