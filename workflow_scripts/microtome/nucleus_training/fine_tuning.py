"""Supervised training of networks for nuclei, from the weights of a pretrained autoencoder."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.registry import build_model
from microtome.nucleus_training.objectives import log_likelihood
from microtome.training.batches import Patches
from microtome.training.checkpoints import History
from microtome.training.loop import fit
from microtome.training.random_colour import ColourChanges
from microtome.training.run_identity import describe_run

# The new layers have converged once so many epochs have had no new minimum of the loss.
_CONVERGED_AFTER = 3


def fine_tune(
    name: str,
    entry: dict,
    train: Patches,
    validation: Patches,
    *,
    start: Mapping[str, torch.Tensor] | None,
    checkpoint: str | Path,
    code: str,
) -> tuple[nn.Module, History]:
    """Train the network of an entry of one of the supervised kinds on windows with truths.

    With weights to `start` from, those of an autoencoder, the new layers are trained alone first:
    until they have converged, for at most ``new_layers_epochs`` of the epochs, or, if the entry is
    ``frozen``, all the time. Then the whole network is, with the learning rate as at first.

    `validation`, which may be empty, judges epochs. A run goes on from its `checkpoint`, in either
    stage, unless that is of other `code`, a hash, or other weights at the start. Returns the loss
    per epoch, too.

    Raises
    ------
    InputError
        If there are fewer than two windows, or the weights do not fit.
    """
    if len(train) < 2:
        raise InputError(
            f"models.{name}: training has {len(train)} windows of labelled images; the image sheet"
            " needs more images to train on, or labels_percent must be raised"
        )
    model = build_model(entry, seed=entry["seed"])
    if start is not None:
        model.start_from(start)
    fitting = dict(entry["training"])
    first = min(fitting.pop("new_layers_epochs", 0), fitting["epochs"])
    stages: dict[str, object] = {}
    learnt = learnt_layers(model)
    if len(learnt) and entry.get("frozen"):
        stages = {"encoder": learnt, "frozen_epochs": fitting["epochs"]}
    elif len(learnt) and first:
        stages = {"encoder": learnt, "frozen_epochs": first, "frozen_patience": _CONVERGED_AFTER}
    history = fit(
        model,
        log_likelihood,
        checkpoint=checkpoint,
        **describe_run(name, entry, train, validation, code=code, start=model),
        colours=ColourChanges.of(entry.get("augmentation", {})),
        **stages,
        **fitting,
    )
    return model, history


def learnt_layers(model: nn.Module) -> nn.ModuleList:
    """List the modules whose weights come from elsewhere: all but ``model.new_layers()``."""
    new = {id(layer) for layer in model.new_layers()}
    return nn.ModuleList(_find_others(model, new))


def _find_others(module: nn.Module, new: set[int]) -> Iterator[nn.Module]:
    """Find the largest modules that are not new and hold none that is."""
    if id(module) in new:
        return
    if any(id(part) in new for part in module.modules()):
        for child in module.children():
            yield from _find_others(child, new)
    else:
        yield module
