"""``alexnet-export import``: a public AlexNet as a run folder, ready to be deployed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tqdm import tqdm

from alexnet_export.checkpoint import file_digest
from alexnet_export.errors import DownloadError, ExportError, OfflineError
from alexnet_export.importing.imagenet_names import imagenet_names
from alexnet_export.importing.imported_run import Origin, imported, write_imported

if TYPE_CHECKING:
    from alexnet_export.importing.download import RemoteFile

EXIT_OFFLINE = 3
_OUT = {"caffe": Path("runs/imagenet"), "torchvision": Path("runs/torchvision")}
_EPILOG = """examples:
  alexnet-export import caffe --download
  alexnet-export import torchvision --file alexnet-owt-7be5be79.pth
  alexnet-export import caffe --file bvlc_alexnet.caffemodel --mean imagenet_mean.binaryproto
  alexnet-export deploy runs/imagenet                what came of it, over two towers

Without --file and without --download, the file is looked for in the folder of downloads.  The
same import again does nothing anew.

exit codes: 0 done, or done before; 1 refused or failed (the message says why); 2 usage;
3 the network is closed (the message says what to fetch where); 130 Ctrl-C (what came is kept)
"""


def add(commands: Any, published: Mapping[str, RemoteFile] | None) -> None:  # noqa: ANN401
    """Add the subcommand and its flags; ``published`` is the table of the files it knows."""
    parser = commands.add_parser(
        "import",
        help="make a checkpoint of a public AlexNet, exactly",
        description="Make a run folder of a public AlexNet, with its 1000 classes: caffe is "
        "bvlc_alexnet with its two towers, torchvision the network of one tower of 2014.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", choices=sorted(_OUT), help="whose network")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--file", type=Path, metavar="FILE", help="the file, where it is at hand")
    way.add_argument(
        "--download", action="store_true", help="fetch the file, if it is not there yet"
    )
    parser.add_argument(
        "--downloads",
        type=Path,
        default=Path("data/downloads"),
        metavar="FOLDER",
        help="where fetched files are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--mean",
        type=Path,
        metavar="FILE",
        help="caffe: a mean image (imagenet_mean.binaryproto) instead of the mean pixel",
    )
    parser.add_argument(
        "--unverified",
        action="store_true",
        help="take a --file of the same structure that is not the published one",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="the run folder (caffe: runs/imagenet, torchvision: runs/torchvision)",
    )
    parser.set_defaults(run=_run, published=published)


def _run(options: argparse.Namespace) -> int:
    if options.unverified and options.file is None:
        raise ExportError("--unverified is for --file: a download is always the published file")
    if options.mean is not None and options.source != "caffe":
        raise ExportError("--mean is for caffe: torchvision's network has a mean pixel")
    try:
        _import(options)
    except OfflineError as error:
        print(f"alexnet-export: {error}", file=sys.stderr)
        return EXIT_OFFLINE
    return 0


def _import(options: argparse.Namespace) -> None:
    out = options.out or _OUT[options.source]
    former = imported(out)
    mean_sha256 = None if options.mean is None else _digest(options.mean)
    published: RemoteFile = _table(options)[options.source]
    if options.file is None and former and _is_of(former[0], published, mean_sha256):
        _tell(f"already imported: {out} ({former[1][:12]})")
        return
    file: Path = options.file or _published_file(options, published)
    origin = Origin(options.source, _digest(file), mean_sha256, not options.unverified)
    if former and former[0] in (origin, replace(origin, is_verified=True)):
        _tell(f"already imported: {out} ({former[1][:12]})")
        return
    _tell(f"importing {file} ({file.stat().st_size:,} bytes, sha256 {origin.sha256})")
    # The other commands do without what reads foreign files, and fetches them.
    from alexnet_export.importing.source import read  # noqa: PLC0415

    checkpoint = read(
        options.source,
        file,
        verified=not options.unverified,
        mean=options.mean,
        classes=imagenet_names(),
        published=_table(options),
    )
    digest = write_imported(checkpoint, origin, out)
    _tell(
        f"imported into {out} ({digest[:12]}): {checkpoint.dialect.name}, "
        f"{len(checkpoint.classes):,} classes\nserve it: alexnet-export deploy {out}"
    )


def _table(options: argparse.Namespace) -> Mapping[str, RemoteFile]:
    """The file that each source has published."""
    if options.published is not None:
        return cast("Mapping[str, RemoteFile]", options.published)
    from alexnet_export.importing.published import PUBLISHED  # noqa: PLC0415

    return PUBLISHED


def _is_of(origin: Origin, published: RemoteFile, mean_sha256: str | None) -> bool:
    """Whether a run folder came of the published file, which need not be there any more."""
    return origin.mean_sha256 == mean_sha256 and origin.sha256.startswith(published.sha256)


def _published_file(options: argparse.Namespace, published: RemoteFile) -> Path:
    from alexnet_export.importing.download import by_hand, fetch, is_there  # noqa: PLC0415

    if options.download:
        return fetch(published, options.downloads, _tell)
    file: Path = options.downloads / published.name
    if not is_there(published, file):
        raise DownloadError(
            f"{file} is not there: --download fetches it ({published.size_bytes:,} bytes), --file "
            f"names it elsewhere.\n{by_hand(published, options.downloads)}"
        )
    return file


def _digest(file: Path) -> str:
    if not file.is_file():
        raise ExportError(f"{file} is a folder" if file.is_dir() else f"no file at {file}")
    return file_digest(file)


def _tell(line: str) -> None:
    tqdm.write(line, file=sys.stderr)  # above a progress bar, where there is one
