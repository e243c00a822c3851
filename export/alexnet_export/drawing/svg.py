"""A repository's dataflow as an SVG: a lane a tower, a panel a device, crossing arrows."""

from __future__ import annotations

from itertools import groupby

from alexnet_export.drawing.caption import caption, describe
from alexnet_export.drawing.dataflow import Dataflow, Part, Transfer
from alexnet_export.drawing.layer_share import LayerShare
from alexnet_export.drawing.sheet import Sheet
from alexnet_export.facts import sums

# Lengths in px; two lanes make a sheet of 800.
_MARGIN, _LANE, _GAP = 24, 352, 48
_TOP = 84  # where the panels begin
_INTAKE = 92  # from a panel's top to its first part
_PART = 320  # width of a part, in the middle of its lane
_TITLE, _MAPS, _UNITS, _SPACE = 28, 46, 30, 6
_BAND = 96  # between two stages
_CROSSING = 92  # from a lane's middle to where its crossing arrows start and end
_OUTLET = 80  # from the last part to the panel's end
_FOOT = 72
_SKETCH = 34  # side of the network's largest maps


def draw_svg(flow: Dataflow) -> str:
    """Draw the flow; returns a whole SVG file, in which neither version nor digest stands."""
    return _Lanes(flow).drawing()


class _Lanes:
    """Where the lanes and the stages stand on the sheet."""

    def __init__(self, flow: Dataflow) -> None:
        lanes = len(flow.devices)
        self._flow = flow
        self._middles = [_MARGIN + _LANE // 2 + lane * (_LANE + _GAP) for lane in range(lanes)]
        self._tops, y = [], _TOP + _INTAKE
        for stage in flow.stages:
            self._tops.append(y)
            y += max(map(_height, stage.parts)) + _BAND
        self._end = y - _BAND + _OUTLET
        self._width = self._middles[-1] + _LANE // 2 + _MARGIN
        shares = [s for stage in flow.stages for part in stage.parts for s in part.layers]
        self._pixel = _SKETCH / max(max(share.activation[1:], default=0) for share in shares)
        self._title = f"{flow.manifest['dialect']} in {flow.manifest['precision']}"
        self._sheet = Sheet(
            self._width, self._end + _FOOT, f"{self._title} on {_places(flow)}", self._told()
        )

    def _told(self) -> str:
        """The drawing in sentences, for who does not see it."""
        parts = [
            f"{part.step.model} on {part.step.device}: "
            + ", ".join(share.name for share in part.layers)
            for stage in self._flow.stages
            for part in stage.parts
        ]
        return " ".join([*(f"{part}." for part in parts), *sums(self._flow)])

    def drawing(self) -> str:
        flow, sheet = self._flow, self._sheet
        sheet.text(_MARGIN, 42, self._title, "title")
        sheet.text(_MARGIN, 64, _subtitle(flow), "soft")
        self._panels()
        for part in flow.stages[0].parts:
            middle = self._middles[part.tower]
            sheet.text(middle, _TOP + 58, describe(flow.images), "soft middle")
            sheet.arrow((middle, _TOP + 66), (middle, _TOP + _INTAKE), part.tower)
        for number, stage in enumerate(flow.stages):
            if number:
                self._exchange(number)
            for part in stage.parts:
                self._part(part, self._tops[number])
        self._answers()
        for line, text in enumerate(sums(flow)):
            sheet.text(_MARGIN, self._end + 32 + 22 * line, text, "" if line else "strong")
        return sheet.file()

    def _panels(self) -> None:
        lanes = list(enumerate(self._flow.devices))
        for _, group in groupby(lanes, key=lambda lane: lane[1]):
            towers = [tower for tower, _ in group]
            left = self._middles[towers[0]] - _LANE // 2
            right = self._middles[towers[-1]] + _LANE // 2
            self._sheet.box(left, _TOP, right - left, self._end - _TOP, "device", radius=10)
        for tower, device in lanes:
            left = self._middles[tower] - _PART // 2
            name = f"Tower {tower}" if len(lanes) > 1 else "Whole network"
            self._sheet.text(left, _TOP + 30, name, "strong")
            self._sheet.text(left + _PART, _TOP + 30, device, "model right")

    def _part(self, part: Part, top: int) -> None:
        left = self._middles[part.tower] - _PART // 2
        self._sheet.box(left, top, _PART, _height(part), "part", radius=8)
        self._sheet.text(left + 12, top + 19, part.step.model, "model")
        y = top + _TITLE
        for share in part.layers:
            self._layer(share, left + _SPACE, y, part.tower)
            y += _layer_height(share) + _SPACE

    def _layer(self, share: LayerShare, left: int, top: int, tower: int) -> None:
        sheet, said, height = self._sheet, caption(share), _layer_height(share)
        width = _PART - 2 * _SPACE
        sheet.box(left, top, width, height, "layer", tower=tower)
        # One line of text stands in the middle, two share the height.
        base, end = top + (19 if said.behind else height // 2 + 5), left + width - 12
        sheet.text(left + 54, base, said.name, "strong")
        sheet.text(left + 108, base, said.operation)
        sheet.text(end, base, f"{said.size} {said.side}".rstrip(), "right")
        if said.behind:
            sheet.text(left + 108, top + 37, said.behind, "soft")
            sheet.text(end, top + 37, said.pooled, "soft right")
        self._sketch(share, left + 28, top + height / 2, tower)

    def _sketch(self, share: LayerShare, x: float, y: float, tower: int) -> None:
        """The layer's maps around ``x, y`` to scale, and inside them what pooling keeps."""
        if len(share.activation) == 1:
            self._sheet.box(x - 2, y - 9, 4, 18, "kept", tower=tower, radius=2)
            return
        for kind, dims in (("maps", share.activation), ("kept", share.output)):
            side = dims[-1] * self._pixel
            self._sheet.box(x - side / 2, y - side / 2, side, side, kind, tower=tower, radius=2)

    def _exchange(self, number: int) -> None:
        """The arrows from one stage down to the next."""
        before, stage = self._flow.stages[number - 1 : number + 1]
        bottom, top = self._tops[number] - _BAND, self._tops[number]
        for tower in {part.tower for part in before.parts} & {part.tower for part in stage.parts}:
            middle = self._middles[tower]
            self._sheet.arrow((middle, bottom), (middle, top), tower)
        for transfer in stage.exchange:
            self._crossing(transfer, bottom, top)
        if len(stage.exchange) > 1:
            centre = (self._middles[0] + self._middles[-1]) // 2
            total = f"{stage.bytes_between_towers:,} bytes"
            self._sheet.box(centre - 62, top - 32, 124, 24, "device", radius=12)
            self._sheet.text(centre, top - 15, total, "strong middle")

    def _crossing(self, transfer: Transfer, bottom: int, top: int) -> None:
        maker, reader = transfer.maker.tower, transfer.reader.tower
        aside = _CROSSING if maker < reader else -_CROSSING
        start, end = self._middles[maker] + aside, self._middles[reader] - aside
        within = not transfer.is_between_devices
        self._sheet.arrow((start, bottom), (end, top), maker, is_within=within)
        x, y = start + 0.16 * (end - start), bottom + 25  # on the curve, before it crosses
        self._sheet.box(x - 52, y - 11, 104, 22, "layer", tower=maker, radius=11)
        self._sheet.text(x, y + 5, f"{transfer.value.bytes:,} bytes", "middle")

    def _answers(self) -> None:
        for part in self._flow.stages[-1].parts:
            middle, y = self._middles[part.tower], self._end - _OUTLET
            self._sheet.arrow((middle, y), (middle, y + 28), part.tower)
            for line, value in enumerate(self._flow.answers):
                self._sheet.text(middle, y + 44 + 18 * line, describe(value), "soft middle")


def _subtitle(flow: Dataflow) -> str:
    text = f"layout {flow.manifest['layout']} on {_places(flow)}; bytes are those of one picture"
    dashed = any(not each.is_between_devices for stage in flow.stages for each in stage.exchange)
    return text + ("; dashed: between towers, on one device" if dashed else "")


def _places(flow: Dataflow) -> str:
    return " and ".join(dict.fromkeys(flow.devices))


def _height(part: Part) -> int:
    return _TITLE + sum(_layer_height(share) + _SPACE for share in part.layers)


def _layer_height(share: LayerShare) -> int:
    return _MAPS if len(share.activation) > 1 else _UNITS
