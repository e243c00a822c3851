import pytest
import torch

from alexnet_training.device import choose_device, choose_devices, choose_precision, computing
from alexnet_training.errors import DeviceError

CPU = torch.device("cpu")


def test_auto_is_cuda_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda:99", "mps", "gpu", "meta"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(DeviceError, match=name):
        choose_device(name)


def test_a_tower_a_device_takes_gpus_that_are_there():
    assert choose_devices("cpu") == (CPU,)
    for names in ("cpu,cpu", "cpu,cpu:0", "cuda:98,cuda:99", "cpu,"):
        with pytest.raises(DeviceError, match="cuda:"):
            choose_devices(names)


def test_bf16_is_chosen_only_where_the_processor_has_it():
    able = torch.cpu.get_capabilities()
    native = able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16")
    assert choose_precision("auto", CPU) == ("bf16" if native else "fp32")
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_the_precision_is_that_of_the_layers():
    linear = torch.nn.Linear(4, 4)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with computing(CPU, precision):
            assert linear(torch.ones(1, 4)).dtype == dtype
