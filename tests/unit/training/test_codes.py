import json

import numpy as np
import onnx
import pytest
import torch

from alexnet_server.index.coder import GraphCoder
from alexnet_training.cli import main
from alexnet_training.codes.autoencoder import learn_autoencoder
from alexnet_training.codes.graph import Encoder, Layer, code_graph
from alexnet_training.codes.itq import learn_itq
from alexnet_training.codes.make import Order, make_codes, read_features, recall
from alexnet_training.errors import FeaturesError, Interrupted

UNITS, BITS = 96, 16
LEARN = {
    "itq": learn_itq,
    "autoencoder": lambda *given: learn_autoencoder(*given, epochs=8),
}


def features_of(count, seed=0, units=UNITS):
    """Features that vary in a dozen directions, half of them zero, as a network's do."""
    chance = np.random.default_rng(7)
    directions = chance.standard_normal((12, units))
    place = np.random.default_rng(seed).standard_normal((count, 12))
    return np.maximum(place @ directions, 0).astype(np.float32)


@pytest.fixture(scope="module")
def stored():
    return features_of(1_200)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("method", ["itq", "autoencoder"])
def test_the_server_gets_the_codes_that_were_measured(method, metric, stored):
    encoder = LEARN[method](stored[:600], BITS, metric)
    graph = code_graph(encoder, {}).SerializeToString()
    coder = GraphCoder(graph, UNITS)
    assert coder.code_bytes == BITS // 8
    features = np.concatenate([stored, np.zeros((1, UNITS), np.float32)])
    found = np.unpackbits(coder.encode(features) ^ encoder.encode(features), axis=1)
    clear = np.unpackbits(
        np.packbits(np.abs(encoder.sums(features)) > 1e-4, axis=1, bitorder="little"), axis=1
    )
    assert clear.mean() > 0.99  # the others are zero but for rounding
    assert not (found & clear).any()


def test_a_bit_is_a_unit_above_zero_and_the_first_is_worth_one():
    weight = np.eye(16, dtype=np.float32)
    encoder = Encoder("itq", "l2", (Layer(weight, np.zeros(16, np.float32)),))
    features = np.array([[1] + 7 * [-1] + 8 * [0], 8 * [1] + 7 * [0] + [2]], dtype=np.float32)
    assert encoder.encode(features).tolist() == [[1, 0], [255, 128]]
    coder = GraphCoder(code_graph(encoder, {}).SerializeToString(), 16)
    assert coder.encode(features).tolist() == [[1, 0], [255, 128]]


@pytest.mark.parametrize("method", ["itq", "autoencoder"])
def test_learning_finds_more_than_chance(method, stored):
    known, queries = stored[200:], stored[:200]
    encoder = LEARN[method](known, BITS, "l2")
    chance = np.random.default_rng(1).standard_normal((BITS, UNITS)).astype(np.float32)
    lucky = Encoder(method, "l2", (Layer(chance, -chance @ known.mean(axis=0)),))
    learned = recall(queries, known, encoder.encode, "l2")
    assert learned > recall(queries, known, lucky.encode, "l2") + 0.1


def test_every_bit_says_something(stored):
    encoder = learn_autoencoder(stored, 64, "l2", epochs=4)
    sums = encoder.sums(stored)
    on = (sums > 0).mean(axis=0)
    assert ((on > 0.1) & (on < 0.9)).all()
    # The noise that learning adds is as large for one bit as for another.
    assert np.allclose(sums.std(axis=0), 1, atol=0.3)


def test_signs_lose_less_than_in_any_other_rotation(stored):
    encoder = learn_itq(stored, BITS, "l2")
    sums = encoder.sums(stored)
    chance = np.random.default_rng(3)

    def lost(values):
        return np.square(np.sign(values) * values.std() - values).mean()

    for _ in range(10):
        rotation, _ = np.linalg.qr(chance.standard_normal((BITS, BITS)))
        assert lost(sums) < 0.93 * lost(sums @ rotation)


def test_cosine_codes_do_not_see_length(stored):
    encoder = learn_itq(stored, BITS, "cosine")
    assert (encoder.encode(stored) == encoder.encode(4 * stored)).all()
    assert (learn_itq(stored, BITS, "l2").encode(stored) != encoder.encode(stored)).any()


def test_recall_is_what_it_says(stored):
    known, queries = stored[100:], stored[:100]
    places = {row.tobytes(): number for number, row in enumerate(known)}

    def constant(features):
        return np.zeros((len(features), 1), np.uint8)

    # Of equal codes the first 200 of 1,100 are taken.
    assert recall(queries, known, constant, "l2") == pytest.approx(200 / 1_100, abs=0.05)

    first = np.arange(1_100, dtype=">u2").view(np.uint8).reshape(-1, 2)

    def its_number(features):
        return np.array([first[places.get(row.tobytes(), 0)] for row in features])

    assert recall(known[:200], known[:200], its_number, "l2") == 1.0  # 200 are all


def save(place, features):
    np.save(place, features)
    return place


def test_a_graph_says_what_it_is(stored, tmp_path):
    exported = tmp_path / "exported"
    exported.mkdir()
    save(exported / "features.npy", stored)
    binding = {"model_digest": "ab12", "units": UNITS, "metric": "cosine"}
    (exported / "binding.json").write_text(json.dumps(binding))
    order = Order(exported, tmp_path / "codes.onnx", bits=BITS, method="itq")
    told = make_codes(order, torch.device("cpu"))
    notes = {note.key: note.value for note in onnx.load(order.out).metadata_props}
    assert told.pop("recall_of_the_mean_code") > 0.5
    assert notes == {name: str(value) for name, value in told.items()}
    assert notes["model_digest"] == "ab12"
    assert notes["metric"] == "cosine"
    assert (notes["bits"], notes["units"], notes["method"]) == (str(BITS), str(UNITS), "itq")
    assert (notes["learned_from"], notes["queries"]) == ("1080", "120")
    coder = GraphCoder(order.out.read_bytes(), UNITS)
    shuffled = stored[np.random.default_rng(0).permutation(len(stored))]
    again = recall(shuffled[:120], shuffled[120:], coder.encode, "cosine")
    assert float(notes["recall"]) == pytest.approx(again, abs=2e-3)


@pytest.mark.parametrize("method", ["itq", "autoencoder"])
def test_the_same_seed_gives_the_same_file(method, stored, tmp_path):
    place = save(tmp_path / "features.npy", stored[:300])
    made = []
    for number, seed in enumerate((5, 5, 6)):
        out = tmp_path / f"{number}.onnx"
        torch.rand(number + 1)  # whatever else draws from torch's own generator
        order = Order(place, out, bits=BITS, method=method, epochs=2, seed=seed)
        make_codes(order, torch.device("cpu"))
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_interrupted_nothing_is_written_and_what_was_there_stays(stored, tmp_path):
    order = Order(save(tmp_path / "features.npy", stored), tmp_path / "codes.onnx", bits=BITS)
    order.out.write_bytes(b"the former")
    asked = 0

    def between():
        nonlocal asked
        asked += 1
        if asked > 3:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        make_codes(order, torch.device("cpu"), between)
    assert order.out.read_bytes() == b"the former"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.onnx", "features.npy"]


def test_features_that_cannot_be_learned_from_are_refused(stored, tmp_path):
    spoilt = stored.copy()
    spoilt[3, 4] = np.nan
    bad = {
        "nan": spoilt,
        "double": stored.astype(np.float64),
        "flat": stored[0],
        "objects": np.array([{}, {}]),
    }
    for name, content in bad.items():
        with pytest.raises(FeaturesError, match=name):
            read_features(save(tmp_path / f"{name}.npy", content))
    (tmp_path / "text.npy").write_text("no features")
    for name in ("text.npy", "nowhere.npy", "."):
        with pytest.raises(FeaturesError, match="alexnet-server index export"):
            read_features(tmp_path / name)


def test_too_few_pictures_say_how_many_are_needed(tmp_path, capsys):
    place = save(tmp_path / "few.npy", features_of(511))
    out = tmp_path / "codes.onnx"
    assert main(["codes", str(place), "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "has 511 pictures; 256 bits need 512" in told.err
    assert not out.exists()


def test_the_command_writes_and_tells(tmp_path, capsys):
    place = save(tmp_path / "features.npy", features_of(600))
    out = tmp_path / "codes.onnx"
    assert main(["codes", str(place), "--out", str(out), "--epochs=2", "--device=cpu"]) == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert (result["codes"], result["bits"], result["method"]) == (str(out), 256, "autoencoder")
    assert 0.3 < result["recall"] <= 1
    assert "\r" not in told.err  # no progress bar where stderr is no terminal
    assert GraphCoder(out.read_bytes(), UNITS).code_bytes == 32


def test_help_has_examples_and_exit_codes(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["codes", "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert "alexnet-train codes exported --out codes.onnx" in told
    assert "exit codes:" in told


@pytest.mark.parametrize("words", [["--bits", "100"], ["--method", "lsh"], ["--metric", "l1"]])
def test_wrong_usage_is_2(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["codes", "features.npy", "--out", "codes.onnx", *words])
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_epochs_below_one_are_2(capsys):
    assert main(["codes", "features.npy", "--out", "codes.onnx", "--epochs", "0"]) == 2
    assert "--epochs is 0; it must be 1 or more" in capsys.readouterr().err
