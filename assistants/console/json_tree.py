"""JSON as a tree that folds, of nothing but ``<details>``: no script is needed, and all text is escaped."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

# What one page can bear.
MAX_NODES = 2000
MAX_TEXT = 4000
MAX_DEPTH = 40
# How many levels are unfolded at first.
OPEN = 1


def json_tree(value: Any, *, max_nodes: int = MAX_NODES, unfolded: int = OPEN) -> SafeString:
    """The value as HTML, so many levels unfolded. What exceeds the limits is left out, and it says so."""
    return format_html('<div class="console-tree">{}</div>', _Tree(max_nodes, unfolded).node(value, "", 0))


class _Tree:
    def __init__(self, left: int, unfolded: int) -> None:
        self._left, self._unfolded = left, unfolded

    def node(self, value: Any, name: str, depth: int) -> SafeString:
        self._left -= 1
        items: list[tuple[str, Any]]
        if isinstance(value, dict):
            items, size = list(value.items()), f"{{{len(value)}}}"
        elif isinstance(value, list):
            items, size = [(str(place), item) for place, item in enumerate(value)], f"[{len(value)}]"
        else:
            return format_html("{}{}", self._label(name), leaf(value))
        if not items:
            return format_html('{}<span class="console-size">{}</span>', self._label(name), size)
        return format_html(
            '<details{}><summary>{}<span class="console-size">{}</span></summary><ul>{}</ul></details>',
            SafeString(" open") if depth < self._unfolded else "",
            self._label(name),
            size,
            self._items(items, depth),
        )

    def _items(self, items: list[tuple[str, Any]], depth: int) -> SafeString:
        shown = []
        for number, (key, item) in enumerate(items):
            if self._left <= 0 or depth >= MAX_DEPTH:
                rest = _("%(count)d more are not shown") % {"count": len(items) - number}
                shown.append(format_html('<em class="console-size">… {}</em>', rest))
                break
            shown.append(self.node(item, str(key), depth + 1))
        return format_html_join("", "<li>{}</li>", ((item,) for item in shown))

    def _label(self, name: str) -> SafeString:
        return format_html('<span class="console-key">{}</span> ', name[:200]) if name else SafeString("")


def leaf(value: Any) -> SafeString:
    """A value that holds no others."""
    if isinstance(value, str):
        return format_html('<span class="console-string">{}</span>', shortened(value))
    return format_html('<span class="console-scalar">{}</span>', json.dumps(value, default=str)[:200])


def shortened(text: str, length: int = MAX_TEXT) -> str:
    """The text, or its beginning and how long it is."""
    if len(text) <= length:
        return text
    return f"{text[:length]}… " + _("(%(length)d characters)") % {"length": len(text)}
