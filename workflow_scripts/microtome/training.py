"""One readable training loop, resumable after any epoch to the same result."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from microtome.datasets import Patches
from microtome.devices import autocast, default_device, needs_loss_scaling
from microtome.errors import InputError
from microtome.files import atomic
from microtome.logs import log

# (model, images (B, 3, H, W), labels (B,)) -> scalars by name; "loss" is what is minimized.
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], dict[str, torch.Tensor]]


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
    identity: str,
) -> list[dict[str, float]]:
    """Train `model` with Adam; it ends with the weights of the epoch of least validation loss.

    Without validation patches the last epoch counts. After each epoch everything the next one
    depends on is written to `checkpoint`; order, augmentation and dropout follow from seed and
    epoch alone, so a run that was killed goes on to the result of one that was not. Mixed
    precision on a GPU.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    objective : callable
        What is measured on a batch.
    train, validation : Patches
        Patches; `validation` may be empty.
    epochs, batch : int
        Passes over the patches, and patches a step.
    learning_rate, beta1 : float
        Of Adam.
    seed : int
        Decides order, augmentation and dropout.
    checkpoint : str or Path
        File to resume from and to write.
    identity : str
        What the run is; a checkpoint of another identity is not resumed.

    Returns
    -------
    list of dict
        One row an epoch: ``epoch``, and ``train_*`` and ``validation_*`` for every scalar.

    Raises
    ------
    InputError
        If the loss is no longer a number.
    """
    device = default_device()
    model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(beta1, 0.999))
    scaler = torch.amp.GradScaler(device.type, enabled=needs_loss_scaling(device))
    history, best = _resume(Path(checkpoint), identity, model, optimizer, scaler)
    for epoch in range(len(history) + 1, epochs + 1):
        started = time.perf_counter()
        torch.manual_seed(hash((seed, epoch)))  # dropout; a hash of ints is the same everywhere
        model.train()
        sums = _Means()
        for images, labels in train.shuffled(batch, seed=seed, epoch=epoch):
            with autocast(device):
                scalars = objective(model, _to(device, images), labels.to(device))
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(scalars["loss"]).backward()
            scaler.step(optimizer)
            scaler.update()
            sums.add(scalars, len(images))
        row = {"epoch": epoch, **sums.row("train")}
        row |= measure(model, objective, validation, batch=batch).row("validation")
        for part in ("train_loss", "validation_loss"):
            if not math.isfinite(row.get(part, 0)):
                raise InputError(
                    f"training: {part} is {row[part]} in epoch {epoch}; lower learning_rate"
                )
        history.append(row)
        if row is _best_row(history):
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        _save(
            Path(checkpoint),
            identity,
            history,
            model=model,
            best=best,
            optimizer=optimizer,
            scaler=scaler,
        )
        rate = len(train) / (time.perf_counter() - started)
        log.info("%s (%.1f patches/s)", ", ".join(f"{k} {v:.4g}" for k, v in row.items()), rate)
    model.load_state_dict(best)
    model.eval()
    return history


@torch.no_grad()
def measure(model: nn.Module, objective: Objective, data: Patches, *, batch: int) -> "_Means":
    """Means of the objective's scalars over all patches, the model in evaluation mode."""
    device = next(model.parameters()).device
    model.eval()
    sums = _Means()
    for images, labels in data.in_order(batch):
        with autocast(device):
            sums.add(objective(model, _to(device, images), labels.to(device)), len(images))
    return sums


class _Means:
    """Means over patches of named scalars."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._n = 0

    def add(self, scalars: dict[str, torch.Tensor], n: int) -> None:
        # Kept on the device: asking for the number each step would make the GPU wait.
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().double() * n
        self._n += n

    def row(self, prefix: str) -> dict[str, float]:
        return {f"{prefix}_{name}": float(s) / self._n for name, s in self._sums.items()}


def _best_row(history: list[dict[str, float]]) -> dict[str, float]:
    if "validation_loss" not in history[-1]:
        return history[-1]
    return min(history, key=lambda row: row["validation_loss"])


def _to(device: torch.device, images: torch.Tensor) -> torch.Tensor:
    return images.to(device, memory_format=torch.channels_last, non_blocking=True)


def _save(
    path: Path,
    identity: str,
    history: list[dict[str, float]],
    *,
    model: nn.Module,
    best: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> None:
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
    text = {
        "identity": identity,
        "history": json.dumps(history),
        "scaler": json.dumps(scaler.state_dict()),
    }
    with atomic(path) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, text)


def _resume(
    path: Path,
    identity: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    if not path.exists():
        return [], {}
    with safe_open(path, "pt") as file:
        text = file.metadata()
        if text["identity"] != identity:
            log.info("%s is of another run: starting from the beginning", path)
            return [], {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no dict
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    model.load_state_dict(parts["model"])
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in parts["optimizer"].items():
        i, _, key = name.partition(".")
        states.setdefault(int(i), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    scaler.load_state_dict(json.loads(text["scaler"]))
    history = json.loads(text["history"])
    log.info("resumed after epoch %d from %s", len(history), path)
    return history, parts["best"]
