"""A sheet of SVG: rectangles, text and arrows that point down, in the colours of the towers.

Own text in the reader's own font, and an opaque ground: it reads on light and on dark pages, and
takes the darker colours where the reader prefers them.
"""

from __future__ import annotations

from xml.etree import ElementTree as Xml

_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #14211f }
.title { font-size: 20px; font-weight: 600 }
.strong { font-weight: 600 }
.soft { font-size: 12px; fill: #56635f }
.model { font: 12px ui-monospace, Consolas, "DejaVu Sans Mono", monospace; fill: #56635f }
.middle { text-anchor: middle }
.right { text-anchor: end }
.ground { fill: #f5f6f6 }
.device { fill: #ffffff; stroke: #d5dcda }
.part { fill: none; stroke: #b9c4c1 }
.layer.tower0 { fill: #e3f1ef; stroke: #9ccbc4 }
.layer.tower1 { fill: #fbf0df; stroke: #e0bd8a }
.maps { fill: none }
.maps.tower0, .arrow.tower0 { stroke: #0d6a61 }
.maps.tower1, .arrow.tower1 { stroke: #8a4b08 }
.kept.tower0, .head.tower0 { fill: #0d6a61 }
.kept.tower1, .head.tower1 { fill: #8a4b08 }
.arrow { fill: none; stroke-width: 2 }
.within { stroke-dasharray: 5 4 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edeb }
  .soft, .model { fill: #9aa9a5 }
  .ground { fill: #101615 }
  .device { fill: #18211f; stroke: #2d3a37 }
  .part { stroke: #40504c }
  .layer.tower0 { fill: #16322e; stroke: #2f6f66 }
  .layer.tower1 { fill: #33260f; stroke: #7d5a22 }
  .maps.tower0, .arrow.tower0 { stroke: #55c2b4 }
  .maps.tower1, .arrow.tower1 { stroke: #f2bd6b }
  .kept.tower0, .head.tower0 { fill: #55c2b4 }
  .kept.tower1, .head.tower1 { fill: #f2bd6b }
}
"""
_COLOURS = 2
_HEAD = 9  # px, length of an arrow's head

Point = tuple[float, float]


class Sheet:
    """Elements in the order they are added, later ones above; lengths in px, y downwards."""

    def __init__(self, width: int, height: int, title: str, description: str) -> None:
        """``title`` and ``description`` are what a screen reader says."""
        self._svg = Xml.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {width} {height}",
                "width": str(width),
                "height": str(height),
                "role": "img",
                "aria-labelledby": "title description",
            },
        )
        Xml.SubElement(self._svg, "title", id="title").text = title
        Xml.SubElement(self._svg, "desc", id="description").text = description
        Xml.SubElement(self._svg, "style").text = _STYLE
        self.box(0, 0, width, height, "ground", radius=12)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        kind: str,
        *,
        tower: int | None = None,
        radius: float = 6,
    ) -> None:
        """A rectangle from its upper left corner; ``kind`` is its class in the style."""
        self._add(
            "rect", kind, tower, x=x, y=y, width=width, height=height, rx=min(radius, width / 2)
        )

    def text(self, x: float, y: float, content: str, kind: str = "") -> None:
        """One line of text on the base line ``y``; nothing where there is nothing to say."""
        if content:
            self._add("text", kind, None, x=x, y=y).text = content

    def arrow(self, start: Point, end: Point, tower: int, *, is_within: bool = False) -> None:
        """A curve that leaves and arrives downwards; dashed where it stays ``is_within``."""
        (x0, y0), (x1, y1) = start, end
        half = (y0 + y1 - _HEAD) / 2
        curve = f"M{x0:g} {y0:g}C{x0:g} {half:g} {x1:g} {half:g} {x1:g} {y1 - _HEAD:g}"
        self._add("path", "arrow within" if is_within else "arrow", tower, d=curve)
        head = f"M{x1:g} {y1:g}l{-_HEAD / 2:g} {-_HEAD}h{_HEAD}z"
        self._add("path", "head", tower, d=head)

    def file(self) -> str:
        """The whole SVG file."""
        Xml.indent(self._svg)
        return Xml.tostring(self._svg, encoding="unicode") + "\n"

    def _add(
        self, name: str, kind: str, tower: int | None, **attributes: float | str
    ) -> Xml.Element:
        if tower is not None:
            kind += f" tower{tower % _COLOURS}"
        written = {
            key: value if isinstance(value, str) else f"{round(value, 1):g}"
            for key, value in attributes.items()
        }
        return Xml.SubElement(self._svg, name, written | ({"class": kind} if kind else {}))
