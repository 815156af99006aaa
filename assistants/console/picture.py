"""Graphs as pictures: SVG made here, of a layout in layers. Colours come from the style sheet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# More would be no picture.
MAX_NODES = 150
MAX_EDGES = 600
LABEL = 24
# How often nodes are put below what leads to them.
SWEEPS = 4

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 150, 34, 26, 46, 20


class Edge(NamedTuple):
    source: str
    target: str
    label: str
    conditional: bool


def picture(drawn: dict[str, Any], *, marked: Iterable[str] = ()) -> SafeString:
    """The nodes and edges, as LangGraph draws them to JSON, as an SVG. "" for a graph too large.

    ``marked`` are the names of nodes to stand out.
    """
    names = [str(node["id"]) for node in drawn.get("nodes", [])]
    known = set(names)
    edges = [
        Edge(str(e["source"]), str(e["target"]), str(e.get("data") or ""), bool(e.get("conditional")))
        for e in drawn.get("edges", [])
        if {str(e["source"]), str(e["target"])} <= known
    ]
    if not names or len(names) > MAX_NODES or len(edges) > MAX_EDGES:
        return SafeString("")
    places = _placed(_layered(names, edges))
    width = max(x for x, _y in places.values()) + WIDTH + MARGIN + 40  # where edges go back
    height = max(y for _x, y in places.values()) + HEIGHT + MARGIN
    return format_html(
        '<svg class="console-graph" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        '<defs><marker id="console-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>{}{}</svg>',
        _told(edges),
        *(width, height, width, height),
        format_html_join("", "{}", ((_line(edge, places),) for edge in edges)),
        format_html_join("", "{}", ((_box(name, places[name], name in set(marked)),) for name in names)),
    )


def _told(edges: list[Edge]) -> str:
    """The graph for those who do not see it."""
    return "; ".join(f"{edge.source} → {edge.target}" for edge in edges)[:2000]


def _layered(names: list[str], edges: list[Edge]) -> list[list[str]]:
    """The nodes in layers: each below all that lead to it, but for edges that go back."""
    following: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        following[edge.source].append(edge.target)
    forward = _forward(names, following)
    depth = dict.fromkeys(names, 0)
    for name in forward:
        for target in following[name]:
            if forward[target] > forward[name]:
                depth[target] = max(depth[target], depth[name] + 1)
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    return _ordered(layers, edges)


def _forward(names: list[str], following: dict[str, list[str]]) -> dict[str, int]:
    """The place of each node in an order in which only edges that go back point backwards."""
    done: list[str] = []
    seen: set[str] = set()
    for first in names:
        if first in seen:
            continue
        seen.add(first)
        path = [(first, iter(following[first]))]
        while path:
            name, targets = path[-1]
            target = next((t for t in targets if t not in seen), None)
            if target is None:
                done.append(name)
                path.pop()
            else:
                seen.add(target)
                path.append((target, iter(following[target])))
    return {name: place for place, name in enumerate(reversed(done))}


def _ordered(layers: list[list[str]], edges: list[Edge]) -> list[list[str]]:
    """Each node near the middle of those it is connected with, so that few edges cross."""
    near: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        near[edge.source].append(edge.target)
        near[edge.target].append(edge.source)
    for _ in range(SWEEPS):
        place = {name: n - len(layer) / 2 for layer in layers for n, name in enumerate(layer)}
        middle = {name: sum(place[o] for o in near[name]) / max(len(near[name]), 1) for name in place}
        layers = [sorted(layer, key=lambda name, middle=middle: middle[name]) for layer in layers]  # type: ignore[misc]
    return layers


def _placed(layers: list[list[str]]) -> dict[str, tuple[int, int]]:
    widest = max(len(layer) for layer in layers)
    return {
        name: (
            MARGIN + int((n + (widest - len(layer)) / 2) * (WIDTH + GAP_X)),
            MARGIN + depth * (HEIGHT + GAP_Y),
        )
        for depth, layer in enumerate(layers)
        for n, name in enumerate(layer)
    }


def _line(edge: Edge, places: dict[str, tuple[int, int]]) -> SafeString:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    if y2 > y1:
        ends = ((x1 + WIDTH // 2, y1 + HEIGHT), (x2 + WIDTH // 2, y2))
        bend = max((y2 - y1 - HEIGHT) // 2, 10)
        curve = f"C{ends[0][0]} {ends[0][1] + bend} {ends[1][0]} {ends[1][1] - bend}"
    else:  # back, or to itself: around the right side
        ends = ((x1 + WIDTH, y1 + HEIGHT // 2 - 4), (x2 + WIDTH, y2 + HEIGHT // 2 + 4))
        far = max(x1, x2) + WIDTH + 44
        curve = f"C{far} {ends[0][1]} {far} {ends[1][1]}"
    (a, b), (c, d) = ends
    text = (
        format_html('<text x="{}" y="{}">{}</text>', (a + c) // 2 + 6, (b + d) // 2, edge.label[:LABEL])
        if edge.label
        else ""
    )
    kind = "console-edge console-may" if edge.conditional else "console-edge"
    return format_html(
        '<g class="{}"><path d="M{} {}{} {} {}" marker-end="url(#console-arrow)"/>{}</g>',
        *(kind, a, b, curve, c, d, text),
    )


def _box(name: str, place: tuple[int, int], is_marked: bool) -> SafeString:
    x, y = place
    kind = "console-box console-end" if name.startswith("__") else "console-box"
    label = name.strip("_") if name.startswith("__") else name
    return format_html(
        '<g class="{}"><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="{}"/>'
        '<text x="{}" y="{}" text-anchor="middle">{}</text></g>',
        *(kind + (" console-next" if is_marked else ""), name, x, y, WIDTH, HEIGHT),
        *(HEIGHT // 2 if name.startswith("__") else 6, x + WIDTH // 2, y + HEIGHT // 2 + 4),
        label if len(label) <= LABEL else f"{label[: LABEL - 1]}…",
    )
