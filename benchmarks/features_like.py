"""Features like those of real photos, as many as wanted; or the statistics that they keep to.

    .venv/bin/python -m benchmarks.features_like
    .venv/bin/python -m benchmarks.features_like --photos photos --keep features.npy
    .venv/bin/python -m benchmarks.features_like --features features.npy

The first compares the features that are made with the statistics that were measured; the second
measures them again, on the features that a deployed model makes of photos, and the third on
features that were kept.

How: a picture is of one of some kinds.  Kind and picture are each a normal vector in 256
dimensions, whose variances fall as those of the photos' principal components do, and a random
matrix turns their sum into one number a unit; there is a little noise of each unit's own.  A unit
is what of it is above a threshold, which leaves the unit active as often as one of the network, and
as strong.  Pictures differ in contrast, kinds in how much their pictures differ.  Six numbers
(``generator``) are sought so that distances and variances come out as measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from benchmarks.arguments import parser_of
from benchmarks.feature_statistics import Numbers, Values, difference, statistics, variance_shares
from benchmarks.result import RESULTS

STATISTICS = RESULTS / "features_like.json"
CHUNK = 4_096  # features at a time: 64 MB
_GROUPS = 64  # of units, ordered by how often they are active
_DIMENSIONS = 256
_WORLD = 2012  # the seed of kinds and units, the same for every stream
_CALIBRATION = 2_048  # pictures that thresholds are set by
# Statistics of this many pictures are compared while seeking: distances of all to all are quick.
_SOUGHT_WITH = 1_200
_TOGETHER = 16  # pictures through the network
_START: Numbers = {
    "kinds": 60,
    "tilt": 1.2,
    "within": 0.25,
    "uneven": 0.5,
    "own": 0.04,
    "contrast": 0.2,
}


def features_like(place: Path, count: int, seed: int) -> Iterator[Values]:
    """``count`` features in chunks float32 [4096 at most, units], by the statistics in ``place``.

    Streams of other seeds are other pictures of the same world; a shorter stream of the same seed
    is the beginning of a longer one.
    """
    world = World(json.loads(place.read_text()))
    chance = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        # A whole chunk each time: the last would else draw other numbers in a shorter stream.
        yield world.pictures(CHUNK, chance)[: count - start]


class World:
    """The kinds and units that pictures of all streams have in common."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        chance = np.random.default_rng(_WORLD)
        numbers, units = known["generator"], known["units"]
        self._own, self._contrast = numbers["own"], numbers["contrast"]
        spectrum = np.array(known["spectrum"]) ** (numbers["tilt"] / 2)
        basis = chance.standard_normal((len(spectrum), units)) * spectrum[:, None]
        self._basis = (basis / np.linalg.norm(basis, axis=0)).astype(np.float32)  # [256, units]
        kinds = round(numbers["kinds"])
        self._kinds = chance.standard_normal((kinds, len(spectrum))).astype(np.float32)
        within = numbers["within"] * np.exp(numbers["uneven"] * chance.standard_normal(kinds))
        self._within = np.minimum(within, 0.9).astype(np.float32)
        activity = np.repeat(np.array(known["unit_activity"]), units // _GROUPS)
        strength = np.repeat(np.array(known["unit_strength"]), units // _GROUPS)
        sums = np.sort(self._sums(_CALIBRATION, chance), axis=0)
        at = np.minimum((1 - activity) * _CALIBRATION, _CALIBRATION - 1).astype(np.int64)
        self._thresholds = sums[at, np.arange(units)]
        above = np.maximum(sums - self._thresholds, 0).mean(axis=0)
        self._scales = (strength * activity / np.maximum(above, 1e-6)).astype(np.float32)

    def pictures(self, count: int, chance: np.random.Generator) -> Values:
        """Features float32 [count, units]."""
        features = self._sums(count, chance)
        features -= self._thresholds
        np.maximum(features, 0, out=features)
        features *= self._scales
        contrast = chance.standard_normal((count, 1), dtype=np.float32) * self._contrast
        features *= np.exp(contrast - np.float32(self._contrast**2 / 2))
        return features

    def _sums(self, count: int, chance: np.random.Generator) -> Values:
        """What units see before their thresholds, float32 [count, units]."""
        kind = chance.integers(len(self._kinds), size=count)
        within = self._within[kind][:, None]
        place = chance.standard_normal((count, self._kinds.shape[1]), dtype=np.float32)
        place = np.sqrt(1 - within) * self._kinds[kind] + np.sqrt(within) * place  # [count, 256]
        own = chance.standard_normal((count, self._basis.shape[1]), dtype=np.float32)
        own *= np.float32(np.sqrt(self._own))
        sums: Values = (np.float32(np.sqrt(1 - self._own)) * place) @ self._basis
        sums += own
        return sums


def features_of(photos: Path, repository: Path) -> tuple[Values, str]:
    """Features float32 [n, units] of every photo below a folder, and the model's digest."""
    opened = open_repository(repository)
    network = LocalNetwork(opened)
    suffixes = {".jpg", ".jpeg", ".png"}
    paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in suffixes)
    found = []
    for start in tqdm(range(0, len(paths), _TOGETHER), "features", unit="batch", disable=None):
        together = paths[start : start + _TOGETHER]
        pixels = [decode(path.read_bytes()) for path in together]
        images = np.concatenate([views(one, 1, network.view_side) for one in pixels])
        found.append(network.run(images).features)
    return np.concatenate(found), opened.digest


def measured(features: Values, model_digest: str) -> dict[str, Any]:
    """The statistics of ``features`` float32 [n, units], without a generator for them."""
    activity = (features > 0).mean(axis=0)
    mean = features.mean(axis=0)
    strength = np.divide(mean, activity, out=np.zeros_like(mean), where=activity > 0)
    order = np.argsort(activity)
    return {
        "pictures": len(features),
        "units": features.shape[1],
        "model_digest": model_digest,
        "unit_activity": _by_group(activity[order]),
        "unit_strength": _by_group(strength[order]),
        "spectrum": [round(float(one), 7) for one in variance_shares(features)[:_DIMENSIONS]],
        "measured": statistics(features),
    }


def _by_group(values: npt.NDArray[np.floating[Any]]) -> list[float]:
    return [round(float(one), 5) for one in values.reshape(_GROUPS, -1).mean(axis=1)]


def seek_generator(features: Values, known: dict[str, Any], tries: int) -> Numbers:
    """The generator whose pictures' statistics are nearest to those of ``features``."""
    chance = np.random.default_rng(_WORLD)
    some = features[chance.permutation(len(features))[:_SOUGHT_WITH]]
    wanted = statistics(some)

    def distance(generator: Numbers) -> float:
        world = World({**known, "generator": generator})
        made = world.pictures(len(some), np.random.default_rng(0))
        return difference(statistics(made), wanted)

    best, least = _START, distance(_START)
    for number in tqdm(range(tries), "generator", unit="try", disable=None):
        step = 0.3 * 0.97**number
        factors = np.exp(step * chance.standard_normal(len(best)))
        tried = {name: float(v * f) for (name, v), f in zip(best.items(), factors, strict=True)}
        tried["own"], tried["within"] = min(tried["own"], 0.5), min(tried["within"], 0.9)
        found = distance(tried)
        if found < least:
            best, least = tried, found
    return {name: round(value, 4) for name, value in best.items()}


def main() -> None:
    """Measure if asked, then print what was measured beside what is made."""
    arguments = _arguments()
    if arguments.photos or arguments.features:
        if arguments.photos:
            features, digest = features_of(arguments.photos, arguments.repository)
        else:
            features, digest = np.load(arguments.features), arguments.model_digest
        if arguments.keep:
            np.save(arguments.keep, features)
        known = measured(features, digest)
        known["generator"] = seek_generator(features, known, arguments.tries)
        made = World(known).pictures(len(features), np.random.default_rng(0))
        known["made"] = statistics(made)
        arguments.statistics.write_text(json.dumps(known, indent=1) + "\n")
    known = json.loads(arguments.statistics.read_text())
    sys.stdout.write(f"{known['pictures']:,} photos, generator {known['generator']}\n")
    for name, value in known["measured"].items():
        sys.stdout.write(f"{name:<28}{value:>9.3f}{known['made'][name]:>9.3f}\n")


def _arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--photos", type=Path, help="a folder of photos, and folders in it")
    source.add_argument("--features", type=Path, help="a .npy file, float32 [n, units]")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--model-digest", default="", help="of the model of --features")
    parser.add_argument("--keep", type=Path, help="write the photos' features to this .npy file")
    parser.add_argument("--tries", type=int, default=60, help="to find the generator (60)")
    parser.add_argument("--statistics", type=Path, default=STATISTICS, help="the JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
