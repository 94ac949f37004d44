"""The crosswise sparse autoencoder: it finds nuclei because it may keep few places of an image.

Hou et al., "Sparse autoencoder for unsupervised nucleus detection and representation in
histopathology images" (2019), sections 4 and 5.2, tables 1 and 2, figure 2. Parts have the paper's
numbers.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.sparsity import DetectionThreshold, SparseReLU, full_precision

# One vector of the background stands for so many px a side, at every reduction: 4 by the trunk's
# pooling and 5 by part 4's, which part 8 makes good.
BACKGROUND_PX = 20
_BACKGROUND_MAPS = 5
_SLOPE_BELOW_ZERO = 0.01  # of the leaky ReLU, as in the paper that it is from


@dataclass(frozen=True)
class _Maps:
    """Numbers of feature maps, layer by layer; those that end a part are apart."""

    trunk: tuple[int, ...]
    detection: int = 100
    foreground: tuple[int, int] = (640, 100)
    background: tuple[int, int] = (128, 64)
    foreground_decoder: tuple[int, ...] = ()
    background_decoder: tuple[int, ...] = (256, 128, 128, 128, 128, 128, 64, 64, 64, 32, 32)


# Reduction 4 is tables 1 and 2. Of reduction 1 the paper says 80 to 200 maps a layer (section 5.2),
# not which. Here the trunk goes from one to the other and the decoder back, so that a px costs
# about what it costs in the larger network; layers of the tables that have fewer maps keep them.
_MAPS = {
    4: _Maps(
        trunk=(100, 120, 240, 320, 640, 1024),
        foreground_decoder=(1024, 640, 640, 320, 320, 320, 120, 100),
    ),
    1: _Maps(
        trunk=(80, 100, 120, 140, 160, 200),
        foreground=(160, 100),
        foreground_decoder=(200, 160, 160, 140, 140, 140, 100, 80),
        background_decoder=(200, 128, 128, 128, 128, 128, 64, 64, 64, 32, 32),
    ),
}
_TRUNK_KERNELS = (5, 5, 3, 3, 3, 3)
# Kernel and factor of enlargement of each deconvolution.
_FOREGROUND_DECODER = ((3, 1), (3, 1), (4, 2), (3, 1), (3, 1), (4, 2), (5, 1), (5, 1), (1, 1))
_BACKGROUND_DECODER = (
    *((3, 1), (3, 1), (9, 5), (3, 1), (3, 1), (4, 2), (3, 1), (3, 1), (4, 2)),
    *((5, 1), (5, 1), (1, 1)),
)


def scaled(maps: int, width: float) -> int:
    """How many maps a layer has if all have `width` times the paper's, one at least.

    Examples
    --------
    >>> scaled(100, 0.25), scaled(32, 0.01)
    (25, 1)
    """
    return max(1, round(maps * width))


def make_step(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """A layer of the paper: convolution or deconvolution, batch norm, leaky ReLU."""
    return [*_normalized(conv), nn.LeakyReLU(_SLOPE_BELOW_ZERO, inplace=True)]


def make_conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """Convolution for a batch norm behind it, so without bias: the size stays."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


def _make_deconv(inputs: int, outputs: int, kernel: int, factor: int) -> nn.ConvTranspose2d:
    padding = (kernel - factor) // 2
    return nn.ConvTranspose2d(inputs, outputs, kernel, factor, padding, bias=False)


def _normalized(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    # The weights of a deconvolution have inputs and outputs the other way round.
    mode = "fan_out" if isinstance(conv, nn.ConvTranspose2d) else "fan_in"
    nn.init.kaiming_normal_(conv.weight, a=_SLOPE_BELOW_ZERO, mode=mode, nonlinearity="leaky_relu")
    return [conv, nn.BatchNorm2d(conv.out_channels)]


class Crosswise(nn.Module):
    """Part 6: X = X' * D, equation 5: where nothing is detected, all maps are 0."""

    def forward(self, dense: torch.Tensor, detection: torch.Tensor) -> torch.Tensor:
        """Foreground (B, maps, h, w), float32, of dense maps and their detection (B, 1, h, w)."""
        return dense * detection


class Encoded(NamedTuple):
    """What an autoencoder keeps of images (B, 3, H, W).

    `foreground` (B, maps, h, w), h = H / reduction; `background` (B, 5, H // 20, W // 20). With a
    detection branch also `detection`, D (B, 1, h, w) in [0, 1], and `raw`, D' before the threshold;
    both float32, and None without one.
    """

    foreground: torch.Tensor
    background: torch.Tensor
    detection: torch.Tensor | None
    raw: torch.Tensor | None


class Encoder(nn.Module):
    """Some of the parts 1 to 6, as the modules ``part1`` to ``part6``.

    D' is what part 2 gives: its last layer is batch-normalized, so that the threshold finds values
    of one scale (section 4.3.2), and has no leaky ReLU, which would change nothing above t.

    Parameters
    ----------
    parts : collection of int
        Which parts there are.
    variant : {'crosswise', 'sparse', 'dense'}
        What part 6 does with the dense maps of part 3: it multiplies them with the detection map,
        keeps of each its own highest values (SP-CNN), or leaves them as they are (DEN-CNN). Only
        'crosswise' has parts 2 and 5.
    reduction : {4, 1}
        px a side that a location of the foreground stands for. With 1 the trunk does not pool
        (section 5.2).
    width : float
        Share of the paper's numbers of maps. The background always has five.
    sparsity_percent : float
        p, the percentage of locations (with 'sparse', of values) that pass the threshold.
    fixed_threshold : bool
        Whether the threshold stays as it is in training, too: after pretraining it is a constant.
    """

    def __init__(
        self,
        *,
        parts: Collection[int],
        variant: str,
        reduction: int,
        width: float,
        sparsity_percent: float,
        fixed_threshold: bool = False,
    ) -> None:
        super().__init__()
        self.variant, self.reduction = variant, reduction
        threshold = {"percent": sparsity_percent, "fixed": fixed_threshold}
        sixth = {
            "crosswise": Crosswise,
            "sparse": lambda: SparseReLU(**threshold),
            "dense": nn.Identity,
        }
        makers = {
            1: lambda: _make_trunk(reduction, width),
            2: lambda: _make_detection_branch(reduction, width),
            3: lambda: _make_foreground_branch(reduction, width),
            4: lambda: _make_background_branch(reduction, width),
            5: lambda: DetectionThreshold(**threshold),
            6: sixth[variant],
        }
        for number in sorted(parts):
            self.add_module(f"part{number}", makers[number]())

    @property
    def receptive_field_px(self) -> int:
        """Side of what a location of the detection map or the foreground sees of an image, in px.

        A location's own px are in the middle. Table 1 gives 36 px: 18 µm, a nucleus and its rim.
        """
        field, step = 1, 1
        for layer in self.part1:
            if isinstance(layer, nn.Conv2d | nn.AvgPool2d):
                kernel = layer.kernel_size
                field += ((kernel if isinstance(kernel, int) else kernel[0]) - 1) * step
                step *= layer.stride if isinstance(layer.stride, int) else layer.stride[0]
        return field

    def detect(self, images: torch.Tensor) -> torch.Tensor:
        """Detection map (B, 1, h, w), float32 in [0, 1], of images (B, 3, H, W) in [0, 1].

        Parts 1, 2 and 5 alone; h = H / reduction, rounded down.
        """
        return self.part5(self._raw(self.part1(images)))

    def encode(self, images: torch.Tensor) -> Encoded:
        """Parts 1 to 6 of images (B, 3, H, W) in [0, 1]; H and W from 20 px up."""
        trunk = self.part1(images)
        dense, background = self.part3(trunk), self.part4(trunk)
        if self.variant != "crosswise":
            return Encoded(self.part6(dense), background, None, None)
        raw = self._raw(trunk)
        detection = self.part5(raw)
        return Encoded(self.part6(dense, detection), background, detection, raw)

    def _raw(self, trunk: torch.Tensor) -> torch.Tensor:
        """D' (B, 1, h, w), whose last layer is computed in float32 in mixed precision too."""
        hidden = self.part2[:-2](trunk)
        with full_precision(hidden.device):
            return self.part2[-2:](hidden.float())


class CrosswiseCAE(Encoder):
    """CSP-CAE, or the autoencoder of a baseline: images -> reconstructions of the same size.

    The variants are CSP-CAE ('crosswise'), and those that SP-CNN ('sparse') and DEN-CNN ('dense')
    start from (section 5.5).

    The last layer of each decoder has batch norm and no leaky ReLU: the reconstruction is the sum
    of both, and one must be able to darken what the other makes. At reduction 1 nothing of part 7
    enlarges: its 4 x 4 deconvolutions are 3 x 3. Parts 4 and 8 keep their scale: the background has
    a vector for 20 x 20 px, or it could hold nuclei, and part 8 enlarges 20 times.

    Parameters are those of `Encoder`.

    Examples
    --------
    >>> cae = CrosswiseCAE(variant="crosswise", reduction=4, width=0.05, sparsity_percent=1.6)
    >>> cae(torch.rand(2, 3, 100, 100)).shape, cae.receptive_field_px
    (torch.Size([2, 3, 100, 100]), 36)
    >>> encoded = cae.encode(torch.rand(2, 3, 100, 100))
    >>> encoded.detection.shape, encoded.background.shape
    (torch.Size([2, 1, 25, 25]), torch.Size([2, 5, 5, 5]))
    """

    def __init__(
        self, *, variant: str, reduction: int, width: float, sparsity_percent: float
    ) -> None:
        super().__init__(
            parts=range(1, 7) if variant == "crosswise" else (1, 3, 4, 6),
            variant=variant,
            reduction=reduction,
            width=width,
            sparsity_percent=sparsity_percent,
        )
        maps = _MAPS[reduction]
        layers = [(3, 1) if reduction == 1 and f == 2 else (k, f) for k, f in _FOREGROUND_DECODER]
        inputs = scaled(maps.foreground[-1], width)
        self.part7 = _make_decoder(inputs, maps.foreground_decoder, width, layers)
        inputs, layers = _BACKGROUND_MAPS, list(_BACKGROUND_DECODER)
        self.part8 = _make_decoder(inputs, maps.background_decoder, width, layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Reconstruct images (B, 3, H, W) in [0, 1]; H and W are multiples of 20.

        InputError if they are not. Values may lie outside [0, 1].
        """
        height, width = images.shape[-2:]
        if height % BACKGROUND_PX or width % BACKGROUND_PX:
            raise InputError(
                f"models: a patch of {width} x {height} px does not fit the crosswise autoencoder;"
                f" set patch_px to a multiple of {BACKGROUND_PX}"
            )
        encoded = self.encode(images)
        return self.part7(encoded.foreground) + self.part8(encoded.background)


def _make_trunk(reduction: int, width: float) -> nn.Sequential:
    """Part 1: six convolutions, with poolings behind the second and the fourth at reduction 4."""
    layers: list[nn.Module] = []
    before = 3
    for i, (maps, kernel) in enumerate(zip(_MAPS[reduction].trunk, _TRUNK_KERNELS, strict=True)):
        depth = scaled(maps, width)
        layers += make_step(make_conv(before, depth, kernel))
        if reduction == 4 and i in (1, 3):
            layers.append(nn.AvgPool2d(2))
        before = depth
    return nn.Sequential(*layers)


def _make_detection_branch(reduction: int, width: float) -> nn.Sequential:
    """Part 2: the trunk's maps to D'."""
    trunk, hidden = (
        scaled(maps, width) for maps in (_MAPS[reduction].trunk[-1], _MAPS[reduction].detection)
    )
    return nn.Sequential(
        *make_step(make_conv(trunk, hidden, 1)), *_normalized(make_conv(hidden, 1, 1))
    )


def _make_foreground_branch(reduction: int, width: float) -> nn.Sequential:
    """Part 3: the trunk's maps to dense ones."""
    trunk = scaled(_MAPS[reduction].trunk[-1], width)
    hidden, dense = (scaled(maps, width) for maps in _MAPS[reduction].foreground)
    return nn.Sequential(
        *make_step(make_conv(trunk, hidden, 1)), *make_step(make_conv(hidden, dense, 1))
    )


def _make_background_branch(reduction: int, width: float) -> nn.Sequential:
    """Part 4: the trunk's maps to five small ones."""
    trunk = scaled(_MAPS[reduction].trunk[-1], width)
    first, second = (scaled(maps, width) for maps in _MAPS[reduction].background)
    return nn.Sequential(
        *make_step(make_conv(trunk, first, 1)),
        nn.AvgPool2d(BACKGROUND_PX // reduction),
        *make_step(make_conv(first, second, 3)),
        *make_step(make_conv(second, _BACKGROUND_MAPS, 1)),
    )


def _make_decoder(
    inputs: int, maps: tuple[int, ...], width: float, layers: list[tuple[int, int]]
) -> nn.Sequential:
    """Parts 7 and 8: deconvolutions of kernels and factors to RGB, the last one without ReLU."""
    steps: list[nn.Module] = []
    before = inputs
    for depth, (kernel, factor) in zip((scaled(m, width) for m in maps), layers[:-1], strict=True):
        steps += make_step(_make_deconv(before, depth, kernel, factor))
        before = depth
    return nn.Sequential(*steps, *_normalized(_make_deconv(before, 3, *layers[-1])))
