"""Several processes that train one network, each on its share of every batch.

They are started by PyTorch's own launcher, ``torchrun``, on one machine or several, which say in
the environment who they are; DistributedDataParallel makes their gradients one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from alexnet_training.errors import DeviceError

# The first process decodes all photos and validates while the others wait.
_PATIENCE = timedelta(hours=6)

Told = TypeVar("Told")


@dataclass(frozen=True)
class Processes:
    """This process is ``rank`` of ``count``; the first alone writes files and says what is done."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, size: int) -> npt.NDArray[np.int64]:
        """The places of this process's photos in a batch of ``size``."""
        return np.arange(self.rank, size, self.count)

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            distributed.barrier()

    def told(self, value: Told) -> Told:
        """What the first process has as ``value``."""
        if self.count == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def summed(self, number: float) -> float:
        """The sum of what each process has as ``number``."""
        if self.count == 1:
            return number
        each: list[float] = [0.0] * self.count
        distributed.all_gather_object(each, number)
        return sum(each)

    def together(self, network: nn.Module) -> nn.Module:
        """``network``, whose gradients become the mean of all processes' in each backward pass."""
        return network if self.count == 1 else DistributedDataParallel(network)


ALONE = Processes()


@contextmanager
def joined(
    devices: tuple[torch.device, ...],
) -> Iterator[tuple[Processes, tuple[torch.device, ...]]]:
    """Join the processes that torchrun started, if it did, and give this one's devices.

    With CUDA each process of a machine takes a GPU of its own, by its local rank.  Raises
    DeviceError where each should have several.
    """
    if not distributed.is_torchelastic_launched():
        yield ALONE, devices
        return
    device, *others = devices
    if others:
        raise DeviceError(
            "--device names several, and torchrun gives each process one: leave it out"
        )
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        if device.type == "cuda":
            device = torch.device("cuda", distributed.get_node_local_rank())
            torch.cuda.set_device(device)
        yield Processes(distributed.get_rank(), distributed.get_world_size()), (device,)
    finally:
        distributed.destroy_process_group()
