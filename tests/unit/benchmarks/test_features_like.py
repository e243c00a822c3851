import json

import numpy as np
import pytest

from benchmarks.feature_statistics import statistics
from benchmarks.features_like import CHUNK, STATISTICS, features_like, measured

UNITS = 512  # an eighth of the network's, which is soon made


@pytest.fixture(scope="module")
def known():
    return {**json.loads(STATISTICS.read_text()), "units": UNITS}


@pytest.fixture(scope="module")
def place(known, tmp_path_factory):
    place = tmp_path_factory.mktemp("features") / "statistics.json"
    place.write_text(json.dumps(known))
    return place


@pytest.fixture(scope="module")
def made(place):
    return next(iter(features_like(place, 1_500, seed=1)))


def test_units_are_active_as_often_and_as_strongly_as_measured(known, made):
    groups = len(known["unit_activity"])
    of_group = made.reshape(len(made), groups, -1)
    activity = (of_group > 0).mean(axis=(0, 2))
    assert np.allclose(activity, known["unit_activity"], atol=0.06)
    used = activity > 0.05
    strength = of_group.sum(axis=(0, 2))[used] / (of_group > 0).sum(axis=(0, 2))[used]
    assert np.allclose(strength, np.array(known["unit_strength"])[used], rtol=0.25)


def test_distances_are_near_those_of_the_photos(known, made):
    found, wanted = statistics(made), known["measured"]
    for name in ("active", "variance_1", "variance_4", "nearest_over_10th@0.5", "length_spread"):
        assert found[name] == pytest.approx(wanted[name], rel=0.2), name


def test_a_stream_is_the_beginning_of_a_longer_one_and_no_other(place, made):
    chunks = list(features_like(place, CHUNK + 5, seed=1))
    assert [chunk.shape for chunk in chunks] == [(CHUNK, UNITS), (5, UNITS)]
    assert chunks[0].dtype == np.float32
    assert (chunks[0][:1_500] == made).all()
    other = next(iter(features_like(place, 10, seed=2)))
    assert (other != made[:10]).mean() > 0.3


def test_statistics_of_points_on_a_line():
    line = np.zeros((201, 64), np.float32)
    line[:, 0] = np.arange(201)
    found = statistics(line)
    assert found["variance_1"] == 1.0
    assert found["nearest_over_10th@0.5"] == pytest.approx(1 / 5)
    # 5 of 50 in the middle, 10 of 100 at the ends.
    assert found["10th_over_median@0.95"] == pytest.approx(0.1, abs=0.01)
    told = measured(line, "ab12")
    assert told["unit_activity"][-1] == pytest.approx(200 / 201, abs=1e-4)
    assert told["unit_activity"][:-1] == 63 * [0.0]
    assert told["spectrum"][:2] == [1.0, 0.0]
