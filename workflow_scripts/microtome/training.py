"""One readable training loop for all kinds of models, resumable after any epoch."""

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import nn

from microtome.checkpoints import History, resume, save_checkpoint
from microtome.datasets import Patches
from microtome.devices import autocast, default_device, needs_loss_scaling
from microtome.errors import InputError
from microtome.images import as_input
from microtome.logs import log
from microtome.processes import is_first, share, shared, summed
from microtome.schedules import is_over, learning_rate_of

# (model, images (B, 3, H, W), labels (B,)) -> scalars by name, means over the batch; "loss" is what
# is minimized. With further spacings images are (B, spacings, 3, H, W); truths are (B, H, W).
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], dict[str, torch.Tensor]]
_CONSTANT = {"kind": "constant"}


def fit(
    model: nn.Module,
    objective: Objective,
    *,
    train: Patches,
    validation: Patches,
    epochs: int,
    batch: int,
    learning_rate: float,
    beta1: float,
    seed: int,
    checkpoint: str | Path,
    identity: dict,
    schedule: dict = _CONSTANT,
    patience: int | None = None,
    balanced: bool = False,
    compiled: bool = False,
) -> History:
    """Train `model` with Adam; it ends with the weights of the epoch of least validation loss.

    Without validation patches the last epoch counts. After each epoch everything the next one
    depends on is written to `checkpoint`; order, augmentation, learning rate and dropout follow
    from seed, epoch and history alone, so a run that was killed goes on to the result of one that
    was not. Mixed precision on a GPU. In several processes (`microtome.processes`) each takes its
    share of every batch.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    objective : callable
        What is measured on a batch.
    train, validation : Patches
        Patches; `validation` may be empty.
    epochs, batch : int
        Passes over the patches at most, and patches a step, of all processes together.
    learning_rate, beta1 : float
        Of Adam.
    seed : int
        Decides order, augmentation and dropout.
    checkpoint : str or Path
        File to resume from and to write.
    identity : dict
        What the run is, of what JSON can hold; a checkpoint of another identity is not resumed.
    schedule : dict
        See `microtome.schedules.learning_rate_of`.
    patience : int, optional
        Stop when so many epochs have brought no new minimum of the validation loss.
    balanced : bool
        See `Patches.shuffled`.
    compiled : bool
        Whether to have torch.compile make faster kernels of the network first: some minutes.

    Returns
    -------
    list of dict
        One row an epoch: ``epoch``, ``learning_rate``, and ``train_*`` and ``validation_*`` for
        every scalar.

    Raises
    ------
    InputError
        If the loss is no longer a number, or the GPU's memory does not hold two patches.
    """
    device = default_device()
    model.to(device, memory_format=torch.channels_last)
    if len(train) < 2 * share()[1]:
        raise InputError(
            f"training: {len(train)} patches are too few for {share()[1]} GPUs; lower gpus"
        )
    trained = shared(model)
    if compiled:
        trained = torch.compile(trained)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(beta1, 0.999))
    scaler = torch.amp.GradScaler(device.type, enabled=needs_loss_scaling(device))
    history, best = resume(checkpoint, identity, model=model, optimizer=optimizer, scaler=scaler)
    step = _Step(trained, objective, optimizer, scaler)
    for epoch in range(len(history) + 1, epochs + 1):
        losses = [_judged(row) for row in history]
        if is_over(losses, patience=patience):
            log.info("no gain in %d epochs: training ends", patience)
            break
        started = time.perf_counter()
        rate = learning_rate_of(
            epoch, base=learning_rate, epochs=epochs, schedule=schedule, losses=losses
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        # Dropout; a hash of ints is the same everywhere.
        torch.manual_seed(hash((seed, epoch, share()[0])))
        batches = train.shuffled(batch, seed=seed, epoch=epoch, balanced=balanced, share=share())
        n_together = [min(batch, len(train) - first) for first in range(0, len(train), batch)]
        means = step.all(model.train(), batches, n_together)
        row = {"epoch": epoch, "learning_rate": rate, **means.row("train")}
        row |= measure(model, objective, validation, batch=batch).row("validation")
        for part in ("train_loss", "validation_loss"):
            if not math.isfinite(row.get(part, 0)):
                raise InputError(
                    f"training: {part} is {row[part]} in epoch {epoch}; lower learning_rate"
                )
        history.append(row)
        if row is _best_row(history):
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if is_first():
            save_checkpoint(
                checkpoint,
                identity,
                history,
                model=model,
                best=best,
                optimizer=optimizer,
                scaler=scaler,
            )
        speed = len(train) / (time.perf_counter() - started)
        log.info("%s (%.1f patches/s)", ", ".join(f"{k} {v:.4g}" for k, v in row.items()), speed)
    model.load_state_dict(best)
    model.eval()
    return history


class _Step:
    """One step of the optimizer on one batch, in parts where the GPU's memory asks for it."""

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

    def all(
        self,
        model: nn.Module,
        batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
        n_together: list[int],
    ) -> "_Means":
        """A step on each batch; `n_together` are the patches of all processes in each."""
        device = next(model.parameters()).device
        means = _Means()
        # A last batch may be left out.
        for (images, labels), n in zip(batches, n_together, strict=False):
            # The mean of the processes' gradients is to be that of the whole batch.
            weight = len(images) * share()[1] / n
            scalars = self(as_input(images, device), labels.to(device), weight=weight)
            means.add(scalars, len(images))
        return means

    def __call__(
        self, images: torch.Tensor, labels: torch.Tensor, *, weight: float
    ) -> dict[str, torch.Tensor]:
        while True:
            try:
                scalars = self._backward(images, labels, weight)
                break
            except torch.OutOfMemoryError as error:
                self._shrink(len(images), error)
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
        # No part of a single patch: batch norm has no variance of one.
        if share()[1] > 1 or self._n_parts * 4 > n:
            raise InputError(
                f"training: {n} patches in {self._n_parts} parts do not fit into the memory of the"
                " GPU; lower batch, or patch_px, in the model's entry"
            ) from error
        self._n_parts *= 2
        log.warning(
            "a batch of %d patches does not fit into the memory of the GPU: it is computed in %d"
            " parts (batch norm sees a part at a time); lower batch to be rid of this",
            n,
            self._n_parts,
        )
        self._optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()


@torch.no_grad()
def measure(model: nn.Module, objective: Objective, data: Patches, *, batch: int) -> "_Means":
    """Means of the objective's scalars over all patches, the model in evaluation mode."""
    device = next(model.parameters()).device
    model.eval()
    means = _Means()
    # Where some process would have nothing, each measures everything.
    part = share() if len(data) >= share()[1] else (0, 1)
    for images, labels in data.in_order(batch, share=part):
        if len(images):
            with autocast(device):
                scalars = objective(model, as_input(images, device), labels.to(device))
            means.add(scalars, len(images))
    return means


class _Means:
    """Means over the patches of all processes of named scalars."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._n = 0

    def add(self, scalars: dict[str, torch.Tensor], n: int) -> None:
        # Kept on the device: asking for the number each step would make the GPU wait.
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().double() * n
        self._n += n

    def row(self, prefix: str) -> dict[str, float]:
        if not self._sums:
            return {}
        values = list(self._sums.values())
        *sums, n = summed(torch.stack([*values, torch.full_like(values[0], self._n)])).tolist()
        return {f"{prefix}_{name}": s / n for name, s in zip(self._sums, sums, strict=True)}


def _judged(row: dict[str, float]) -> float:
    return row.get("validation_loss", row["train_loss"])


def _best_row(history: History) -> dict[str, float]:
    if "validation_loss" not in history[-1]:
        return history[-1]
    return min(history, key=lambda row: row["validation_loss"])
