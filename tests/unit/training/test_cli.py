import json
import os
import signal
import subprocess
import sys

import pytest

from alexnet_export.checkpoint import load_checkpoint
from alexnet_training.cli import main

COMMAND = [sys.executable, "-m", "alexnet_training.cli"]
FAST = ("--dialect=narrow", "--batch-size=5", "--learning-rate=5e-3", "--no-report")


def test_help_has_examples_and_exit_codes(capsys):
    for words in (["--help"], ["fit", "--help"], ["evaluate", "--help"], ["digits", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 0
        told = capsys.readouterr().out
        assert "examples:" in told
        assert "130" in told


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fit"],
        ["fit", "photos"],
        ["fit", "photos", "--out", "run", "--epoch", "3"],
        ["fit", "photos", "--out", "run", "--epochs", "x"],
        ["evaluate", "run", "photos", "--views", "5"],
    ],
)
def test_wrong_usage_is_2(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_value_out_of_range_is_2(capsys):
    assert main(["fit", "photos", "--out", "run", "--epochs", "0"]) == 2
    assert capsys.readouterr().err == "alexnet-train: --epochs is 0; it must be 1 to 100000\n"


def test_our_errors_are_one_line_and_1(tmp_path, capsys):
    out = str(tmp_path / "run")
    for words in (
        ["fit", str(tmp_path / "nowhere"), "--out", out],
        ["fit", str(tmp_path), "--out", out, "--device", "cuda:77"],
        ["evaluate", str(tmp_path), str(tmp_path)],
    ):
        assert main(words) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("alexnet-train: ")
        assert told.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_fit_then_evaluate(narrow, photos, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["fit", str(photos), "--out", out, "--epochs=6", *FAST]) == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert (result["checkpoint"], result["top1"], result["n"]) == (out, 1.0, 8)
    assert result["digest"] == load_checkpoint(tmp_path / "run")[1]
    assert "\r" not in told.err  # no progress bar where stderr is no terminal
    assert main(["evaluate", out, str(photos), "--views", "10"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = {"top1": 1.0, "top5": 1.0, "n": 8, "views": 10, "skipped": 0}
    assert {name: found[name] for name in expected} == expected
    assert "each" not in found
    assert main(["fit", str(photos), "--out", out, "--epochs=6", *FAST]) == 0
    assert json.loads(capsys.readouterr().out) == result
    assert main(["fit", str(photos), "--out", out, "--epochs=7", *FAST]) == 1
    assert "epochs was 6 and is now 7" in capsys.readouterr().err


def test_digits_are_written_and_named(tmp_path, capsys):
    out = tmp_path / "digits"
    out.mkdir()
    assert main(["digits", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert "nothing to do" in told.err


def test_ctrl_c_keeps_the_last_whole_checkpoint_of_the_real_network(photos, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["fit", str(photos), "--out", str(run), "--preset=paper", "--batch-size=2"]
    told = []
    with subprocess.Popen(
        [*COMMAND, *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        for line in process.stderr:
            told.append(line)
            if line.startswith("epoch 1/90"):
                break
        while not (run / "resume.pt").exists() and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        told.append(process.stderr.read())
        assert process.wait(timeout=60) == 130, told
    assert told[-1].splitlines()[-1].startswith("alexnet-train: stopped; ")
    assert "the same command again" in told[-1]
    checkpoint, digest = load_checkpoint(run)
    assert checkpoint.classes == ("brick", "sky")
    assert json.loads((run / "metrics.json").read_bytes())["digest"] == digest
    assert main([*words, "--epochs=5"]) == 1
    assert "epochs was 90 and is now 5" in capsys.readouterr().err
