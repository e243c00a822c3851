"""``alexnet-export show``: what is deployed, and the way of a picture through it."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alexnet_export.drawing.dataflow import Dataflow, Part, Stage, read_dataflows
from alexnet_export.drawing.layer_share import LayerShare
from alexnet_export.drawing.svg import draw_svg
from alexnet_export.drawing.text import draw_text, plain
from alexnet_export.facts import facts, sums
from alexnet_export.layers import Convolution
from alexnet_export.stages import NormAndPool
from alexnet_repository.repository import open_repository

_COLUMNS = 80
_EPILOG = """examples:
  alexnet-export show
  alexnet-export show --json | jq .bytes_a_picture
  alexnet-export show --svg towers.svg

exit codes: 0 done, 1 nothing is deployed or the repository was changed (the message says what)
"""


def add(commands: Any) -> None:  # noqa: ANN401 (argparse does not name the type)
    """Add the subcommand and its flags."""
    parser = commands.add_parser(
        "show",
        help="draw what is deployed: what runs where, what crosses, how many bytes a picture",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the same as data, with the manifest")
    form.add_argument("--svg", type=Path, metavar="FILE", help="write the drawing into a file")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    flow, *others = flows = read_dataflows(open_repository(options.repository))
    if options.json:
        data = _data(flow)
        if others:
            data["networks"] = [_data(each)["stages"] for each in flows]
        print(json.dumps(data, indent=2, sort_keys=True))
    elif options.svg:
        options.svg.write_text(draw_svg(flow), encoding="utf-8")
        which = f" (the first of {len(flows)} networks)" if others else ""
        print(f"drawn into {options.svg}{which}", file=sys.stderr)
    else:
        print(_printable(_page(flows)))
    return 0


def _page(flows: list[Dataflow]) -> str:
    named = [
        textwrap.fill(text, _COLUMNS, initial_indent=name.ljust(12), subsequent_indent=" " * 12)
        for name, text in facts(flows[0].manifest)
    ]
    drawn = [line for flow in flows for line in ("", draw_text(flow), "", *sums(flow))]
    return "\n".join([*named, *drawn])


def _data(flow: Dataflow) -> dict[str, Any]:
    """What the drawing shows, as JSON values; sizes and bytes are those of one picture."""
    return {
        "manifest": flow.manifest,
        "images": asdict(flow.images),
        "stages": [_stage_data(stage) for stage in flow.stages],
        "answers": [asdict(value) for value in flow.answers],
        "bytes_a_picture": {
            "between_towers": flow.bytes_between_towers,
            "between_devices": flow.bytes_between_devices,
        },
    }


def _stage_data(stage: Stage) -> dict[str, Any]:
    return {
        "parts": [
            {
                **asdict(part.step),
                "tower": part.tower,
                "is_whole": part.is_whole,
                "layers": [_layer_data(share) for share in part.layers],
            }
            for part in stage.parts
        ],
        "exchange": [
            {
                **asdict(transfer.value),
                "from": _place(transfer.maker),
                "to": _place(transfer.reader),
            }
            for transfer in stage.exchange
        ],
        "bytes_between_towers": stage.bytes_between_towers,
        "bytes_between_devices": stage.bytes_between_devices,
    }


def _layer_data(share: LayerShare) -> dict[str, Any]:
    found = {key: value for key, value in asdict(share).items() if key != "layer"}
    if isinstance(share.layer, Convolution):
        settings = asdict(share.layer)
        found |= {key: settings[key] for key in ("kernel", "stride", "padding", "norm", "pool")}
    elif isinstance(share.layer, NormAndPool):
        settings = asdict(share.layer.convolution)
        found |= {key: settings[key] for key in ("norm", "pool")}
    return found


def _place(part: Part) -> dict[str, Any]:
    return {"model": part.step.model, "tower": part.tower, "device": part.step.device}


def _printable(text: str) -> str:
    """The text, in ASCII where standard output has no other characters (a POSIX locale)."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return plain(text)
    return text
