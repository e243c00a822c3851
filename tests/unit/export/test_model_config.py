"""What Triton is told of every model, and the same as it stands in the documentation."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from tests.two_gpu_text import FOLDER, two_gpu_text

STEPS = [
    *(f"{stage}_tower{tower}" for stage in ("s1_conv12", "s2_conv345", "s3_fc6", "s4_fc7")
      for tower in (0, 1)),
    "s5_fc8",
]  # fmt: skip


@pytest.fixture(scope="module")
def text() -> dict[str, str]:
    return two_gpu_text()


@pytest.fixture(scope="module")
def configs(text: dict[str, str]) -> dict[str, triton.ModelConfig]:
    return {name: text_format.Parse(one, triton.ModelConfig()) for name, one in text.items()}


def test_documentation_holds_what_is_generated(text: dict[str, str]) -> None:
    """``python -m tests.two_gpu_text`` writes it anew."""
    assert {path.stem: path.read_text() for path in FOLDER.glob("*.pbtxt")} == text
    assert sorted(text) == ["alexnet", "conv1", *STEPS]


def test_every_file_tells_a_person_what_it_is(text: dict[str, str]) -> None:
    for one in text.values():
        assert max(len(line) for line in one.splitlines()) <= 100
    head = text["s2_conv345_tower1"].splitlines()[:3]
    assert head == [
        "# conv3, conv4, conv5 of tower 1.",
        "# It reads conv2 of both towers and gives its own half of conv5.",
        "# Written by alexnet-export; the next deploy replaces it.",
    ]
    assert "fc8, the classifier" in text["s5_fc8"].splitlines()[0]


def test_a_full_queue_and_a_late_request_are_refused(
    configs: dict[str, triton.ModelConfig],
) -> None:
    for name in ("conv1", *STEPS):
        policy = configs[name].dynamic_batching.default_queue_policy
        assert policy.timeout_action == triton.ModelQueuePolicy.REJECT
        # A full queue of one of two steps that run at once ends Triton 2.51.
        assert policy.max_queue_size == (0 if "tower" in name else 256)
        assert policy.default_timeout_microseconds == 30_000_000
        assert policy.allow_timeout_override


def test_batches_are_made_where_pictures_come_in(configs: dict[str, triton.ModelConfig]) -> None:
    delays = {name: configs[name].dynamic_batching.max_queue_delay_microseconds for name in STEPS}
    assert delays.pop("s1_conv12_tower0") == delays.pop("s1_conv12_tower1") == 1000
    assert set(delays.values()) == {100}
    assert configs["alexnet"].WhichOneof("scheduling_choice") == "ensemble_scheduling"


def test_parts_keep_two_versions(configs: dict[str, triton.ModelConfig]) -> None:
    for name in ("conv1", *STEPS):
        assert configs[name].version_policy.latest.num_versions == 2
    assert not configs["alexnet"].HasField("version_policy")


def test_warmup_gives_every_input(configs: dict[str, triton.ModelConfig]) -> None:
    for name in ("conv1", *STEPS):
        config = configs[name]
        assert [sample.batch_size for sample in config.model_warmup] == [1, 16]
        for sample in config.model_warmup:
            assert {port: (given.data_type, list(given.dims), given.zero_data)
                    for port, given in sample.inputs.items()} == {
                port.name: (port.data_type, list(port.dims), True) for port in config.input
            }  # fmt: skip


def test_each_tower_on_its_gpu(configs: dict[str, triton.ModelConfig]) -> None:
    for name in STEPS:
        (group,) = configs[name].instance_group
        assert group.kind == triton.ModelInstanceGroup.KIND_GPU
        assert list(group.gpus) == [1 if name.endswith("tower1") else 0]


def test_fp32_on_a_gpu_is_no_tf32(configs: dict[str, triton.ModelConfig]) -> None:
    for name in ("conv1", *STEPS):
        accelerators = configs[name].optimization.execution_accelerators
        (cuda,) = accelerators.gpu_execution_accelerator
        assert cuda.name == "cuda"
        assert cuda.parameters["use_tf32"] == "0"


def test_no_field_newer_than_triton_2_51(text: dict[str, str]) -> None:
    for one in text.values():
        assert "max_inflight_requests" not in one
