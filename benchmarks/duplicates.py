"""How far apart copies of a photo are, and how far the nearest other photo: for /duplicates.

    .venv/bin/python -m benchmarks.duplicates
    .venv/bin/python -m benchmarks.duplicates --photos ../shared/data --repository model_repository

Of some photos copies are made: compressed again (JPEG, quality 50), scaled to half their size, and
cut by 2 % on each side.  Each copy's distance from its photo is set beside every photo's distance
from the nearest other one.  A photo's nearest other one may itself be a copy that nobody marked.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.arguments import parser_of
from benchmarks.result import machine

Features = npt.NDArray[np.float32]
_BATCH = 16
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_CUT = 0.02  # of each side
_COPIES_FOUND = (0.5, 0.9, 0.95, 0.99, 1.0)
_METRICS: dict[str, Callable[[Features], Features]] = {
    "l2": lambda rows: rows,
    # Of vectors of length 1: |a - b|^2 = 2 - 2 cos.
    "cosine": lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True),
}


def main() -> None:
    """Measure and print the tables."""
    arguments = _arguments()
    paths = sorted(path for path in arguments.photos.rglob("*") if path.suffix.lower() in _SUFFIXES)
    chosen = np.random.default_rng(arguments.seed).permutation(len(paths))[: arguments.copies]
    repository = open_repository(arguments.repository)
    network = LocalNetwork(repository)
    kinds = {"JPEG 50": _compressed, "half size": _halved, "cut by 2 %": _cut}
    with tqdm(total=len(paths) + len(chosen) * len(kinds), disable=None) as progress:
        photos = _features(network, (path.read_bytes() for path in paths), progress)
        copies = {
            kind: _features(network, (change(paths[n]) for n in chosen), progress)
            for kind, change in kinds.items()
        }
    described = machine()
    sys.stdout.write(
        f"{described['processor']}, {described['cores']} cores; model {repository.digest[:12]} "
        f"({repository.manifest['about']}); {len(paths):,} photos, copies of "
        f"{len(chosen)}; mean length of the features "
        f"{np.linalg.norm(photos, axis=1).mean():.1f}\n"
    )
    for metric in _METRICS:
        sys.stdout.write(_text(metric, photos, copies, chosen))


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--photos", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--copies", type=int, default=300, help="photos that are copied (300)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _features(network: LocalNetwork, pictures: Iterable[bytes], progress: tqdm) -> Features:
    """float32 [n, units]."""
    rows: list[Features] = []
    batch: list[npt.NDArray[np.uint8]] = []
    for data in pictures:
        batch.append(views(decode(data), 1, network.view_side))
        if len(batch) == _BATCH:
            rows.append(network.run(np.concatenate(batch)).features)
            progress.update(len(batch))
            batch = []
    if batch:
        rows.append(network.run(np.concatenate(batch)).features)
        progress.update(len(batch))
    return np.concatenate(rows)


def _text(
    metric: str,
    photos: Features,
    copies: dict[str, Features],
    chosen: npt.NDArray[np.intp],
) -> str:
    rows = _METRICS[metric](photos)
    far = {
        kind: _apart(metric, _METRICS[metric](made), rows[chosen]) for kind, made in copies.items()
    }
    nearest = _nearest(metric, rows)
    header = f"{'':>16}  {'p1':>7}  {'p50':>7}  {'p90':>7}  {'p99':>7}  {'most':>7}"
    lines = ["", f"{metric}: distance from the photo", header]
    for kind, found in (*far.items(), ("nearest other", nearest)):
        shown = np.percentile(found, (1, 50, 90, 99, 100))
        lines.append(f"{kind:>16}  " + "  ".join(f"{value:7.3f}" for value in shown))
    lines += ["", "  max_distance  " + "  ".join(far) + "  photos with another one within"]
    every = np.concatenate(list(far.values()))
    for share in _COPIES_FOUND:
        limit = float(np.quantile(every, share))
        within = "  ".join(
            f"{100 * np.mean(found <= limit):{max(5, len(kind) - 2)}.1f} %"
            for kind, found in far.items()
        )
        lines.append(f"  {limit:12.3f}  {within}  {100 * np.mean(nearest <= limit):6.2f} %")
    return "\n".join(lines) + "\n"


def _apart(metric: str, some: Features, others: Features) -> Features:
    apart: Features = np.linalg.norm(some - others, axis=1).astype(np.float32)
    return _in_metric(metric, apart)


def _in_metric(metric: str, apart: Features) -> Features:
    """The distance where the rows of _METRICS are ``apart``."""
    return apart if metric == "l2" else np.multiply(apart, apart / 2, dtype=np.float32)


def _nearest(metric: str, rows: Features) -> Features:
    """Distance of each row from the nearest other one."""
    squares = np.einsum("ij,ij->i", rows, rows)
    found: Features = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), 512):
        some = rows[start : start + 512]
        square = squares[start : start + 512, None] + squares - 2 * some @ rows.T
        square[np.arange(len(some)), np.arange(start, start + len(some))] = np.inf
        found[start : start + 512] = np.maximum(square.min(axis=1), 0)
    apart: Features = np.sqrt(found).astype(np.float32)
    return _in_metric(metric, apart)


def _compressed(path: Path) -> bytes:
    return _jpeg(_open(path), 50)


def _halved(path: Path) -> bytes:
    picture = _open(path)
    return _jpeg(picture.resize((max(1, picture.width // 2), max(1, picture.height // 2))), 90)


def _cut(path: Path) -> bytes:
    picture = _open(path)
    across, down = round(picture.width * _CUT), round(picture.height * _CUT)
    return _jpeg(picture.crop((across, down, picture.width - across, picture.height - down)), 90)


def _open(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "jpeg", quality=quality)
    return out.getvalue()


if __name__ == "__main__":
    main()
