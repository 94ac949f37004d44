"""Pretraining of a crosswise autoencoder, and what shows that it came to nothing."""

import math
from itertools import islice
from pathlib import Path

from torch import nn

from microtome.errors import InputError
from microtome.networks.registry import build_model
from microtome.networks.sparsity import RunningThreshold
from microtome.nucleus_training.objectives import reconstruction
from microtome.nucleus_training.settling import settle
from microtome.training.batches import Patches
from microtome.training.checkpoints import History
from microtome.training.loop import fit
from microtome.training.run_identity import describe_run

# Windows on which threshold and offset are set in the end; they hold some thousand nuclei.
_SETTLED_ON = 512


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
        If there are fewer than two windows, or in the end nothing is active, or the gaps between
        nuclei are.
    """
    if len(train) < 2:
        raise InputError(
            f"models.{name}: pretraining has {len(train)} windows; the slide sheet needs slides in"
            " split train with enough tissue"
        )
    model = build_model(entry, seed=entry["seed"])
    fitting = {key: value for key, value in entry["pretraining"].items() if key != "patches"}
    history = fit(
        model,
        reconstruction,
        checkpoint=checkpoint,
        **describe_run(name, entry, train, validation, code=code),
        **fitting,
    )
    require_nuclei(name, model, history)
    batches = train.shuffled(fitting["batch"], seed=entry["seed"], epoch=0)
    n_batches = -(-_SETTLED_ON // fitting["batch"])
    settle(model, (images for images, _ in islice(batches, n_batches)))
    return model, history


def require_nuclei(name: str, model: nn.Module, history: History) -> None:
    """Raise InputError if what passes a trained autoencoder's threshold cannot be nuclei.

    That is so if nothing does, if the threshold is no number, or if what does is no darker than all
    the rest. Nothing in the loss says that it shall be dark: what is rare and sharp may be the
    glass between cells. Of `history` the epoch whose weights are kept counts.
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
    darker = kept.get("validation_darker", kept.get("train_darker"))
    if darker is not None and not darker > 0:
        raise InputError(
            f"models.{name}: after pretraining the places that are active are no darker in red than"
            f" all others ({darker:+.3f} of 1), so they are gaps between nuclei, not nuclei; train"
            " with another seed, more patches or epochs, or another sparsity_percent"
        )
