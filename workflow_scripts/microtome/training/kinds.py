"""Training each kind of model: where its weights start, and what they are to minimize."""

from operator import attrgetter
from pathlib import Path

import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.histocae import HistoCAE
from microtome.networks.pretrained import load_weights
from microtome.networks.reconstruction_loss import ReconstructionLoss
from microtome.networks.registry import build_model
from microtome.training.batches import Patches
from microtome.training.checkpoints import History
from microtome.training.loop import fit
from microtome.training.objectives import classification, multi_task, reconstruction, segmentation
from microtome.training.random_colour import ColourChanges
from microtome.training.run_identity import describe_run


def pretrain(
    name: str,
    entry: dict,
    train: Patches,
    validation: Patches,
    *,
    checkpoint: str | Path,
    code: str,
) -> tuple[HistoCAE, History]:
    """Train the autoencoder of a registry entry on patches of one spacing, labelled or not.

    `name` is the entry's; `validation`, which may be empty, judges epochs. A run goes on from its
    `checkpoint`, unless that is of other `code`, a hash. Returns the loss per epoch, too.
    """
    if len(train) < 2:
        raise InputError(
            f"models.{name}: pretraining has {len(train)} patches; the slide sheet needs slides in"
            " split train with enough tissue"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(entry["seed"])
        cae = HistoCAE(downsampling=entry["downsampling"])
    history = fit(
        cae,
        reconstruction(ReconstructionLoss(**entry["reconstruction_loss"])),
        checkpoint=checkpoint,
        **describe_run(name, entry, train, validation, code=code),
        **entry["pretraining"],
    )
    return cae, history


def train_model(
    name: str,
    entry: dict,
    train: Patches,
    validation: Patches,
    *,
    autoencoders: list[dict[str, torch.Tensor]],
    checkpoint: str | Path,
    code: str,
    start: str | None = None,
) -> tuple[nn.Module, History]:
    """Train the network of a registry entry that tells tumour from the rest.

    It starts from the weights of the trained `autoencoders`, one a spacing, if there are any: its
    encoder starts as theirs and is not frozen. Or all of it starts from the weights in the file
    `start`; InputError if these are another network's. All patches are labelled; all else is as in
    `pretrain`. Returns loss and accuracy per epoch, too.
    """
    train.require_both_classes(f"models.{name}: training")
    model = build_model(entry, seed=entry["seed"])
    if autoencoders and entry["kind"] == "histocae":
        (cae,) = autoencoders
        own = {key: value for key, value in cae.items() if key.startswith("encoder.")}
        model.encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in own.items()})
    elif autoencoders:
        for module, state in zip(model.autoencoders, autoencoders, strict=True):
            module.load_state_dict(state)
    if start:
        load_weights(model, start, name=f"models.{name}, which starts from them")
    objective = classification
    if entry["kind"] == "mr_histocae":
        loss = ReconstructionLoss(**entry["reconstruction_loss"])
        objective = multi_task(loss, **entry["task_weights"])
    if entry["kind"] == "segmenter":
        objective = segmentation(entry.get("loss", "cross_entropy"))
    history = fit(
        model,
        objective,
        checkpoint=checkpoint,
        **describe_run(name, entry, train, validation, code=code, start=model),
        encoder=_ENCODERS.get(entry["kind"], lambda _: None)(model),
        colours=ColourChanges.of(entry.get("augmentation", {})),
        **entry["training"],
    )
    return model, history


# What stands still in the first epochs, where training.frozen_epochs asks for it.
_ENCODERS = {"histocae": attrgetter("encoder"), "segmenter": attrgetter("network.encoder")}
