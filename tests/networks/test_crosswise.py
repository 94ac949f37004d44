"""The crosswise sparse autoencoder's layers, sizes and parameters are those of the paper."""

import pytest
import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.crosswise import CrosswiseCAE

# Tables 1 and 2: kernel, maps in and out, side of the maps of a 100 px patch behind the layer.
# A kernel of 0 is an average pooling.
TABLES = {
    "part1": [
        *((5, 3, 100, 100), (5, 100, 120, 100), (0, 120, 120, 50)),
        *((3, 120, 240, 50), (3, 240, 320, 50), (0, 320, 320, 25)),
        *((3, 320, 640, 25), (3, 640, 1024, 25)),
    ],
    "part2": [(1, 1024, 100, 25), (1, 100, 1, 25)],
    "part3": [(1, 1024, 640, 25), (1, 640, 100, 25)],
    "part4": [(1, 1024, 128, 25), (0, 128, 128, 5), (3, 128, 64, 5), (1, 64, 5, 5)],
    "part7": [
        *((3, 100, 1024, 25), (3, 1024, 640, 25), (4, 640, 640, 50)),
        *((3, 640, 320, 50), (3, 320, 320, 50), (4, 320, 320, 100)),
        *((5, 320, 120, 100), (5, 120, 100, 100), (1, 100, 3, 100)),
    ],
    "part8": [
        *((3, 5, 256, 5), (3, 256, 128, 5), (9, 128, 128, 25)),
        *((3, 128, 128, 25), (3, 128, 128, 25), (4, 128, 128, 50)),
        *((3, 128, 64, 50), (3, 64, 64, 50), (4, 64, 64, 100)),
        *((5, 64, 32, 100), (5, 32, 32, 100), (1, 32, 3, 100)),
    ],
}


def without_memory(variant: str = "crosswise", *, reduction: int = 4) -> CrosswiseCAE:
    """Build an autoencoder of the paper's size whose weights have shapes and no values."""
    with torch.device("meta"):
        return CrosswiseCAE(
            variant=variant, reduction=reduction, width=1.0, sparsity_percent=1.6
        ).eval()


def layers_of(cae: CrosswiseCAE, side_px: int) -> dict[str, list[tuple[int, ...]]]:
    """Give the layers of each part as the tables have them, as a patch runs through."""
    found: dict[str, list[tuple[int, ...]]] = {}

    def note(name: str, layer: nn.Module, images: torch.Tensor, maps: torch.Tensor) -> None:
        kernel = 0 if isinstance(layer, nn.AvgPool2d) else layer.kernel_size[0]
        row = (kernel, images[0].shape[1], maps.shape[1], maps.shape[2])
        found.setdefault(name, []).append(row)

    for name, layer in cae.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.AvgPool2d):
            part = name.partition(".")[0]
            layer.register_forward_hook(lambda *at, part=part: note(part, *at))
    cae(torch.empty(1, 3, side_px, side_px, device="meta"))
    return found


def test_tables_1_and_2_layer_by_layer():
    """Kernels, numbers of maps and their sides are the paper's."""
    assert layers_of(without_memory(), 100) == TABLES


@pytest.mark.parametrize(("height", "width"), [(100, 90), (50, 100)])
def test_sides_that_do_not_fit(height, width):
    """Sides that the background's 20 px do not divide are refused with what to do."""
    with pytest.raises(InputError, match=f"{width} x {height} px .* a multiple of 20"):
        without_memory()(torch.empty(1, 3, height, width, device="meta"))
