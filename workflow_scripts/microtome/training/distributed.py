"""Training one model in several processes, one a GPU (or, without GPUs, on the CPU).

Every process has the same weights and its share of each batch; gradients and batch statistics are
those of the whole batch, so the number of processes changes the result by rounding only (and by
dropout, which each process draws for itself).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from microtome.networks.devices import default_device


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun started: NCCL between GPUs, else gloo."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share() -> tuple[int, int]:
    """(number of this process, how many there are)."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def is_first() -> bool:
    """Say whether this process is the one that writes."""
    return share()[0] == 0


def share_gradients(model: nn.Module) -> nn.Module:
    """Have the gradients of a module averaged over the processes, where there are several."""
    if share()[1] == 1:
        return model
    _share_statistics(model)
    devices = [torch.cuda.current_device()] if default_device().type == "cuda" else None
    # Running statistics are equal already.
    return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)


def sum_over_processes(values: torch.Tensor) -> torch.Tensor:
    """Sum of a tensor over all processes."""
    if share()[1] > 1:
        distributed.all_reduce(values)
    return values


class SharedBatchNorm(_BatchNorm):
    """Batch norm whose statistics are those of the batches of all processes together.

    PyTorch's own ``SyncBatchNorm`` does the same on GPUs alone.
    """

    def _check_input_dim(self, images: torch.Tensor) -> None:
        """Any (B, C, ...) will do."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalize (B, C, ...); running statistics in evaluation mode."""
        if not self.training:
            return super().forward(images)
        with torch.autocast(images.device.type, enabled=False):
            values = images.float()
            others = [0, *range(2, values.ndim)]
            n_here = values.new_full((1,), values.numel() / values.shape[1])
            totals = all_reduce(torch.cat([values.sum(others), n_here]))
            n = totals[-1].detach()
            # Two sums, one after the other: one of squares would lose digits.
            centred = values - _along(totals[:-1] / n, values.ndim)
            variance = all_reduce(centred.square().sum(others)) / n
            with torch.no_grad():
                self.running_mean.lerp_(totals[:-1] / n, self.momentum)
                self.running_var.lerp_(variance * (n / (n - 1)), self.momentum)
                self.num_batches_tracked += 1
            scale = self.weight * torch.rsqrt(variance + self.eps)
            found = centred * _along(scale, values.ndim) + _along(self.bias, values.ndim)
            return found.to(images.dtype)


def _along(values: torch.Tensor, n_dims: int) -> torch.Tensor:
    return values.view(1, -1, *[1] * (n_dims - 2))


def _share_statistics(module: nn.Module) -> None:
    """Replace every batch norm below a module; weights and their names stay."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            other = SharedBatchNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            other.load_state_dict(child.state_dict())
            module.register_module(name, other.to(child.weight.device).train(child.training))
        else:
            _share_statistics(child)
