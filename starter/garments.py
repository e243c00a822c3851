"""What is drawn: each function lays one kind of clothing on a canvas, in places from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable

from starter.cloth import Canvas, Colour, Picture, both

Pattern = Callable[[Picture], Picture]
DARK: Colour = (34, 32, 36)


def plain(cloth: Picture) -> Picture:
    """Of one colour."""
    return cloth


def t_shirt(canvas: Canvas, colour: Colour, pattern: Pattern = plain) -> None:
    """Short sleeves, a round neck."""
    half = [(0.5, 0.235), (0.56, 0.215), (0.6, 0.18), (0.7, 0.215), (0.9, 0.36), (0.8, 0.46)]
    half += [(0.72, 0.405), (0.725, 0.6), (0.73, 0.83), (0.5, 0.845)]
    canvas.lay(both(half), colour, pattern)
    shade = _darker(colour, 0.75)
    canvas.spot(both([(0.5, 0.185), (0.59, 0.185), (0.555, 0.22), (0.5, 0.24)]), shade, 0.7)
    canvas.line([(0.4, 0.185), (0.44, 0.222), (0.5, 0.243), (0.56, 0.222), (0.6, 0.185)], shade, 3)
    for side in (0, 1):
        canvas.line([(abs(side - 0.715), 0.25), (abs(side - 0.72), 0.4)], shade, 1.5)
        canvas.line([(abs(side - 0.885), 0.355), (abs(side - 0.79), 0.45)], shade, 1.5)
    canvas.line([(0.28, 0.81), (0.5, 0.825), (0.72, 0.81)], shade, 1.5)


def pants(canvas: Canvas, colour: Colour, pattern: Pattern = plain) -> None:
    """Two long legs."""
    half = [(0.5, 0.085), (0.64, 0.08), (0.68, 0.2), (0.7, 0.5), (0.7, 0.94), (0.57, 0.945)]
    half += [(0.545, 0.6), (0.5, 0.36)]
    canvas.lay(both(half), colour, pattern)
    _waist(canvas, colour, (0.36, 0.64), 0.085, 0.36)
    shade = _darker(colour, 0.7)
    for side in (0, 1):
        canvas.line([(abs(side - 0.62), 0.4), (abs(side - 0.63), 0.9)], _darker(colour, 0.85), 1.5)
        canvas.line([(abs(side - 0.695), 0.92), (abs(side - 0.57), 0.925)], shade, 1.5)


def shorts(canvas: Canvas, colour: Colour, pattern: Pattern = plain) -> None:
    """Two short legs."""
    half = [(0.5, 0.25), (0.68, 0.245), (0.73, 0.4), (0.79, 0.7), (0.54, 0.73), (0.5, 0.54)]
    canvas.lay(both(half), colour, pattern)
    _waist(canvas, colour, (0.32, 0.68), 0.25, 0.54)
    for side in (0, 1):
        canvas.line(
            [(abs(side - 0.785), 0.675), (abs(side - 0.54), 0.705)], _darker(colour, 0.7), 2
        )


def dress(canvas: Canvas, colour: Colour, pattern: Pattern = plain) -> None:
    """Without sleeves, waisted, to the knee."""
    half = [(0.5, 0.16), (0.55, 0.15), (0.58, 0.06), (0.63, 0.06), (0.64, 0.16), (0.67, 0.2)]
    half += [(0.65, 0.3), (0.63, 0.42), (0.69, 0.6), (0.77, 0.92), (0.6, 0.945), (0.5, 0.935)]
    canvas.lay(both(half), colour, pattern)
    shade = _darker(colour, 0.7)
    canvas.line([(0.375, 0.425), (0.5, 0.435), (0.625, 0.425)], shade, 3)
    for top, hem in ((0.43, 0.35), (0.5, 0.5), (0.57, 0.65)):
        canvas.line([(top, 0.46), (hem, 0.9)], _darker(colour, 0.85), 2)


def shoes(canvas: Canvas, colour: Colour, pattern: Pattern = plain) -> None:
    """A pair, from above, with laces."""
    for shift in (-0.21, 0.21):
        turn = 0.05 if shift > 0 else -0.05

        def at(x: float, y: float, shift: float = shift, turn: float = turn) -> tuple[float, float]:
            return 0.5 + shift + x + turn * (0.5 - y), y

        sole = [(-0.1, 0.16), (-0.17, 0.36), (-0.12, 0.6), (-0.14, 0.82), (0, 0.92)]
        sole += [(0.14, 0.82), (0.12, 0.6), (0.17, 0.36), (0.1, 0.16), (0, 0.1)]
        canvas.lay([at(*point) for point in sole], (236, 234, 228), folds=0.08)
        upper = [(0.9 * x, 0.51 + 0.93 * (y - 0.51)) for x, y in sole]
        canvas.lay([at(*point) for point in upper], colour, pattern)
        opening = [(-0.07, 0.6), (-0.085, 0.76), (0, 0.83), (0.085, 0.76), (0.07, 0.6), (0, 0.56)]
        canvas.spot([at(*point) for point in opening], DARK)
        tongue = [(-0.05, 0.34), (-0.06, 0.62), (0.06, 0.62), (0.05, 0.34)]
        canvas.spot([at(*point) for point in tongue], _darker(colour, 0.8))
        for y in (0.36, 0.42, 0.48, 0.54):
            canvas.line([at(-0.065, y), at(0.065, y + 0.035)], (240, 240, 236), 4)
            canvas.line([at(0.065, y), at(-0.065, y + 0.035)], (240, 240, 236), 4)
        canvas.line([at(-0.11, 0.3), at(0, 0.265), at(0.11, 0.3)], _darker(colour, 0.6), 2)


def hat(canvas: Canvas, colour: Colour, pattern: Pattern = plain) -> None:
    """A bucket hat, from the side and a little above."""
    brim = [(0.5, 0.5), (0.7, 0.5), (0.86, 0.66), (0.8, 0.74), (0.65, 0.79), (0.5, 0.8)]
    canvas.lay(both(brim), colour, pattern)
    shade = _darker(colour, 0.6)
    for step in (0.03, 0.06):
        ring = [(0.2, 0.66), (0.34, 0.725), (0.5, 0.745), (0.66, 0.725), (0.8, 0.66)]
        canvas.line([(x, y + step) for x, y in ring], shade, 1)
    crown = [(0.5, 0.27), (0.62, 0.275), (0.69, 0.32), (0.73, 0.6), (0.62, 0.66), (0.5, 0.675)]
    canvas.lay(both(crown), colour, pattern)
    canvas.line([(0.275, 0.6), (0.38, 0.655), (0.5, 0.672), (0.62, 0.655), (0.725, 0.6)], shade, 3)
    canvas.line([(0.32, 0.33), (0.42, 0.37), (0.5, 0.375), (0.58, 0.37), (0.68, 0.33)], shade, 2)


def _waist(
    canvas: Canvas, colour: Colour, sides: tuple[float, float], top: float, crotch: float
) -> None:
    """A waistband with a button, pockets and a fly."""
    left, right = sides
    shade = _darker(colour, 0.65)
    canvas.line([(left - 0.01, top + 0.05), (right + 0.01, top + 0.05)], shade, 2)
    canvas.line([(0.5, top + 0.02), (0.5, crotch)], shade, 2.5)
    canvas.line([(0.53, top + 0.05), (0.53, crotch - 0.1), (0.5, crotch - 0.06)], shade, 1.5)
    for side in (0, 1):
        inner, outer = abs(side - right + 0.08), abs(side - right - 0.01)
        canvas.line([(inner, top + 0.05), (inner, top + 0.1), (outer, top + 0.14)], shade, 2)
    button = [(0.49, top + 0.02), (0.51, top + 0.02), (0.51, top + 0.035), (0.49, top + 0.035)]
    canvas.spot(button, DARK)


def _darker(colour: Colour, share: float) -> Colour:
    red, green, blue = (round(share * part) for part in colour)
    return red, green, blue
