"""The client against the real server, a real model and real pictures."""

import asyncio
import hashlib
import json
import re
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image, ImageOps

from alexnet_client import AsyncClient, Client, cli, errors, walk

README = (Path(__file__).parents[2] / "client" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def client(serving):
    with Client(serving.url) as client:
        yield client


@pytest.fixture
def good(photos):
    """The paths of the pictures that can be read."""
    return [picture.path for picture in walk(photos) if picture.path.name != "broken.jpg"]


@pytest.fixture
def stored(client, photos):
    """The good pictures in the index, under ids of this test's own; taken out afterwards."""
    found = [picture for picture in walk(photos) if picture.path.name != "broken.jpg"]
    ids = [f"client-test-{number}" for number in range(len(found))]
    added = client.add_many(
        [picture.path for picture in found],
        ids=ids,
        labels=[picture.label for picture in found],
        metadata=[picture.metadata for picture in found],
    )
    yield added
    client.delete_where(ids=ids)


def test_model_is_the_one_served(client, serving):
    card = client.model()
    assert card.classes == tuple(serving.classes)
    assert card.digest


def test_classify_one_and_many_agree(client, serving, good):
    top_k = len(serving.classes)
    results = client.classify(good, top_k=top_k)
    assert [result.filename for result in results] == [str(path) for path in good]
    for path, result in zip(good, results, strict=True):
        shares = [prediction.probability for prediction in result.predictions]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-3)
        for prediction in result.predictions:
            assert serving.classes[prediction.class_id] == prediction.label
        alone = client.classify(path, top_k=1)
        assert alone.top.probability == pytest.approx(result.top.probability, abs=1e-3)
        assert alone.model == result.model


def test_paths_bytes_and_open_files_give_the_same(client, good):
    with good[0].open("rb") as file:
        results = client.classify([good[0], good[0].read_bytes(), file])
    shares = [result.top.probability for result in results]
    assert shares == pytest.approx([shares[0]] * 3, abs=1e-4)


def test_a_broken_picture_spoils_no_other(client, photos, good):
    (broken,) = photos.rglob("broken.jpg")
    results = client.classify([good[0], broken, good[1]])
    assert [result.error is None for result in results] == [True, False, True]
    assert results[1].error.code in ("unsupported_format", "undecodable_picture", "empty_picture")
    with pytest.raises(errors.BadPicture) as caught:
        client.classify(broken)
    assert caught.value.code == results[1].error.code
    assert caught.value.request_id


def test_features_as_matrix_and_one_by_one_agree(client, photos, good):
    (broken,) = photos.rglob("broken.jpg")
    rows = client.features(good)
    assert rows.dtype == np.float32
    assert rows.shape == (len(good), 4096)
    assert (rows >= 0).all()  # after ReLU
    assert len(np.unique(rows, axis=0)) == len(good)
    *each, failed = client.features_each([*good, broken])
    np.testing.assert_allclose(np.stack([result.vector for result in each]), rows, atol=1e-3)
    assert failed.vector is None
    assert failed.error is not None


def test_labels_and_features_come_together(client, photos, good):
    (broken,) = photos.rglob("broken.jpg")
    *each, failed = client.classify([*good, broken], features=True)
    rows = client.features(good)
    np.testing.assert_allclose(np.stack([result.vector for result in each]), rows, atol=1e-3)
    assert all(result.vector.dtype == np.float32 and result.predictions for result in each)
    assert (failed.vector, failed.predictions) == (None, ())
    assert client.classify(good[0]).vector is None


def test_more_pictures_than_fit_a_request(client, good):
    pictures = [good[number % len(good)] for number in range(70)]
    results = client.classify(pictures, top_k=1)
    assert len(results) == 70
    assert results[0].top.label == results[len(good)].top.label


def test_a_stored_picture_is_nearest_to_itself(client, good, stored):
    for path, added in zip(good, stored, strict=True):
        nearest = client.search(path, k=1, exact=True).neighbors[0]
        assert nearest.distance <= 1e-3
        assert client.get(nearest.id).label == added.label
    row = client.features(good[0])[0]
    assert client.search_features(row, k=1).neighbors[0].distance <= 1e-2


def test_search_keeps_to_label_and_distance(client, good, stored):
    label = stored[0].label
    found = client.search(good[-1], k=50, label=label).neighbors
    assert found
    assert {neighbor.label for neighbor in found} == {label}
    distances = [neighbor.distance for neighbor in found]
    assert distances == sorted(distances)
    near = client.search(good[0], k=50, max_distance=1e-2).neighbors
    assert near
    assert all(neighbor.distance <= 1e-2 for neighbor in near)


def test_similar_leaves_the_picture_itself_out(client, stored):
    neighbors = client.similar(stored[0].id, k=50)
    assert stored[0].id not in [neighbor.id for neighbor in neighbors]
    assert stored[1].id in [neighbor.id for neighbor in neighbors]


def test_list_goes_through_all_pages(client, stored):
    ids = [picture.id for picture in client.list(page_size=2)]
    assert len(ids) == len(set(ids))
    assert {added.id for added in stored} <= set(ids)
    label = stored[0].label
    assert {picture.label for picture in client.list(label=label)} == {label}


def test_upsert_get_thumbnail_delete(client, good):
    digest = hashlib.sha256(good[0].read_bytes()).hexdigest()
    first = client.add(good[0], label="first", metadata={"note": "é"})
    assert first.id == digest
    again = client.add(good[0], label="second", metadata={"note": 2})
    assert (again.id, again.created) == (digest, False)
    kept = client.get(digest)
    assert (kept.label, kept.metadata) == ("second", {"note": 2})
    assert client.thumbnail(digest).startswith(b"\xff\xd8")
    client.delete(digest)
    for call in (client.get, client.delete, client.thumbnail, client.similar):
        with pytest.raises(errors.NotFound) as caught:
            call(digest)
        assert caught.value.code == "picture_not_found"


def test_delete_where_by_label(client, good):
    added = client.add([good[0], good[1]], label="to-be-deleted")
    assert client.delete_where(label="to-be-deleted") == 2
    assert list(client.list(label="to-be-deleted")) == []
    with pytest.raises(errors.NotFound):
        client.get(added[0].id)


def test_an_option_out_of_range_is_refused(client, good):
    with pytest.raises(errors.BadRequest) as caught:
        client.classify(good[0], views=3)
    assert caught.value.code == "bad_parameter"
    assert caught.value.request_id


def test_one_client_serves_many_threads(client, good):
    expected = {path: client.classify(path, top_k=1).top.label for path in good}
    with ThreadPoolExecutor(4) as pool:
        asked = good * 4
        labels = pool.map(lambda path: client.classify(path, top_k=1).top.label, asked)
        assert list(labels) == [expected[path] for path in asked]


def test_the_command_adds_a_folder_and_finds_its_pictures(serving, client, photos, good, capsys):
    try:
        assert cli.main(["add", str(photos), "--server", serving.url]) == 1
        output = capsys.readouterr()
        assert f"{len(good)} added, 0 already there, 1 failed" in output.out
        assert "broken.jpg" in output.err
        assert (
            cli.main(["search", str(good[0]), "--k", "1", "--json", "--server", serving.url]) == 0
        )
        (result,) = json.loads(capsys.readouterr().out)["results"]
        nearest = result["neighbors"][0]
        assert nearest["id"] == hashlib.sha256(good[0].read_bytes()).hexdigest()
        assert nearest["label"] == good[0].parent.name
        assert nearest["metadata"] == {"path": good[0].relative_to(photos).as_posix()}
    finally:
        client.delete_where(ids=[hashlib.sha256(path.read_bytes()).hexdigest() for path in good])


def test_the_command_writes_features(serving, client, good, tmp_path):
    out = tmp_path / "features.npy"
    pictures = [str(path) for path in good]
    assert cli.main(["features", *pictures, "--out", str(out), "--server", serving.url]) == 0
    np.testing.assert_allclose(np.load(out), client.features(good), atol=1e-3)


def test_pixels_are_seen_as_their_file_is(client, good):
    with Image.open(good[0]) as image:
        pixels = np.asarray(image.convert("RGB"))
        rows = client.features([good[0], image, pixels, np.asarray(image.convert("L"))])
    np.testing.assert_allclose(rows[1], rows[0], atol=1e-3)
    np.testing.assert_allclose(rows[2], rows[0], atol=1e-3)
    assert not np.allclose(rows[3], rows[0], atol=1e-3)


def test_an_image_on_its_side_is_seen_upright(client, good, tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6  # orientation: to be turned clockwise
    with Image.open(good[0]) as image:
        image.save(tmp_path / "phone.png", exif=tags)
    with Image.open(tmp_path / "phone.png") as image:
        given = [tmp_path / "phone.png", image, ImageOps.exif_transpose(image)]
        rows = client.features([*given, good[0]])
    np.testing.assert_allclose(rows[1], rows[0], atol=1e-3)
    np.testing.assert_allclose(rows[2], rows[0], atol=1e-3)
    assert not np.allclose(rows[3], rows[0], atol=1e-3)


def test_embeddings_are_the_features(client, good, photos):
    np.testing.assert_allclose(client.embeddings(good), client.features(good), atol=1e-3)
    broken = photos / "flower" / "broken.jpg"
    with pytest.raises(errors.BadPicture, match=r"broken\.jpg: input 1") as caught:
        client.embeddings([good[0], broken])
    assert caught.value.filename == str(broken)


def test_both_clients_say_the_same(client, serving, good, stored, photos):
    async def ask():
        given = [*good, photos / "flower" / "broken.jpg"]
        async with AsyncClient(serving.url) as other:
            classified, each, searched, similar, card, count = await asyncio.gather(
                other.classify(given, top_k=2),
                other.features_each(given),
                other.search(good[0], k=1, exact=True),
                other.similar(stored[0].id, k=3),
                other.model(),
                other.count(),
            )
            listed = [picture async for picture in other.list(page_size=2)]
        assert [one.top.label for one in classified[:-1]] == [
            one.top.label for one in client.classify(good, top_k=2)
        ]
        assert classified[-1].error.code == each[-1].error.code
        np.testing.assert_allclose(
            np.stack([one.vector for one in each[:-1]]), client.features(good), atol=1e-3
        )
        assert searched.neighbors == client.search(good[0], k=1, exact=True).neighbors
        assert similar == client.similar(stored[0].id, k=3)
        assert card == client.model()
        assert (count, listed) == (client.count(), list(client.list()))

    asyncio.run(ask())


@pytest.fixture
def newcomer(serving, good, photos, tmp_path, monkeypatch):
    """In a folder with what the README speaks of, and the server where it expects it."""
    for path in good:
        folder = tmp_path / "photos" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    for name, path in zip(("cat.jpg", "dog.jpg"), good, strict=False):
        shutil.copy(path, tmp_path / name)
    shutil.copy(photos / "flower" / "broken.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXNET_SERVER", serving.url)
    with Client() as client:
        client.add(good[0], id="ID")
        yield tmp_path
        ids = [hashlib.sha256(path.read_bytes()).hexdigest() for path in good]
        client.delete_where(ids=[*ids, "ID"])


def test_the_readme_runs_as_it_stands(newcomer, capsys):
    """Its blocks in their order, as a newcomer would."""
    blocks = re.findall(r"```(sh|python)\n(.+?)```", README, re.DOTALL)
    assert [language for language, _ in blocks].count("python") == 4
    ran = []
    for language, block in blocks:
        if language == "python":
            exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "alexnet":
                assert cli.main(words[1:]) == 0, (words, capsys.readouterr().err)
                ran.append(words[1])
    assert {"score", "classify", "add", "search", "features", "model"} <= set(ran)
    assert np.load("features.npy").shape == (6, 4096)
    assert len(pyarrow.parquet.read_table("results.parquet")) == 6
    printed = capsys.readouterr().out
    assert re.search(r"broken\.jpg is no picture: .+ \[\w+\]", printed)
    assert "\nID\n" in printed
