"""What training minimizes, one function a task."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from microtome.errors import InputError
from microtome.networks.reconstruction_loss import ReconstructionLoss
from microtome.networks.segmentation_losses import LOSSES

Scalars = dict[str, torch.Tensor]
# (model, images (B, 3, H, W), labels (B,)) -> scalars by name, means over the batch; "loss" is what
# is minimized. With further spacings images are (B, spacings, 3, H, W); truths are (B, H, W).
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], Scalars]


def reconstruction(loss: ReconstructionLoss) -> Objective:
    """An autoencoder gives back its images."""

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
        return {"loss": loss(model(images), images)}

    return objective


def classification(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
    """Cross-entropy of patches: logits (B, 2), labels (B,)."""
    return _of_classes(model(images).float(), labels.long())


def segmentation(loss: str) -> Objective:
    """A network tells tumour px from others; labels are truths (B, H, W) of 1 and 0, uint8.

    Minimized is a loss of `microtome.networks.segmentation_losses.LOSSES`; besides it there are
    ``accuracy``, the share of right px, and ``dice`` of the tumour px of the batch, 1 where neither
    truth nor prediction has any. InputError if there is no such loss.
    """
    if loss not in LOSSES:
        raise InputError(f"models: there is no loss {loss}; set loss to one of {', '.join(LOSSES)}")

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
        logits = model(images)
        found = logits.argmax(dim=1)
        # Sums over all px of a batch need more digits than half precision has.
        with torch.autocast(images.device.type, enabled=False):
            value = LOSSES[loss](logits.float(), labels)
        return {
            "loss": value,
            "accuracy": (found == labels).float().mean(),
            "dice": _dice(found, labels),
        }

    return objective


def multi_task(
    loss: ReconstructionLoss, *, reconstruction: float, classification: float
) -> Objective:
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


def _dice(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """2 |both| / (|found| + |truth|) of maps of 0 and 1, as float32."""
    n_both, n = (found * truth).sum(), found.sum() + truth.sum()
    # Divided by 1 where there is nothing: 0 of 0 px is a Dice of 1.
    return torch.where(n > 0, 2 * n_both / n.clamp(min=1), 1.0)
