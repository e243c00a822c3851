import json
import re

import pytest

from alexnet_client import cli, duplicates_page

STORED = {
    "id": "a",
    "label": "shoe\n",
    "metadata": {"path": "x/a.jpg"},
    "created_at": "2026-11-22T06:00:00+00:00",
    "bytes": 5,
}
NEIGHBOR = {"id": "b", "distance": 1.5, "label": None, "metadata": {"path": "b.jpg"}}


@pytest.fixture
def server(scripted, wire):
    answers = {
        "/images/a/similar": wire.as_json({"model": wire.MODEL, "neighbors": [NEIGHBOR]}),
        "/images": wire.as_json({"images": [STORED], "next_cursor": None, "count": 3}),
        "/images/delete": wire.as_json({"deleted": 2, "left": 0}),
        "/images/a/thumbnail": wire.Answer(200, b"\xff\xd8", "image/jpeg"),
    }
    scripted.answer = lambda request: answers[request.path]
    return scripted


def run(server, *command):
    return cli.main([*command, "--server", server.url])


def test_similar(server, capsys):
    options = ("--k", "3", "--exact", "--max-distance", "9", "--where", "n>=1")
    assert run(server, "similar", "a", *options) == 0
    assert capsys.readouterr().out == "  1.500  -  b  b.jpg\n"
    asked = {"k": ["3"], "exact": ["true"], "max_distance": ["9.0"], "where": ['{"n":{"gte":1}}']}
    assert server.requests[0].query == asked
    assert run(server, "similar", "a", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"neighbors": [NEIGHBOR]}


def test_list_and_count(server, capsys):
    assert run(server, "list", "--label", "shoe", "--where", "brand=acme") == 0
    assert capsys.readouterr().out == "a  2026-11-22T06:00:00+00:00  shoe\\n  x/a.jpg\n"
    assert server.requests[0].query["where"] == ['{"brand":"acme"}']
    assert run(server, "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"images": [STORED]}
    assert run(server, "list", "--count") == 0
    assert capsys.readouterr().out == "3\n"


def test_delete(server, capsys):
    assert run(server, "delete", "a", "b") == 0
    assert capsys.readouterr().out == "2 deleted\n"
    assert run(server, "delete", "--label", "shoe", "--where", "n<5", "--where", "n>1") == 0
    assert [json.loads(request.body) for request in server.requests] == [
        {"ids": ["a", "b"]},
        {"label": "shoe", "where": {"n": {"lt": 5, "gt": 1}}},
    ]


def test_thumbnail(server, tmp_path, capsys):
    out = tmp_path / "small.jpg"
    assert run(server, "thumbnail", "a", "--out", str(out)) == 0
    assert out.read_bytes() == b"\xff\xd8"
    assert capsys.readouterr().out == f"wrote {out}\n"


@pytest.mark.parametrize(
    "command",
    [
        ["delete"],
        ["delete", "a", "--label", "shoe"],
        ["delete", "a", "--where", "n=1"],
        ["delete", "--where", "n"],
        ["delete", "--where", "n=1", "--where", "n>1"],
        ["delete", "../x"],
        ["similar"],
        ["similar", "a/b"],
        ["thumbnail", "a"],
        ["duplicates"],
        ["duplicates", "--max-distance", "-1"],
        ["duplicates", "--max-distance", "nan"],
        ["list", "a"],
    ],
)
def test_what_cannot_be_meant_is_never_sent(server, command, capsys):
    with pytest.raises(SystemExit) as ended:
        run(server, *command)
    assert ended.value.code == 2
    assert "usage: alexnet" in capsys.readouterr().err
    assert server.requests == []


@pytest.fixture
def alike(scripted, wire):
    """Two groups: ``a`` and ``b`` of one label, and ``c`` and ``d``, of which ``d`` is gone."""
    sizes = {"a": 10, "b": 20, "c": 30, "d": 40}

    def answer(request):
        if request.path == "/duplicates":
            pairs = [{"id": "a", "other": "b"}, {"id": "c", "other": "d"}]
            return wire.as_json({"pairs": pairs, "compared": 4, "count": 4, "next_cursor": None})
        if request.path == "/images/delete":
            return wire.as_json({"deleted": 2, "left": 0})
        id = request.path.split("/")[2]
        if request.path.endswith("/thumbnail"):
            found = wire.Answer(200, b"\xff\xd8", "image/jpeg")
            return wire.problem(404, "picture_not_found") if id == "d" else found
        about = {"id": id, "bytes": sizes[id], "metadata": {"path": f"<{id}>.jpg"}}
        return wire.as_json(STORED | about)

    scripted.answer = answer
    return scripted


def test_duplicates_writes_a_page_of_the_groups(alike, tmp_path, capsys):
    out = tmp_path / "groups.html"
    options = ("--max-distance", "4", "--out", str(out), "--delete")
    assert run(alike, "duplicates", *options) == 0
    page = out.read_text()
    assert page.count("<h2>Group") == 2
    assert page.count('src="data:image/jpeg;base64,/9g="') == 3
    assert page.count("The picture is gone.") == 1
    kept = re.findall(r'class="right">Keep</span>: &lt;(\w)&gt;', page)
    deleted = re.findall(r'class="wrong">Delete</span>: &lt;(\w)&gt;', page)
    assert (kept, deleted) == (["b", "d"], ["a", "c"])
    assert "2 deleted" in capsys.readouterr().out
    paths = [request.path for request in alike.requests]
    assert paths.index("/images/delete") > paths.index("/images/c/thumbnail")


def test_the_page_shows_the_first_groups_and_says_so(alike, tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates_page, "MAX_GROUPS", 1)
    out = tmp_path / "groups.html"
    assert run(alike, "duplicates", "--max-distance", "4", "--out", str(out)) == 0
    page = out.read_text()
    assert page.count("<h2>Group") == 1
    assert "2 groups of pictures" in page
    assert "Shown are the first 1 groups." in page
    assert "/images/c/thumbnail" not in [request.path for request in alike.requests]
