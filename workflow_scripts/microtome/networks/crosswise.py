"""The crosswise sparse autoencoder: it finds nuclei because it may keep few places of an image.

Hou et al., "Sparse autoencoder for unsupervised nucleus detection and representation in
histopathology images" (2019), sections 4 and 5.2, figure 2 with its numbers of parts.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.sparsity import (
    SLOPE,
    Crosswise,
    DetectionThreshold,
    SparseReLU,
    full_precision,
)

# A vector of the background stands for so many px a side: 4 by the trunk and 5 by part 4.
BACKGROUND_PX = 20
_BACKGROUND_MAPS = 5
_SLOPE_BELOW_ZERO = 0.01  # of the leaky ReLU, as in the paper that it is from


@dataclass(frozen=True)
class _Maps:
    """Numbers of feature maps, layer by layer; the last of most parts are not here."""

    trunk: tuple[int, ...]
    foreground: tuple[int, int]
    foreground_decoder: tuple[int, ...]
    background_decoder: tuple[int, ...]
    detection: int = 100
    background: tuple[int, int] = (128, 64)


# Reduction 4 is tables 1 and 2. Of reduction 1 the paper says 80 to 200 maps a layer (section 5.2),
# not which. Here the trunk goes from one to the other and the decoder back, so that a px of the
# trunk costs about what it costs in the larger one: 0.95 and 1.03 million multiplications. What is
# kept, and layers of the tables that have fewer than 200 maps, stay as they are.
_MAPS = {
    4: _Maps(
        trunk=(100, 120, 240, 320, 640, 1024),
        foreground=(640, 100),
        foreground_decoder=(1024, 640, 640, 320, 320, 320, 120, 100),
        background_decoder=(256, 128, 128, 128, 128, 128, 64, 64, 64, 32, 32),
    ),
    1: _Maps(
        trunk=(80, 100, 120, 140, 160, 200),
        foreground=(160, 100),
        foreground_decoder=(200, 160, 160, 140, 140, 140, 100, 80),
        background_decoder=(200, 128, 128, 128, 128, 128, 64, 64, 64, 32, 32),
    ),
}
# Kernel and enlargement of each deconvolution; without enlargement 4 x 4 is 3 x 3.
_FOREGROUND_DECODER = {
    4: ((3, 1), (3, 1), (4, 2), (3, 1), (3, 1), (4, 2), (5, 1), (5, 1), (1, 1)),
    1: ((3, 1), (3, 1), (3, 1), (3, 1), (3, 1), (3, 1), (5, 1), (5, 1), (1, 1)),
}
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


def make_steps(maps: Sequence[int], kernel: int) -> list[nn.Module]:
    """Convolution, batch norm, leaky ReLU from each number of maps to the next; sizes stay."""
    layers: list[nn.Module] = []
    for before, after in pairwise(maps):
        steps = _make_normalized(_make_conv(before, after, kernel))
        layers += [*steps, nn.LeakyReLU(_SLOPE_BELOW_ZERO, inplace=True)]
    return layers


def _make_conv(before: int, after: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)


def _make_normalized(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    # The weights of a deconvolution have inputs and outputs the other way round.
    mode = "fan_out" if isinstance(conv, nn.ConvTranspose2d) else "fan_in"
    nn.init.kaiming_normal_(conv.weight, a=_SLOPE_BELOW_ZERO, mode=mode, nonlinearity="leaky_relu")
    return [conv, nn.BatchNorm2d(conv.out_channels)]


def _make_layers(part: int, reduction: int, width: float) -> list[nn.Module]:
    """Layers of parts 1 to 4, table 1."""
    maps = _MAPS[reduction]
    trunk = [scaled(depth, width) for depth in maps.trunk]
    if part == 1:
        layers: list[nn.Module] = []
        for depths, kernel in (([3, *trunk[:2]], 5), (trunk[1:4], 3), (trunk[3:], 3)):
            pool = [nn.AvgPool2d(2)] if layers and reduction == 4 else []
            layers += [*pool, *make_steps(depths, kernel)]
        return layers
    if part == 2:
        hidden = scaled(maps.detection, width)
        last = _make_normalized(_make_conv(hidden, 1, 1))
        return [*make_steps([trunk[-1], hidden], 1), *last]
    if part == 3:
        return make_steps([trunk[-1], *(scaled(depth, width) for depth in maps.foreground)], 1)
    first, second = (scaled(depth, width) for depth in maps.background)
    pool = nn.AvgPool2d(BACKGROUND_PX // reduction)
    behind = [*make_steps([first, second], 3), *make_steps([second, _BACKGROUND_MAPS], 1)]
    return [*make_steps([trunk[-1], first], 1), pool, *behind]


def _make_decoder(maps: Sequence[int], layers: Sequence, width: float) -> nn.Sequential:
    """Parts 7 and 8: deconvolutions from the first, unscaled maps to RGB; no last leaky ReLU."""
    depths = [maps[0], *(scaled(depth, width) for depth in maps[1:]), 3]
    steps: list[nn.Module] = []
    for (before, after), (kernel, factor) in zip(pairwise(depths), layers, strict=True):
        padding = (kernel - factor) // 2
        deconv = nn.ConvTranspose2d(before, after, kernel, factor, padding, bias=False)
        steps += [*_make_normalized(deconv), nn.LeakyReLU(_SLOPE_BELOW_ZERO, inplace=True)]
    return nn.Sequential(*steps[:-1])


class Encoded(NamedTuple):
    """What is kept of images (B, 3, H, W): None stands for that of a part that there is not.

    `foreground` (B, maps, h, w), h = H // reduction; `background` (B, 5, H // 20, W // 20);
    `detection`, D (B, 1, h, w) in [0, 1], and `raw`, D' before the threshold, both float32.
    """

    foreground: torch.Tensor
    background: torch.Tensor | None
    detection: torch.Tensor | None
    raw: torch.Tensor | None


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """What parts 1 to 6 are like.

    Parameters
    ----------
    variant : {'crosswise', 'sparse', 'dense', 'plain'}
        What part 6 does with the dense maps of part 3: it multiplies them with the detection map,
        keeps of each its own highest values, ReLU(D' - t) (SP-CNN), or leaves them as they are
        (DEN-CNN, SUP-CNN). Parts 2 and 5 are there with 'crosswise' alone, 4 not with 'plain'.
    reduction : {4, 1}
        px a side that a location of the foreground stands for. With 1 the trunk does not pool
        (section 5.2).
    width : float
        Share of the paper's numbers of maps. The background always has five.
    sparsity_percent : float
        p, the percentage of locations (with 'sparse', of values) that pass the threshold.
    started : bool
        Whether the weights will be those of an autoencoder that is trained. The threshold is then
        a constant (section 4.3.2), in further training, too.
    slope : float
        r of the detection map (equation 6).
    """

    variant: str
    reduction: int
    width: float
    sparsity_percent: float
    started: bool = False
    slope: float = SLOPE


class Encoder(nn.Module):
    """Some of the parts 1 to 6, as the modules ``part1`` to ``part6``.

    D' is what part 2 gives: its last layer is batch-normalized, so that the threshold finds values
    of one scale (section 4.3.2), and has no leaky ReLU, which would change nothing above t.
    """

    def __init__(self, settings: EncoderSettings, *, parts: Collection[int]) -> None:
        super().__init__()
        self.parts, self.variant = frozenset(parts), settings.variant
        self.reduction, self.started = settings.reduction, settings.started
        self.foreground_maps = scaled(_MAPS[self.reduction].foreground[-1], settings.width)
        self.background_maps = _BACKGROUND_MAPS
        threshold = {"percent": settings.sparsity_percent, "fixed": self.started}
        sixth = {"crosswise": Crosswise, "sparse": lambda: SparseReLU(**threshold)}
        for number in sorted(self.parts):
            if number == 5:
                part = DetectionThreshold(**threshold, slope=settings.slope)
            elif number == 6:
                part = sixth.get(self.variant, nn.Identity)()
            else:
                part = nn.Sequential(*_make_layers(number, self.reduction, settings.width))
            self.add_module(f"part{number}", part)

    @property
    def reach_px(self) -> int:
        """How far a location of D and of the foreground sees beyond its own px on each side, in px.

        With tables 1 and 2 it is 16 px, which with its own 4 px make 36: 18 µm, a nucleus and rim.
        """
        reach, step = 0, 1
        for layer in self.part1:
            if isinstance(layer, nn.Conv2d):
                reach += layer.padding[0] * step
            elif isinstance(layer, nn.AvgPool2d):
                step *= layer.stride
        return reach

    @property
    def lattice_px(self) -> int:
        """Images moved by a multiple of so many px have maps moved by whole locations."""
        return self.reduction

    def detect(self, images: torch.Tensor) -> torch.Tensor:
        """Detection map (B, 1, h, w), float32 in [0, 1], of images (B, 3, H, W) in [0, 1].

        Parts 1, 2 and 5; h = H // reduction. InputError if the variant has no such map.
        """
        if self.variant != "crosswise":
            raise InputError(
                f"models: an autoencoder of variant {self.variant} has no detection map; take one"
                " of variant crosswise, or a nucleus_detector"
            )
        return self.part5(self._raw(self.part1(images)))

    def encode(self, images: torch.Tensor) -> Encoded:
        """Parts 1 to 6 of images (B, 3, H, W) in [0, 1]; H and W from 20 px up."""
        trunk = self.part1(images)
        dense = self.part3(trunk)
        background = self.part4(trunk) if 4 in self.parts else None
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
    start from (section 5.5). Parameters are those of `EncoderSettings`.

    The last layer of each decoder has batch norm and no leaky ReLU: the reconstruction is the sum
    of both, and one must be able to darken what the other makes. At reduction 1 nothing of part 7
    enlarges. Parts 4 and 8 keep their scale: the background has a vector for 20 x 20 px, or it
    could hold nuclei, and part 8 enlarges 20 times.

    A location may stand for a nucleus that lies a little beside it, always on the same side, since
    the decoder can move what it draws. The buffer ``offset_px`` is how far the nucleus is to the
    right and below; `microtome.nucleus_training.settling` sets it.

    Examples
    --------
    >>> cae = CrosswiseCAE(variant="crosswise", reduction=4, width=0.05, sparsity_percent=1.6)
    >>> cae(torch.rand(2, 3, 100, 100)).shape, cae.reach_px
    (torch.Size([2, 3, 100, 100]), 16)
    >>> encoded = cae.encode(torch.rand(2, 3, 100, 100))
    >>> encoded.detection.shape, encoded.background.shape
    (torch.Size([2, 1, 25, 25]), torch.Size([2, 5, 5, 5]))
    """

    def __init__(
        self, *, variant: str, reduction: int, width: float, sparsity_percent: float
    ) -> None:
        settings = EncoderSettings(
            variant=variant, reduction=reduction, width=width, sparsity_percent=sparsity_percent
        )
        super().__init__(settings, parts=range(1, 7) if variant == "crosswise" else (1, 3, 4, 6))
        maps = _MAPS[reduction]
        foreground = (self.foreground_maps, *maps.foreground_decoder)
        self.part7 = _make_decoder(foreground, _FOREGROUND_DECODER[reduction], width)
        background = (self.background_maps, *maps.background_decoder)
        self.part8 = _make_decoder(background, _BACKGROUND_DECODER, width)
        self.register_buffer("offset_px", torch.zeros(2))
        # Training begins with grey images of some contrast, not with noise of variance 2.
        for last, grey in ((self.part7[-1], 0.0), (self.part8[-1], 0.5)):
            nn.init.constant_(last.weight, 0.1)
            nn.init.constant_(last.bias, grey)

    def forward(
        self, images: torch.Tensor, *, with_encoded: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, Encoded]:
        """Reconstruct images (B, 3, H, W) in [0, 1]; H and W are multiples of 20.

        With `with_encoded` also what it is reconstructed from. InputError if 20 px do not divide
        the sides. Values may lie outside [0, 1].
        """
        height, width = images.shape[-2:]
        if height % BACKGROUND_PX or width % BACKGROUND_PX:
            raise InputError(
                f"models: a patch of {width} x {height} px does not fit the crosswise autoencoder;"
                f" set patch_px to a multiple of {BACKGROUND_PX}"
            )
        encoded = self.encode(images)
        reconstruction = self.part7(encoded.foreground) + self.part8(encoded.background)
        return (reconstruction, encoded) if with_encoded else reconstruction
