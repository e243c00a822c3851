"""The frame of the pages that commands write: one file, no script, no request to anywhere.

It follows the reader's light or dark setting, needs no mouse (a region that scrolls can be
reached by the Tab key) and names every part for a screen reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from alexnet_client.names import printable
from alexnet_client.whole_file import whole_file

# A page opened from a disk may load pictures from that disk and nothing from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self' file:"

_STYLE = """
:root { color-scheme: light dark; --text: light-dark(#1a1d21, #eceef0);
  --quiet: light-dark(#52585f, #a9b0b8); --ground: light-dark(#ffffff, #14171a);
  --panel: light-dark(#f3f5f7, #1e2327); --line: light-dark(#cfd5db, #3a424a);
  --mark: light-dark(#7db4f5, #2a5d9c); --wrong: light-dark(#a8221a, #ff9c92);
  --right: light-dark(#14683a, #74d69c); --focus: light-dark(#0b57c4, #8cc0ff); }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; color: var(--text);
  background: var(--ground); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
p, li, dd { max-width: 70ch; }
.quiet { color: var(--quiet); }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
a { color: var(--focus); } :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: var(--quiet); } dd { margin: 0; }
.scroll { overflow: auto; width: fit-content; max-width: 100%; max-height: 80vh;
  border: 1px solid var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .3rem .6rem; color: var(--quiet); }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th[scope=row], thead th:first-child { text-align: left; }
tr > .text { text-align: left; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
.figures li { padding: .8rem 1.2rem; background: var(--panel); border-radius: .5rem; }
.figures strong { display: block; font-size: 2rem; line-height: 1.3; }
.cell { background: color-mix(in srgb, var(--mark) calc(var(--share) * 100%), transparent); }
.matrix th { overflow-wrap: normal; } .matrix td { min-width: 2.6rem; }
svg { display: block; width: 100%; max-width: 60rem; border: 1px solid var(--line); }
svg rect { fill: var(--mark); }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: 1rem; padding: 0; list-style: none; }
.pictures > li { padding: .8rem; background: var(--panel); border-radius: .5rem; }
.pictures img { display: block; max-width: 100%; height: 10rem; object-fit: contain; }
.pictures p { margin: .4rem 0; }
.bars { margin: 0; padding: 0; list-style: none; }
.bars li { padding: 0 .4rem; margin: .15rem 0; border-left: 4px solid transparent;
  background: linear-gradient(to right, var(--mark) calc(var(--share) * 100%), transparent 0);
  display: flex; justify-content: space-between; gap: 1rem; }
.bars .is-right { border-left-color: var(--right); font-weight: bold; }
.drawing img { max-width: 100%; height: auto; background: #ffffff; }
.wrong { color: var(--wrong); font-weight: bold; }
.right { color: var(--right); font-weight: bold; }
"""


def document(title: str, body: Iterable[str]) -> Iterator[str]:
    """Yield a whole page, piece by piece; ``body`` is HTML."""
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the content</a>\n'
        f'<main id="content" tabindex="-1">\n<h1>{text(title)}</h1>\n'
    )
    yield from body
    yield "</main>\n</body></html>\n"


def write(page: Path, pieces: Iterable[str]) -> None:
    """Write a page whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(page) as file:
        file.writelines(piece.encode() for piece in pieces)


def text(value: object) -> str:
    """Return what may stand in HTML for any text, also between quotes."""
    return escape(printable(str(value)))


def percent(share: float | None) -> str:
    """Return a share as ``81.2 %``; a dash where there is none."""
    return "-" if share is None else f"{share * 100:.1f} %"


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return a list of names and what they are."""
    rows = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs)
    return f"<dl>{rows}</dl>\n"


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int = 1
) -> str:
    """Return a table that scrolls in itself; the first column names its row.

    ``texts``: how many columns, from the left, hold text and not figures.
    """
    columns = "".join(
        f'<th scope="col"{_text_class(n, texts)}>{text(h)}</th>' for n, h in enumerate(head)
    )
    lines = []
    for first, *others in rows:
        cells = "".join(
            f"<td{_text_class(n, texts)}>{text(cell)}</td>" for n, cell in enumerate(others, 1)
        )
        lines.append(f'<tr><th scope="row">{text(first)}</th>{cells}</tr>\n')
    inner = f"<thead><tr>{columns}</tr></thead>\n<tbody>{''.join(lines)}</tbody>"
    return scrolling(caption, f"<table><caption>{text(caption)}</caption>{inner}</table>")


def scrolling(name: str, html: str) -> str:
    """Return a region that scrolls and that the keyboard reaches."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(name)}">{html}</div>\n'
    )


def _text_class(column: int, texts: int) -> str:
    return ' class="text"' if column < texts else ""
