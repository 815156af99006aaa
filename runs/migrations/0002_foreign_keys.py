from __future__ import annotations

from django.db import migrations


def foreign_key(table: str, column: str, target: str) -> migrations.RunSQL:
    name = f"{table}_{column}_fk"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {target} (id) "
        "ON DELETE CASCADE",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    """Rows that Django did not see when it collected what to delete are deleted by the database."""

    dependencies = [("runs", "0001_initial")]

    operations = [
        foreign_key("runs_run", "thread_id", "threads_thread"),
        foreign_key("runs_runevent", "run_id", "runs_run"),
    ]
