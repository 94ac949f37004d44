"""What training minimizes, one function a task: see `microtome.training.Objective`."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from microtome.losses import ReconstructionLoss

Scalars = dict[str, torch.Tensor]
_Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], Scalars]


def reconstruction(loss: ReconstructionLoss) -> _Objective:
    """An autoencoder gives back its images."""

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
        return {"loss": loss(model(images), images)}

    return objective


def classification(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
    """Cross-entropy of patches, logits (B, 2) and labels (B,), or of their px, (B, 2, H, W)."""
    return _of_classes(model(images).float(), labels.long())


def multi_task(
    loss: ReconstructionLoss, *, reconstruction: float, classification: float
) -> _Objective:
    """MR-HistoCAE: reconstruct the images of all spacings and classify them, together.

    The paper adds the reconstruction losses of the three autoencoders and the cross-entropy; how
    they are weighted it does not say.
    """

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
        logits, found = model(images, reconstruct=True)
        scalars = _of_classes(logits.float(), labels)
        rebuilt = sum(loss(image, images[:, s]) for s, image in enumerate(found))
        joint = reconstruction * rebuilt + classification * scalars["loss"]
        return {
            "loss": joint,
            "accuracy": scalars["accuracy"],
            "reconstruction": rebuilt,
            "cross_entropy": scalars["loss"],
        }

    return objective


def _of_classes(logits: torch.Tensor, labels: torch.Tensor) -> Scalars:
    right = (logits.argmax(dim=1) == labels).float().mean()
    return {"loss": functional.cross_entropy(logits, labels), "accuracy": right}
