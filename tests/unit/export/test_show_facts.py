from __future__ import annotations

from pathlib import Path

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.facts import facts


def test_facts_are_those_of_the_manifest(narrow_checkpoint: Path, tmp_path: Path) -> None:
    manifest, _ = deploy(narrow_checkpoint, Deployment(tmp_path / "root"))
    assert [name for name, _ in facts(manifest)] == [
        "model",
        "digest",
        "network",
        "runs as",
        "about",
        "checkpoint",
        "split",
    ]
    assert "checkpoint" not in dict(facts(manifest | {"metrics": {}}))
    way = {"features_difference": 2e-6, "probabilities_difference": 1e-7, "top5_agreement": 1.0}
    table = {"pictures": 200, "reference": "grouped", "ways": {"triton": way}}
    found = dict(facts(manifest | {"parity_table": table}))
    assert found["triton"] == "features differ by 2.0e-06 of the largest, 100.0% of the top-5 agree"


def test_facts_of_a_reduced_precision_say_what_it_lost(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    wanted = Deployment(tmp_path / "root", precision="fp16", max_top1_loss=100)
    manifest, _ = deploy(narrow_checkpoint, wanted)
    loss = manifest["precision_loss"]
    assert dict(facts(manifest))["fp16"] == (
        f"top-1 {loss['top1']:.1%} (in fp32 {loss['top1_fp32']:.1%}), "
        f"top-5 {loss['top5']:.1%} (in fp32 {loss['top5_fp32']:.1%}), "
        f"likeliest class as in fp32 for {loss['top1_agreement']:.1%}, "
        f"feature cosine {loss['features_cosine']:.5f}; 12 pictures"
    )
    unknown = loss | dict.fromkeys(("top1", "top1_fp32", "top5", "top5_fp32"))
    without_classes = dict(facts(manifest | {"precision_loss": unknown}))["fp16"]
    assert without_classes.startswith("likeliest class as in fp32 for ")
