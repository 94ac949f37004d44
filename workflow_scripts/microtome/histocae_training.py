"""Training HistoCAE: the autoencoder without labels, then the classifier from its encoder."""

import hashlib
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from microtome.datasets import Patches
from microtome.errors import InputError
from microtome.histocae import HistoCAE
from microtome.losses import ReconstructionLoss
from microtome.registry import build_model
from microtome.training import fit

History = list[dict[str, float]]


def pretrain(
    name: str,
    entry: dict,
    train: Patches,
    validation: Patches,
    *,
    checkpoint: str | Path,
    code: str,
) -> tuple[HistoCAE, History]:
    """Train the autoencoder of a registry entry on patches, labelled or not.

    Parameters
    ----------
    name : str
        The entry's name.
    entry : dict
        Its settings.
    train, validation : Patches
        Patches; `validation` may be empty.
    checkpoint : str or Path
        See `fit`.
    code : str
        Hash of the code; a checkpoint of other code is not resumed.

    Returns
    -------
    HistoCAE
        Trained.
    list of dict
        Loss per epoch.
    """
    if len(train) < 2:
        raise InputError(
            f"models.{name}: pretraining has {len(train)} patches; the slide sheet needs slides in"
            " split train with enough tissue"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(entry["seed"])
        cae = HistoCAE(downsampling=entry["downsampling"])
    loss = ReconstructionLoss(**entry["reconstruction_loss"])

    def objective(
        model: nn.Module, images: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        return {"loss": loss(model(images), images)}

    history = fit(
        cae,
        objective,
        train=train,
        validation=validation,
        seed=entry["seed"],
        checkpoint=checkpoint,
        identity=f"{name} {entry} {code} {train.identity()} {validation.identity()}",
        **entry["pretraining"],
    )
    return cae, history


def train_from_cae(
    name: str,
    entry: dict,
    train: Patches,
    validation: Patches,
    *,
    cae: dict[str, torch.Tensor],
    checkpoint: str | Path,
    code: str,
) -> tuple[nn.Module, History]:
    """Train the classifier; its encoder starts as the autoencoder's and is not frozen.

    Parameters
    ----------
    name, entry, train, validation, checkpoint, code
        See `pretrain`; the patches are labelled.
    cae : dict of str to Tensor
        Weights of the trained autoencoder.

    Returns
    -------
    Module
        Trained.
    list of dict
        Loss and accuracy per epoch.

    Raises
    ------
    InputError
        If only one class is there to learn from.
    """
    train.require_both_classes(f"models.{name}: training")
    classifier = build_model(entry, seed=entry["seed"])
    start = {key: value for key, value in cae.items() if key.startswith("encoder.")}
    classifier.encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in start.items()})

    def objective(
        model: nn.Module, images: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        logits = model(images).float()
        right = (logits.argmax(dim=1) == labels).float().mean()
        return {"loss": functional.cross_entropy(logits, labels), "accuracy": right}

    history = fit(
        classifier,
        objective,
        train=train,
        validation=validation,
        seed=entry["seed"],
        checkpoint=checkpoint,
        identity=f"{name} {entry} {code} {train.identity()} {validation.identity()}"
        f" {_digest(start)}",
        **entry["training"],
    )
    return classifier, history


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    content = b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors.values())
    return hashlib.sha256(content).hexdigest()[:16]
