from __future__ import annotations

from django import template

from assistants.console.json_tree import MAX_NODES, json_tree

register = template.Library()


@register.filter(name="json_tree")
def as_json_tree(value: object, max_nodes: int = MAX_NODES) -> str:
    return json_tree(value, max_nodes=max_nodes)
