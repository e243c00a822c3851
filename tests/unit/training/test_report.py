import json
import re
import shutil
import struct
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from alexnet_training.cli import main
from alexnet_training.figures.curves import drops
from alexnet_training.figures.neighbours import nearest
from alexnet_training.figures.sheet import spread
from tests.random_checkpoint import NARROW, write_random_checkpoint
from tests.unit.training.conftest import trained_run

FIGURES = ("bars", "calibration", "confusion", "curves", "kernels", "neighbours")


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.images, self.headings, self._open = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
        self._open = tag

    def handle_data(self, data):
        if self._open in ("h1", "h2"):
            self.headings.append(data)

    def handle_endtag(self, tag):
        self._open = None


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("trained"), "--epochs=2")


@pytest.fixture
def run(narrow, trained, tmp_path):
    return Path(shutil.copytree(trained / "run", tmp_path / "run"))


def png_size(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    return struct.unpack(">II", content[16:24])


def test_a_finished_run_has_its_pictures_and_one_page(run):
    for name in FIGURES:
        width, height = png_size(run / "figures" / f"{name}.png")
        assert min(width, height) > 200
    page = Page((run / "report.html").read_text())
    assert len(page.images) == len(FIGURES)
    for image in page.images:
        assert image["src"].startswith("data:image/png;base64,")
        assert len(image["alt"]) > 20
    for heading in ("Learning curves", "The 8 kernels of conv1", "Classes", "Recipe"):
        assert heading in page.headings
    text = (run / "report.html").read_text()
    assert "8: all of the validation" in text
    assert "://" not in re.sub(r"base64,[^\"]*", "", text)


def test_drawn_again_it_is_the_same_to_the_byte(run, capsys):
    before = {name: (run / "figures" / f"{name}.png").read_bytes() for name in FIGURES}
    shutil.rmtree(run / "figures")
    assert main(["report", str(run), "--device=cpu"]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert {name: (run / "figures" / f"{name}.png").read_bytes() for name in FIGURES} == before
    assert "8: validation photos that the run has kept" in (run / "report.html").read_text()


def test_on_other_photos_it_says_which(run, photos, capsys):
    for photo in list((photos / "validation" / "sky").iterdir())[1:]:
        photo.unlink()
    assert main(["report", str(run), "--data", str(photos), "--device=cpu"]) == 0
    assert f"5: all of {photos}" in (run / "report.html").read_text()


def test_where_no_report_can_be_made_it_is_said(run, tmp_path, capsys):
    def refused(folder, said):
        assert main(["report", str(folder), "--device=cpu"]) == 1
        told = capsys.readouterr()
        assert said in told.err
        assert told.err.count("\n") == 1

    refused(tmp_path / "nowhere", "no checkpoint at")
    whole = (run / "pictures.npz").read_bytes()
    for cut in (whole[:1000], b""):
        (run / "pictures.npz").write_bytes(cut)
        refused(run, "--data")
    (run / "pictures.npz").unlink()
    refused(run, "--data")
    metrics = json.loads((run / "metrics.json").read_text())
    without = {key: value for key, value in metrics.items() if key != "recipe"}
    for other in (metrics | {"digest": "0"}, without, [metrics]):
        (run / "metrics.json").write_text(json.dumps(other))
        refused(run, "is not of the checkpoint beside it")
    (run / "metrics.json").unlink()
    refused(run, "metrics.json cannot be read")


def test_a_disk_without_room_for_pictures_leaves_the_run(run, capsys):
    page = (run / "report.html").read_bytes()
    (run / "figures" / "bars.png.part").symlink_to("/dev/full")
    assert main(["report", str(run), "--device=cpu"]) == 1
    assert "No space left" in capsys.readouterr().err
    assert (run / "report.html").read_bytes() == page


def test_rate_drops_are_found_and_a_cosine_has_none():
    def history(*rates):
        return [{"epoch": n, "learning_rate": rate} for n, rate in enumerate(rates, start=1)]

    assert drops(history(1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4)) == [3, 5]
    cosine = 0.5 * (1 + np.cos(np.pi * np.arange(30) / 30))
    assert drops(history(*cosine)) == []
    assert drops(history(1e-2, 1e-2)) == []
    assert drops(history(1e-2, 1e-2, 1e-2, 1e-3)) == [4]
    assert drops(history(1e-2, 1e-2, 1e-3, 1e-4)) == [3, 4]


def test_photos_are_spread_over_the_classes_by_the_seed_alone():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 5)
    rows = spread(labels, 9, seed=4)
    assert np.bincount(labels[rows]).tolist() == [3, 3, 3]
    assert rows.tolist() == spread(labels, 9, seed=4).tolist()
    assert rows.tolist() != spread(labels, 9, seed=5).tolist()
    assert len(set(rows.tolist())) == 9
    assert len(spread(labels, 100, seed=0)) == 58


def test_nearest_are_by_euclidean_distance_without_the_photo_itself():
    features = np.array([[0, 0], [3, 4], [0, 1], [6, 8]], dtype=np.float32)
    rows, distances = nearest(features, 0, 3)
    assert rows.tolist() == [2, 1, 3]
    assert distances.tolist() == [1, 5, 10]


def test_evaluate_writes_json_and_a_page_and_averages_several(run, photos, tmp_path, capsys):
    other, page, table = tmp_path / "other", tmp_path / "e.html", tmp_path / "e.json"
    shutil.copytree(run, other)
    words = ["evaluate", str(run), str(other), str(photos), "--device=cpu"]
    assert main([*words, "--json", str(table), "--page", str(page)]) == 0
    line = json.loads(capsys.readouterr().out)
    assert [one["checkpoint"] for one in line["each"]] == [str(run), str(other)]
    assert {one["top1"] for one in line["each"]} == {line["top1"]}
    whole = json.loads(table.read_text())
    assert whole["top1"]["share"] == line["top1"]
    assert [one["place"] for one in whole["checkpoints"]] == [str(run), str(other)]
    assert {"Accuracy", "Classes", "Finding pictures of the same class"} <= set(
        Page(page.read_text()).headings
    )


def test_networks_of_other_classes_are_not_averaged(run, photos, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    write_random_checkpoint(NARROW, other)
    assert main(["evaluate", str(run), str(other), str(photos), "--device=cpu"]) == 1
    assert "the same classes in the same order" in capsys.readouterr().err
