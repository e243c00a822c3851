"""A repository's dataflow as text: a column a tower, 80 characters wide for the paper's network."""

from __future__ import annotations

from itertools import pairwise

from alexnet_export.drawing.caption import TIMES, caption, describe, size
from alexnet_export.drawing.dataflow import Dataflow, Part, Stage, Transfer
from alexnet_export.drawing.layer_share import LayerShare

_GAP = 6  # characters between two columns
_PLAIN = str.maketrans(f"┌┐└┘├┤┬─│┄►◄▼{TIMES}", "+++++++-|.><vx")


def draw_text(flow: Dataflow) -> str:
    """Draw the pictures coming in, the parts in boxes, what crosses between them, the answers."""
    return "\n".join(row.rstrip() for row in _Columns(flow).rows())


def plain(drawing: str) -> str:
    """The same in ASCII, for where other characters cannot be printed."""
    return drawing.translate(_PLAIN)


class _Columns:
    """A column a tower: boxes of one width, a line from box to box at the column's centre."""

    def __init__(self, flow: Dataflow) -> None:
        self._flow = flow
        parts = [part for stage in flow.stages for part in stage.parts]
        lines = [line for part in parts for share in part.layers for line in _layer_lines(share)]
        self._width = max(
            *(len(left) + len(right) + 5 for left, right in lines),
            *(len(part.step.model) + 6 for part in parts),
            *(len(describe(value)) for value in (flow.images, *flow.answers)),
        )
        self._centres = [
            column * (self._width + _GAP) + self._width // 2 for column in range(len(flow.devices))
        ]

    def rows(self) -> list[str]:
        flow = self._flow
        first, last = flow.stages[0], flow.stages[-1]
        heads = {
            part.tower: f"all on {part.step.device}"
            if part.is_whole
            else f"tower {part.tower} on {part.step.device}"
            for part in first.parts
        }
        return [
            self._centred(heads),
            "",
            self._centred(dict.fromkeys(heads, describe(flow.images))),
            self._centred(dict.fromkeys(heads, "▼")),
            *self._boxes(first),
            *(
                row
                for before, stage in pairwise(flow.stages)
                for row in (*self._exchange(before, stage), *self._boxes(stage))
            ),
            *(
                self._centred({part.tower: text for part in last.parts})
                for text in ("▼", *map(describe, flow.answers))
            ),
        ]

    def _boxes(self, stage: Stage) -> list[str]:
        boxes = {part.tower: self._box(part) for part in stage.parts}
        height = max(map(len, boxes.values()))
        return [
            self._centred({tower: box[row] for tower, box in boxes.items()})
            for row in range(height)
        ]

    def _box(self, part: Part) -> list[str]:
        inner = self._width - 4
        lines = [line for share in part.layers for line in _layer_lines(share)]
        foot = ["─"] * (self._width - 2)
        foot[self._width // 2 - 1] = "┬"
        return [
            f"┌─ {part.step.model} ".ljust(self._width - 1, "─") + "┐",
            *(f"│ {left}{right.rjust(inner - len(left))} │" for left, right in lines),
            f"└{''.join(foot)}┘",
        ]

    def _exchange(self, before: Stage, stage: Stage) -> list[str]:
        """The lines from stage to stage, with an arrow for each value that crosses."""
        staying = {part.tower for part in stage.parts}
        coming = {part.tower for part in before.parts}
        rows = [self._centred(dict.fromkeys(coming, "│"))]
        for number, transfer in enumerate(stage.exchange, start=1):
            later = {each.maker.tower for each in stage.exchange[number:]}
            rows.append(self._arrow(transfer, goes_on=transfer.maker.tower in staying | later))
        if stage.exchange:
            rows.append(self._total(stage, staying))
        return [*rows, self._centred(dict.fromkeys(staying, "▼"))]

    def _arrow(self, transfer: Transfer, goes_on: bool) -> str:
        """``├── label ──►│`` from the maker's line to the reader's; the maker's may end there."""
        start, end = (self._centres[part.tower] for part in (transfer.maker, transfer.reader))
        fill = "─" if transfer.is_between_devices else "┄"
        label = (
            f" {transfer.value.name} {size(transfer.value.dims)}, {transfer.value.bytes:,} bytes "
        )
        shaft = label.center(abs(end - start) - 2, fill)
        if start < end:
            return " " * start + ("├" if goes_on else "└") + shaft + "►│"
        return " " * end + "│◄" + shaft + ("┤" if goes_on else "┘")

    def _total(self, stage: Stage, lines: set[int]) -> str:
        dtypes = sorted({each.value.dtype for each in stage.exchange})
        text = f"{stage.bytes_between_towers:,} bytes {' and '.join(dtypes)}"
        if not stage.bytes_between_devices:
            text += f", none leaves {stage.exchange[0].reader.step.device}"
        middle = (self._centres[0] + self._centres[-1]) // 2
        row = self._centred(dict.fromkeys(lines, "│")).ljust(self._centres[-1] + 1)
        start = middle - len(text) // 2
        return row[:start] + text + row[start + len(text) :]

    def _centred(self, cells: dict[int, str]) -> str:
        """One row: a text at the middle of each tower's column."""
        row = ""
        for tower, text in sorted(cells.items()):
            row = row.ljust(self._centres[tower] - len(text) // 2) + text
        return row


def _layer_lines(share: LayerShare) -> list[tuple[str, str]]:
    """What stands left and right in the box of a part: the layer, then what is behind it."""
    said = caption(share)
    indent = len("conv1  ")
    lines = [
        (said.name.ljust(indent) + said.operation, f"{said.size} {said.side.rjust(5)}".rstrip())
    ]
    if said.behind:
        lines.append((" " * indent + said.behind, said.pooled.rjust(5)))
    return lines
