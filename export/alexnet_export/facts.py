"""What a deployed model's manifest says about it, and what its dataflow sums up to, in words."""

from __future__ import annotations

from typing import Any

from alexnet_export.drawing.dataflow import Dataflow


def facts(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and text of each fact; what the manifest does not say is left out."""
    model, classes = manifest["model"], manifest["classes"]
    found = [
        ("model", f"{model.get('name')}, version {model['version']}"),
        ("digest", str(model["digest"])),
        ("network", f"{_networks(manifest)}, {len(classes)} classes"),
        (
            "runs as",
            f"{manifest.get('layout')} in {manifest.get('precision')} "
            f"on {' and '.join(manifest.get('devices', []))}",
        ),
    ]
    if manifest.get("about"):
        found.append(("about", str(manifest["about"])))
    if metrics := manifest.get("metrics"):
        measured = ", ".join(
            f"{name} {metrics[key]:.1%}"
            for name, key in (("top-1", "top1"), ("top-5", "top5"))
            if key in metrics
        )
        found.append(("checkpoint", f"{measured} of {metrics.get('n', 0):,} validation pictures"))
    if loss := manifest.get("precision_loss"):
        found.append((str(manifest.get("precision")), _against_fp32(loss)))
    elif manifest.get("precision", "fp32") != "fp32" and "precision_loss" in manifest:
        found.append((str(manifest["precision"]), "what it loses was not measured, without photos"))
    if parity := manifest.get("parity"):
        found.append(("split", f"{_agreement(parity)}; {parity['pictures']:,} pictures"))
    if table := manifest.get("parity_table"):
        found += [(name, _agreement(way)) for name, way in table["ways"].items()]
    return found


def _networks(manifest: dict[str, Any]) -> str:
    """The dialect, or of an averaged network those of its members."""
    members = manifest.get("members")
    if not members:
        return str(manifest.get("dialect"))
    each = ", ".join(f"{one['dialect']} {one['digest'][:12]}" for one in members)
    return f"the mean of {len(members)} ({each})"


def sums(flow: Dataflow) -> tuple[str, str]:
    """Bytes a picture between the towers and between the devices, a sentence each."""
    exchanges = [stage.bytes_between_towers for stage in flow.exchanges]
    if not exchanges:
        return "Between the towers: nothing.", "Between devices: nothing."
    towers = " + ".join(f"{count:,}" for count in exchanges)
    if len(exchanges) > 1:
        towers += f" = {sum(exchanges):,}"
    devices = (
        f"{flow.bytes_between_devices:,} bytes a picture"
        if flow.bytes_between_devices
        else f"nothing, both towers are on {flow.devices[0]}"
    )
    return f"Between the towers: {towers} bytes a picture.", f"Between devices: {devices}."


def _against_fp32(loss: dict[str, Any]) -> str:
    right = [
        f"{name} {loss[key]:.1%} (in fp32 {loss[f'{key}_fp32']:.1%})"
        for name, key in (("top-1", "top1"), ("top-5", "top5"))
        if loss.get(key) is not None
    ]
    same = f"likeliest class as in fp32 for {loss['top1_agreement']:.1%}"
    cosine = f"feature cosine {loss['features_cosine']:.5f}; {loss['pictures']:,} pictures"
    return ", ".join([*right, same, cosine])


def _agreement(parity: dict[str, Any]) -> str:
    return (
        f"features differ by {parity['features_difference']:.1e} of the largest, "
        f"{parity['top5_agreement']:.1%} of the top-5 agree"
    )
