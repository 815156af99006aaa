from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0007_webhook_deliveries"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="traceback",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
    ]
