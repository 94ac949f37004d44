"""What training of networks for nuclei minimizes."""

import torch
from torch import nn
from torch.nn import functional

from microtome.training.objectives import Scalars

_FIRES = 0.5  # from here on the detection map, which is 0 or 1 in practice, is 1


def reconstruction(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
    """Minimize the root of the mean squared error of each image, on average over images.

    Besides it there are ``active``: the share of the places of the detection map that fire, or, of
    a variant without one, of the values of the foreground that are above 0; and, with a detection
    map, ``darker``: by how much the red of places that fire is below that of all, 0 where none do.
    Haematoxylin takes the red away, and eosin leaves it.
    """
    found, encoded = model(images, with_encoded=True)
    with torch.autocast(images.device.type, enabled=False):
        squared = (found.float() - images).square().mean(dim=(1, 2, 3))
    scalars = {"loss": squared.sqrt().mean()}
    if encoded.detection is None:
        return scalars | {"active": (encoded.foreground > 0).float().mean()}
    fires = (encoded.detection > _FIRES).float()
    red = functional.adaptive_avg_pool2d(images[:, :1].float(), fires.shape[-2:])
    darker = ((red.mean() - red) * fires).sum() / fires.sum().clamp(min=1)
    return scalars | {"active": fires.mean(), "darker": darker}


def log_likelihood(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Scalars:
    """Minimize the binary cross-entropy of logits and truths of one shape, on average over them.

    `labels` are 0 and 1, uint8: attributes (B, n), or maps (B, h, w), whose logits are
    (B, 1, h, w).
    """
    logits = model(images).float()
    truths = labels.reshape(logits.shape).float()
    with torch.autocast(images.device.type, enabled=False):
        loss = functional.binary_cross_entropy_with_logits(logits, truths)
    return {"loss": loss}
