import base64
import hashlib
import html
import json
import re
import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image

from alexnet_client import cli
from alexnet_client.evaluation import page as evaluation_page
from alexnet_client.portions import PORTION_VIEWS

CLASSES = ["boot", "café", "hat"]
CARD = {
    "name": "alexnet",
    "version": "1",
    "digest": "sha256:abc",
    "dialect": "d",
    "layout": "towers",
    "precision": "fp32",
    "classes": CLASSES,
    "metrics": {},
}


def vector(content):
    """Features that depend on the picture alone."""
    seed = int.from_bytes(hashlib.sha256(content).digest()[:8])
    return np.random.default_rng(seed).random(4096).round(3).tolist()


@pytest.fixture
def server(scripted, wire):
    """Takes each picture for the class that its content names first: ``hat 7``, ``hat 8``."""

    def said(content):
        if not content.startswith(tuple(name.encode() for name in CLASSES)):
            return {"error": {"code": "undecodable_picture", "title": "Broken", "detail": "cut"}}
        first = content.decode().split()[0]
        order = [first, *(name for name in CLASSES if name != first)]
        shares = (0.7, 0.2, 0.1)
        return {
            "predictions": [
                {"label": name, "class_id": CLASSES.index(name), "probability": share}
                for name, share in zip(order, shares, strict=True)
            ]
        }

    def answer(request):
        if request.path == "/model":
            return wire.as_json(CARD)
        contents = request.values("image")
        if request.path == "/classify":
            results = [said(one) for one in contents]
            for result, content in zip(results, contents, strict=True):
                if request.query.get("features") == ["base64"] and "predictions" in result:
                    row = np.asarray(vector(content), "<f4").tobytes()
                    result["features"] = base64.b64encode(row).decode()
            return wire.as_json({"model": wire.MODEL, "results": results})
        if request.headers["accept"] == "application/x-npy":
            return wire.problem(422, "undecodable_picture")  # asked again as JSON
        results = [{"features": vector(one)} for one in contents]
        return wire.as_json({"model": wire.MODEL, "results": results})

    scripted.answer = answer
    return scripted


@pytest.fixture
def folder(tmp_path):
    """Of 6 pictures with a class, 4 are taken for it; the class ``shoe`` is not the model's."""
    nfd = unicodedata.normalize("NFD", "café")  # as macOS writes the folder's name
    contents = {
        "boot/1.jpg": "boot 1",
        "boot/2.jpg": "hat 2",
        f"{nfd}/3.jpg": "café 3",
        f"{nfd}/4.jpg": "café 4",
        "hat/5.jpg": "hat 5",
        "hat/6.jpg": "boot 6",
        "hat/broken.jpg": "nothing",
        "shoe/7.jpg": "boot 7",
        "shoe/8.jpg": "boot 8",
        "top.jpg": "hat 9",
        "hat/deeper/10.jpg": "hat 10",
    }
    for name, content in contents.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    return tmp_path / "photos"


def evaluate(server, folder, *options):
    return cli.main(["evaluate", str(folder), *options, "--server", server.url])


def test_everything_as_json(server, folder, capsys):
    assert evaluate(server, folder, "--json", "--k", "1", "--k", "3") == 1  # one is unreadable
    output = capsys.readouterr()
    document = json.loads(output.out)
    figures = document["evaluation"]
    assert (figures["top1"]["right"], figures["top1"]["n"]) == (4, 6)
    assert figures["top5"]["share"] == 1.0  # there are but three classes
    assert figures["top1"]["interval"]["low"] < 4 / 6 < figures["top1"]["interval"]["high"]
    assert {one["label"]: (one["count"], one["answered"]) for one in figures["classes"]} == {
        "boot": (2, 2),
        "café": (2, 2),
        "hat": (2, 2),
    }
    assert {"label": "boot", "predicted": "hat", "count": 1} in figures["confusion"]
    assert document["unknown_labels"] == {"shoe": 2}
    assert (document["failed"], document["passed_over"]) == (1, 2)
    assert (document["retrieval"]["pictures"], document["retrieval"]["queries"]) == (8, 8)
    assert set(document["retrieval"]["l2"]["precision_at"]) == {"1", "3"}
    assert len(document["results"]) == 9
    assert "broken.jpg: cut [undecodable_picture]" in output.err
    assert "shoe (2)" in output.err
    assert {request.path for request in server.requests} == {"/model", "/classify"}


def test_as_text(server, folder, capsys):
    assert evaluate(server, folder) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:3] == ["top-1", "66.7", "%"]
    assert ["boot", "2", "50.0", "%", "50.0", "%"] in lines
    assert ["boot", "hat", "1"] in lines
    assert [line[0] for line in lines if line][-2:] == ["l2", "cosine"]


def test_labels_that_all_are_unknown_are_refused_and_retrieval_is_not(server, tmp_path, capsys):
    for name in ("x/boot 1.jpg", "x/boot 2.jpg", "y/boot 3.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.stem.encode())
    assert evaluate(server, tmp_path, "--json") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "no_known_label"
    assert "--retrieval-only" in error["detail"]
    assert [request.path for request in server.requests] == ["/model"]
    assert evaluate(server, tmp_path, "--retrieval-only", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["evaluation"] is None
    assert (document["retrieval"]["queries"], document["retrieval"]["alone"]) == (2, 1)
    assert "/classify" not in {request.path for request in server.requests}


def test_no_class_folder_is_told(server, tmp_path, capsys):
    (tmp_path / "1.jpg").write_bytes(b"boot")
    assert evaluate(server, tmp_path) == 1
    assert "FOLDER/<class>/<picture>" in capsys.readouterr().err


def test_the_half_kept_for_it_is_taken(server, folder, capsys):
    folder.rename(folder.parent / "validation")
    (folder.parent / "train" / "boot").mkdir(parents=True)
    (folder.parent / "train" / "boot" / "1.jpg").write_bytes(b"boot")
    assert evaluate(server, folder.parent, "--no-retrieval", "--json") == 1
    output = capsys.readouterr()
    assert json.loads(output.out)["evaluation"]["top1"]["n"] == 6
    assert json.loads(output.out)["retrieval"] is None
    assert not [request for request in server.requests if "features" in request.target]


def test_overload_leaves_out_only_the_picture_that_never_passes(server, wire, folder, capsys):
    usual = server.answer

    def overloaded(request):
        if request.path == "/classify" and b"hat 5" in request.values("image"):
            return wire.problem(503, "deadline_exceeded", retry_after="0")
        return usual(request)

    server.answer = overloaded
    assert evaluate(server, folder, "--no-retrieval", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["evaluation"]["top1"]["n"] == 5
    codes = [one["error"]["code"] for one in document["results"] if "error" in one]
    assert sorted(codes) == ["deadline_exceeded", "undecodable_picture"]


@pytest.mark.parametrize("where", ["/classify", "/model"])
def test_a_model_that_changes_meanwhile_is_refused(server, wire, folder, capsys, where):
    usual, asked = server.answer, []

    def changed(request):
        asked.append(request.path)
        if request.path == where and len(asked) > 2:
            other = {"digest": "sha256:def"}
            if where == "/model":
                return wire.as_json(CARD | other)
            document = json.loads(usual(request).body)
            return wire.as_json(document | {"model": wire.MODEL | other})
        return usual(request)

    server.answer = changed
    assert evaluate(server, folder, "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "model_changed"


def test_requests_are_small_enough_for_a_slow_server(server, tmp_path):
    (tmp_path / "hat").mkdir()
    for number in range(PORTION_VIEWS + 1):
        (tmp_path / "hat" / f"{number}.jpg").write_bytes(b"hat")
    assert evaluate(server, tmp_path, "--no-retrieval") == 0
    sizes = [len(one.form) for one in server.requests if one.path == "/classify"]
    assert sizes == [PORTION_VIEWS, 1]


@pytest.fixture
def odd(tmp_path):
    """A picture with a name that is HTML, taken for another class, and one like it."""
    (tmp_path / "photos" / "boot").mkdir(parents=True)
    picture = tmp_path / "photos" / "boot" / "<b>'&\".jpg"
    picture.write_bytes(b"hat")
    (tmp_path / "photos" / "boot" / "plain.jpg").write_bytes(b"hat 2")
    return picture


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_the_page_needs_nothing_else_and_escapes_names(server, odd, tmp_path):
    out = tmp_path / "report.html"
    assert evaluate(server, odd.parents[1], "--out", str(out)) == 0
    page = out.read_text()
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//|<script|<link|url\(|@import", page)
    assert "<b>" not in page
    assert html.escape(odd.name) in page
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    # What Pillow cannot read is linked, as the browser may yet show it.
    assert 'src="./photos/boot/%3Cb%3E%27%26%22.jpg"' in page


def test_the_page_shows_thumbnails_of_at_most_so_many(server, odd, tmp_path, monkeypatch):
    real = tmp_path / "photos" / "boot" / "plain.jpg"
    Image.new("RGB", (640, 480), "red").save(real, "JPEG")
    real.with_name("twin.jpg").write_bytes(real.read_bytes())
    usual = server.answer
    content = real.read_bytes()

    def answer(request):
        request.body = request.body.replace(content, b"hat 2")
        return usual(request)

    server.answer = answer
    odd.unlink()
    out = tmp_path / "report.html"
    assert evaluate(server, tmp_path / "photos", "--out", str(out), "--shown", "1") == 0
    assert out.read_text().count('src="data:image/jpeg;base64,') == 1
    monkeypatch.setitem(sys.modules, "PIL", None)  # as if the extra were not installed
    assert evaluate(server, tmp_path / "photos", "--out", str(out)) == 0
    assert 'src="./photos/boot/plain.jpg"' in out.read_text()


def test_many_classes_are_drawn(server, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation_page, "MAX_TABLE_CLASSES", 2)
    out = tmp_path / "report.html"
    evaluate(server, folder, "--out", str(out))
    page = out.read_text()
    assert page.count("<rect ") == 5  # three right, two mistakes
    assert "<title>boot taken for hat: 1</title>" in page


def test_a_page_that_cannot_be_written_is_told(server, folder, tmp_path, capsys):
    out = tmp_path / "report.html"
    (tmp_path / "report.html.part").mkdir()
    assert evaluate(server, folder, "--out", str(out), "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "file_failed"
    assert not out.exists()
