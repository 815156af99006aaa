"""Charts as SVG, made here; colours and sizes come from the style sheet."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

BAR, GAP, HEIGHT = 18, 4, 120


def stacked(bars: Sequence[tuple[str, dict[str, int]]], *, label: str) -> SafeString:
    """A bar for each name, of parts by status, one upon the other."""
    highest = max((sum(parts.values()) for _name, parts in bars), default=0) or 1
    rects: list[tuple[object, ...]] = []
    for place, (name, parts) in enumerate(bars):
        top = float(HEIGHT)
        for status, count in parts.items():
            tall = count / highest * (HEIGHT - 4)
            top -= tall
            size = (place * (BAR + GAP), f"{top:.1f}", BAR, f"{tall:.1f}")
            rects.append((f"console-part console-{status}", *size, f"{name}: {count} {status}"))
    width = len(bars) * (BAR + GAP)
    labels = [
        (place * (BAR + GAP) + BAR // 2, HEIGHT + 14, bars[place][0]) for place in range(2, len(bars), 4)
    ]
    return format_html(
        '<svg class="console-chart" role="img" aria-label="{}" viewBox="0 0 {} {}">'
        '<line x1="0" y1="{}" x2="{}" y2="{}"/>{}{}</svg>',
        *(label, width, HEIGHT + 20, HEIGHT, width, HEIGHT),
        format_html_join(
            "",
            '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
            rects,
        ),
        format_html_join("", '<text x="{}" y="{}" text-anchor="middle">{}</text>', labels),
    )


def bar(value: int, highest: int) -> SafeString:
    """One bar beside its name in a table."""
    width = 100 * value / highest if highest else 0
    return format_html(
        '<svg class="console-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="8"/></svg>',
        f"{width:.1f}",
    )
