"""One step of an optimizer on one batch, in parts where the GPU's memory asks for it."""

from collections.abc import Iterable

import torch
from torch import nn

from microtome.networks.devices import autocast
from microtome.networks.gpu_memory import make_room
from microtome.training.distributed import share
from microtome.training.objectives import Objective


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    kind: str,
    *,
    learning_rate: float,
    beta1: float = 0.9,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Make the optimizer of some weights: 'adam', or 'sgd' (stochastic gradient descent).

    `beta1` is of Adam, `momentum` of the other; `weight_decay` times a weight is added to its
    gradient (L2, in Adam too: not AdamW).
    """
    if kind == "sgd":
        return torch.optim.SGD(
            parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay
        )
    return torch.optim.Adam(
        parameters, lr=learning_rate, betas=(beta1, 0.999), weight_decay=weight_decay
    )


class Step:
    """One step of the optimizer on one batch; `model` is what the objective is to call."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self._model, self._objective = model, objective
        self._optimizer, self._scaler = optimizer, scaler
        self._n_parts = 1

    def __call__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        weight: float,
        frozen: Iterable[nn.Parameter] = (),
    ) -> dict[str, torch.Tensor]:
        """Take the step and give the objective's scalars, means over the batch.

        `weight` is a factor of the gradients. Those of `frozen` weights are computed, as processes
        that train together expect, and then dropped: the optimizer does not see these weights.
        InputError if the GPU's memory does not hold two patches.
        """
        while True:
            try:
                scalars = self._backward(images, labels, weight)
                break
            except torch.OutOfMemoryError as error:
                self._shrink(len(images), error)
        for parameter in frozen:
            parameter.grad = None
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return scalars

    def _backward(
        self, images: torch.Tensor, labels: torch.Tensor, weight: float
    ) -> dict[str, torch.Tensor]:
        self._optimizer.zero_grad(set_to_none=True)
        sums: dict[str, torch.Tensor] = {}
        n_parts = min(self._n_parts, len(images))
        for part, of_part in zip(images.chunk(n_parts), labels.chunk(n_parts), strict=True):
            with autocast(images.device):
                scalars = self._objective(self._model, part, of_part)
            share_of_batch = len(part) / len(images)
            self._scaler.scale(scalars["loss"] * (weight * share_of_batch)).backward()
            for name, value in scalars.items():
                sums[name] = sums.get(name, 0) + value.detach() * share_of_batch
        return sums

    def _shrink(self, n: int, error: torch.OutOfMemoryError) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        # No part of a single patch: batch norm has no variance of one.
        is_least = share()[1] > 1 or self._n_parts * 4 > n
        make_room(
            error,
            retry=f"a batch of {n} patches does not fit into the memory of the GPU: it is computed"
            f" in {self._n_parts * 2} parts (batch norm sees a part at a time); lower batch to be"
            " rid of this",
            refusal=f"training: {n} patches in {self._n_parts} parts do not fit into the memory of"
            " the GPU; lower batch, or patch_px, in the model's entry"
            if is_least
            else "",
        )
        self._n_parts *= 2
