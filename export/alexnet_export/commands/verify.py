"""``alexnet-export verify``: check what is deployed as a server does before it starts."""

from __future__ import annotations

import argparse
from typing import Any

from alexnet_export.verify import Verified, verify


def add(commands: Any) -> None:  # noqa: ANN401 (argparse does not name the type)
    """Add the subcommand and its flags."""
    parser = commands.add_parser(
        "verify",
        help="check what is deployed: files, graphs, configurations, known answers",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    print("\n".join(_lines(verify(options.repository))))
    return 0


def _lines(found: Verified) -> list[str]:
    manifest = found.repository.manifest
    model, known = manifest["model"], found.known_answers
    if known is None:
        answers = "not asked: onnxruntime is not installed (pip install alexnet-export[prove])"
    else:
        answers = f"given to {known.pictures} pictures, feature cosine {known.least_cosine:.6f}"
    return [
        f"repository      {found.repository.root}: version {model['version']} "
        f"({model['digest'][:12]}), {manifest['dialect']}, {manifest['layout']} on "
        f"{', '.join(manifest['devices'])}, {manifest['precision']}",
        f"files           {found.files} as the manifest lists them (sha256), no other, no link",
        f"graphs          {found.graphs} hold known operators only, no external data, and are "
        "where their names say",
        f"configurations  {found.configurations} agree with graphs, labels and versions; the "
        f"ensemble's {len(found.repository.steps())} steps are complete",
        f"known answers   {answers}",
    ]
