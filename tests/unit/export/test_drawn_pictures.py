"""Drawn pictures prove a split; nothing is measured on them, and no int8 calibrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import PicturesError, PrecisionError
from alexnet_export.facts import facts
from alexnet_export.importing.drawn_pictures import (
    COUNT,
    drawn_pictures,
    write_drawn_pictures,
)
from alexnet_export.parity import Answers
from alexnet_export.precision import require_alike
from tests.photos import crops


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return drawn_pictures()


@pytest.fixture
def run_folder(narrow_checkpoint: Path) -> Path:
    """A narrow network without photos."""
    write_drawn_pictures(narrow_checkpoint)
    return narrow_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for number, one in enumerate(crops(4, seed=3)):
        Image.fromarray(one).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def test_they_are_the_same_every_time_and_no_two_alike(drawn: np.ndarray) -> None:
    assert (drawn.shape, drawn.dtype) == ((COUNT, 256, 256, 3), np.uint8)
    assert np.array_equal(drawn, drawn_pictures())
    assert len({one.tobytes() for one in drawn}) == COUNT


def test_they_have_the_spectrum_of_photos(drawn: np.ndarray) -> None:
    """Amplitudes fall as 1/f: twice the frequency, half the amplitude."""
    grey = drawn.mean(axis=3) - drawn.mean()
    amplitudes = np.abs(np.fft.rfft(grey, axis=2)).mean(axis=(0, 1))  # [129], along a row
    slope = np.polyfit(np.log(np.arange(4, 64)), np.log(amplitudes[4:64]), 1)[0]
    # A row is a cut through the plane, whose power is summed over the other frequency: -1/2.
    assert -0.7 < slope < -0.3


def test_they_have_the_contrast_and_the_colours_of_photos(drawn: np.ndarray) -> None:
    pixels = drawn.reshape(-1, 3).astype(np.float64)
    photos = crops(12).reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(pixels.std(axis=0), 56, atol=4)
    together = np.corrcoef(pixels.T)[[0, 0, 1], [1, 2, 2]]
    assert (together > 0.85).all()
    assert (together < 0.999).all()  # and yet not grey
    np.testing.assert_allclose(pixels.mean(axis=0), photos.mean(axis=0), atol=30)


def test_fp32_is_proven_on_them(run_folder: Path, tmp_path: Path) -> None:
    manifest, _ = deploy(run_folder, Deployment(tmp_path / "root"))
    assert manifest["parity"]["pictures"] == COUNT


@pytest.mark.parametrize("with_calibration", [False, True])
def test_int8_refuses_them(
    run_folder: Path, folder: Path, tmp_path: Path, with_calibration: bool
) -> None:
    wanted = Deployment(
        tmp_path / "root",
        precision="int8",
        max_top1_loss=100,
        calibration=folder if with_calibration else None,
    )
    with pytest.raises(PicturesError, match=r"is drawn, no photos: .* --pictures FOLDER"):
        deploy(run_folder, wanted)
    assert not wanted.repository.exists()


def test_int8_takes_photos_instead(run_folder: Path, folder: Path, tmp_path: Path) -> None:
    wanted = Deployment(
        tmp_path / "root", precision="int8", max_top1_loss=100, pictures=folder, layout="single"
    )
    manifest, _ = deploy(run_folder, wanted)
    assert manifest["calibration"]["pictures"] == manifest["precision_loss"]["pictures"] == 2


def test_fp16_is_deployed_and_says_that_its_loss_is_not_known(
    run_folder: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    given = ["deploy", str(run_folder), "--repository", str(root), "--precision", "fp16"]
    assert main(given) == 0
    said = capsys.readouterr().err
    assert "what fp16 loses was not measured: the pictures beside the checkpoint are drawn" in said
    manifest, is_new = deploy(run_folder, Deployment(root, precision="fp16"))
    assert not is_new
    assert manifest["precision_loss"] is None
    assert dict(facts(manifest))["fp16"] == "what it loses was not measured, without photos"
    # With photos it is measured, and that is something new.
    assert main([*given, "--pictures", str(folder), "--max-top1-loss", "100"]) == 0
    assert "fp16 measured on 4 pictures" in capsys.readouterr().err


def test_fp16_that_overflows_is_not_deployed_either(run_folder: Path, tmp_path: Path) -> None:
    loaded, _ = load_checkpoint(run_folder)
    loaded.tensors["fc7.weight"][0] = 1e5
    save_checkpoint(loaded, run_folder)
    with pytest.raises(PrecisionError, match=r"cosine with fp32's is only 0\.0000"):
        deploy(run_folder, Deployment(tmp_path / "root", precision="fp16"))


def test_features_that_point_elsewhere_are_refused() -> None:
    features = np.random.default_rng(1).random((3, 8), np.float32)
    probabilities = np.ones((3, 2), np.float32)
    fp32 = Answers(features, probabilities)
    require_alike(Answers(features * 1.001, probabilities), fp32, "fp16")
    for other in (np.full_like(features, np.nan), np.roll(features, 1, axis=1)):
        with pytest.raises(PrecisionError, match=r"fp16 gives features whose cosine"):
            require_alike(Answers(other, probabilities), fp32, "fp16")
