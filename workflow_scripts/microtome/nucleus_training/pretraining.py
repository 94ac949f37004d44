"""Pretraining of a crosswise autoencoder, and what shows that it came to nothing."""

import math
from pathlib import Path

from torch import nn

from microtome.errors import InputError
from microtome.networks.registry import build_model
from microtome.networks.sparsity import RunningThreshold
from microtome.nucleus_training.objectives import reconstruction
from microtome.training.batches import Patches
from microtome.training.checkpoints import History
from microtome.training.loop import fit


def pretrain(
    name: str,
    entry: dict,
    train: Patches,
    validation: Patches,
    *,
    checkpoint: str | Path,
    code: str,
) -> tuple[nn.Module, History]:
    """Train the autoencoder of an entry of kind crosswise to give back windows.

    `name` is the entry's; `validation`, which may be empty, judges epochs. A run goes on from its
    `checkpoint`, unless that is of other `code`, a hash. Returns the loss, and the share of places
    that are active, per epoch, too.

    Raises
    ------
    InputError
        If there are fewer than two windows, or in the end nothing is active.
    """
    if len(train) < 2:
        raise InputError(
            f"models.{name}: pretraining has {len(train)} windows; the slide sheet needs slides in"
            " split train with enough tissue"
        )
    model = build_model(entry, seed=entry["seed"])
    fitting = {key: value for key, value in entry["pretraining"].items() if key != "patches"}
    identity = {
        "model": name,
        "entry": entry,
        "code": code,
        "training windows": train.identity(),
        "validation windows": validation.identity(),
    }
    history = fit(
        model,
        reconstruction,
        train=train,
        validation=validation,
        seed=entry["seed"],
        checkpoint=checkpoint,
        identity=identity,
        **fitting,
    )
    require_active(name, model, history)
    return model, history


def require_active(name: str, model: nn.Module, history: History) -> None:
    """Raise InputError if nothing passes a trained autoencoder's threshold, or it is no number.

    `history` has the share of active places of each epoch; that of the epoch whose weights are kept
    counts.
    """
    for module in model.modules():
        if isinstance(module, RunningThreshold) and not math.isfinite(module.threshold):
            raise InputError(
                f"models.{name}: pretraining ended with the threshold {float(module.threshold)};"
                " lower learning_rate"
            )
    kept = history[-1]
    if "validation_loss" in kept:
        kept = min(history, key=lambda row: row["validation_loss"])
    share = kept.get("validation_active", kept["train_active"])
    if not share > 0:
        raise InputError(
            f"models.{name}: after pretraining no place of any window is active, so nothing would"
            " be found; raise sparsity_percent, or lower learning_rate"
        )
