"""One readable training loop for all kinds of models, resumable after any epoch."""

import math
import time
from pathlib import Path

import torch
from torch import nn

from microtome.errors import InputError
from microtome.logs import log
from microtome.networks.devices import as_input, autocast, default_device, needs_loss_scaling
from microtome.training.batches import Patches
from microtome.training.checkpoints import History, resume, save_checkpoint
from microtome.training.distributed import is_first, share, share_gradients, sum_over_processes
from microtome.training.objectives import Objective
from microtome.training.optimizer_step import Step, make_optimizer
from microtome.training.random_colour import ColourChanges, change_colours
from microtome.training.random_rotation import draw_angles, rotate
from microtome.training.schedules import find_stage, learning_rate_of, should_stop_early

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
    seed: int,
    checkpoint: str | Path,
    identity: dict,
    optimizer: str = "adam",
    schedule: dict = _CONSTANT,
    patience: int | None = None,
    balanced: bool = False,
    compiled: bool = False,
    frozen_epochs: int = 0,
    frozen_patience: int | None = None,
    encoder: nn.Module | None = None,
    rotation_degrees: float = 0,
    colours: ColourChanges | None = None,
    **of_optimizer: float,
) -> History:
    """Train `model`; it ends with the weights of the epoch of least validation loss.

    Without validation patches the last epoch counts. After each epoch everything the next one
    depends on is written to `checkpoint`; order, augmentation, learning rate and dropout follow
    from seed, epoch and history alone, so a run that was killed goes on to the result of one that
    was not. Mixed precision on a GPU. In several processes (`microtome.training.distributed`) each
    takes its share of every batch.

    Parameters
    ----------
    model, objective
        What is changed in place, and what is measured on a batch.
    train, validation : Patches
        What is learnt from and what judges an epoch; `validation` may be empty.
    epochs, batch : int
        Passes over the patches at most, and patches a step, of all processes together.
    checkpoint, identity
        File to resume from, if it is of a run of the same identity (what JSON can hold), and to
        write.
    optimizer, of_optimizer
        Of `microtome.training.optimizer_step.make_optimizer`.
    learning_rate, schedule
        That of the first epoch, and `microtome.training.schedules.learning_rate_of` of the others.
    patience : int, optional
        Stop when so many epochs have brought no new minimum of the validation loss.
    balanced : bool
        Whether an epoch has as many tumour as other patches.
    compiled : bool
        Whether to have torch.compile make faster kernels of the network first: some minutes.
    frozen_epochs, frozen_patience, encoder
        The part of the model whose weights and batch-norm statistics stand still in first epochs,
        of `microtome.training.schedules.find_stage`.
    rotation_degrees : float
        Training patches, and truths of their px, are turned by up to this, either way.
    colours : ColourChanges, optional
        How far the colours of training patches are changed; of validation patches never.

    Returns
    -------
    list of dict
        One row an epoch: ``epoch``, ``learning_rate``, and ``train_*`` and ``validation_*`` for
        every scalar.

    Raises
    ------
    InputError
        If the loss is no longer a number, the GPU's memory does not hold two patches, or there is
        nothing to freeze.
    """
    if frozen_epochs and encoder is None:
        raise InputError(
            f"training: frozen_epochs is {frozen_epochs}, but a model of this kind has no encoder"
            " to freeze; leave frozen_epochs out"
        )
    device = default_device()
    model.to(device, memory_format=torch.channels_last)
    if len(train) < 2 * share()[1]:
        raise InputError(
            f"training: {len(train)} patches are too few for {share()[1]} GPUs; lower gpus"
        )
    trained = share_gradients(model)
    if compiled:
        trained = torch.compile(trained)
    descent = make_optimizer(
        model.parameters(), optimizer, learning_rate=learning_rate, **of_optimizer
    )
    scaler = torch.amp.GradScaler(device.type, enabled=needs_loss_scaling(device))
    state = {"model": model, "optimizer": descent, "scaler": scaler}
    history, best = resume(checkpoint, identity, **state)
    step = Step(trained, objective, descent, scaler)
    for epoch in range(len(history) + 1, epochs + 1):
        losses = [row.get("validation_loss", row["train_loss"]) for row in history]
        stands_still, before = find_stage(
            epoch, losses, frozen_epochs=frozen_epochs, frozen_patience=frozen_patience
        )
        is_first_stage = stands_still and frozen_patience is not None
        if not is_first_stage and should_stop_early(losses[before:], patience=patience):
            log.info("no gain in %d epochs: training ends", patience)
            break
        started = time.perf_counter()
        rate = learning_rate_of(
            epoch - before,
            base=learning_rate,
            epochs=epochs - before,
            schedule=schedule,
            losses=losses[before:],
        )
        for group in descent.param_groups:
            group["lr"] = rate
        # Dropout; a hash of ints is the same everywhere.
        torch.manual_seed(hash((seed, epoch, share()[0])))
        model.train()
        frozen = encoder.eval() if stands_still else None
        means = _epoch(
            step,
            train,
            batch=batch,
            seed=seed,
            epoch=epoch,
            balanced=balanced,
            rotation_degrees=rotation_degrees,
            colours=colours,
            frozen=frozen,
        )
        row = {"epoch": epoch, "learning_rate": rate, **means.row("train")}
        row |= measure(model, objective, validation, batch=batch).row("validation")
        _require_numbers(row)
        history.append(row)
        if "validation_loss" not in row or row["validation_loss"] < min(losses, default=math.inf):
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if is_first():
            save_checkpoint(checkpoint, identity, history, best=best, **state)
        speed = len(train) / (time.perf_counter() - started)
        log.info("%s (%.1f patches/s)", ", ".join(f"{k} {v:.4g}" for k, v in row.items()), speed)
    model.load_state_dict(best)
    model.eval()
    return history


def _epoch(
    step: Step,
    data: Patches,
    *,
    batch: int,
    seed: int,
    epoch: int,
    balanced: bool,
    rotation_degrees: float,
    colours: ColourChanges | None,
    frozen: nn.Module | None,
) -> "_Means":
    """A step on each batch of an epoch."""
    device = default_device()
    number, of = share()
    batches = data.shuffled(batch, seed=seed, epoch=epoch, balanced=balanced, share=(number, of))
    means = _Means()
    for i, (pixels, known) in enumerate(batches):
        n = min(batch, len(data) - i * batch)  # of all processes together
        images, labels = as_input(pixels, device), known.to(device)
        place = {"seed": seed, "epoch": epoch, "batch": i, "share": (number, of)}
        if rotation_degrees:
            angles = draw_angles(n, degrees=rotation_degrees, **place)
            images = rotate(images, angles)
            # Truths of px, not the labels of patches.
            labels = rotate(labels, angles) if labels.ndim > 2 else labels
        if colours:
            images = change_colours(images, colours.draw(n, **place))
        # The mean of the processes' gradients is to be that of the whole batch.
        scalars = step(
            images,
            labels,
            weight=len(images) * of / n,
            frozen=frozen.parameters() if frozen else (),
        )
        means.add(scalars, len(images))
    return means


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
        n_here = torch.full_like(values[0], self._n)
        *sums, n = sum_over_processes(torch.stack([*values, n_here])).tolist()
        return {f"{prefix}_{name}": s / n for name, s in zip(self._sums, sums, strict=True)}


def _require_numbers(row: dict[str, float]) -> None:
    for part in ("train_loss", "validation_loss"):
        if not math.isfinite(row.get(part, 0)):
            raise InputError(
                f"training: {part} is {row[part]} in epoch {row['epoch']}; lower learning_rate"
            )
