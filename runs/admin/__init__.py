from __future__ import annotations

from runs.admin.runs import RunAdmin

__all__ = ["RunAdmin"]
