"""Batch norms folded into the convolutions beside them: the same function, less to compute."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval


def fold_batch_norms(layers: nn.Sequential) -> nn.Sequential:
    """Fold each batch norm that a convolution follows into it, as it acts in prediction.

    y = s x + t, then w * y + b, is (w s) * x + (b + sum(w t)). Away from borders the result is the
    same up to rounding. Where the convolution pads, zeros stand for x = 0 and no longer for y = 0:
    as far as padding reaches, the result differs. It is a copy in evaluation mode.

    Examples
    --------
    Of y = x + 5 a convolution makes 10 y + 3: 10 x + 53.

    >>> norm, conv = nn.BatchNorm2d(1, eps=0), nn.Conv2d(1, 1, 1)
    >>> values = {norm.bias: 5, conv.weight: 10, conv.bias: 3}
    >>> _ = [nn.init.constant_(tensor, value) for tensor, value in values.items()]
    >>> (folded,) = fold_batch_norms(nn.Sequential(norm, conv))
    >>> folded.weight.item(), folded.bias.item()
    (10.0, 53.0)
    """
    found: list[nn.Module] = []
    for layer in copy.deepcopy(layers).eval():
        if found and isinstance(layer, nn.Conv2d) and isinstance(found[-1], nn.BatchNorm2d):
            _fold(found.pop(), layer)
        found.append(layer)
    return nn.Sequential(*found).eval()


def _fold(norm: nn.BatchNorm2d, conv: nn.Conv2d) -> None:
    with torch.no_grad():
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        weight = conv.weight.double()
        conv.bias.copy_(conv.bias + (weight.sum(dim=(2, 3)) * shift).sum(dim=1))
        conv.weight.copy_(weight * scale[:, None, None])


def fold_into_convolutions(network: nn.Module) -> nn.Module:
    """Fold each batch norm that follows a convolution into it, wherever they are in a network.

    The result is the same up to rounding. It is a copy in evaluation mode; identities stand in for
    the batch norms.

    Examples
    --------
    >>> conv, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0)
    >>> values = {norm.weight: 2, norm.bias: 5, conv.weight: 10, conv.bias: 3}
    >>> _ = [nn.init.constant_(tensor, value) for tensor, value in values.items()]
    >>> folded, _ = fold_into_convolutions(nn.Sequential(conv, norm))
    >>> folded.weight.item(), folded.bias.item()
    (20.0, 11.0)
    """
    folded = copy.deepcopy(network).eval()
    for layers in folded.modules():
        if not isinstance(layers, nn.Sequential):
            continue
        for i, (conv, norm) in enumerate(pairwise(layers)):
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(
                norm, nn.BatchNorm2d
            ):
                transposed = isinstance(conv, nn.ConvTranspose2d)
                layers[i] = fuse_conv_bn_eval(conv, norm, transpose=transposed)
                layers[i + 1] = nn.Identity()
    return folded
