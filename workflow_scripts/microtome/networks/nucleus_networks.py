"""Supervised networks for nuclei that start from an autoencoder, and those they are compared with.

Hou et al., "Sparse autoencoder for unsupervised nucleus detection and representation in
histopathology images" (2019), sections 5.3 and 5.5. They have parts of the autoencoder, under the
same names, and new layers. By variant they are:

- 'crosswise': CSP-CNN; with random weights SUP-CSP-CNN; where only new layers learn, CSP-CAE-MLP.
- 'sparse': SP-CNN. No parts 2 and 5; part 6 is ReLU(D' - t).
- 'dense': DEN-CNN. No parts 2 and 5; part 6 is the identity.
- 'plain': SUP-CNN. As DEN-CNN, and no background (part 4); it fits no autoencoder.

Where a variant lacks the part on which new layers follow, they follow on what it has instead: in
detection, the foreground in place of the detection map. So DEN-CNN and SUP-CNN are one network
there. Segmentation takes parts 1 and 3, which all have, so all four are one: they differ in what
they start from.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import max_pool2d, pad

from microtome.errors import InputError
from microtome.networks.classifiers import PatchClassifier
from microtome.networks.crosswise import Encoder, EncoderSettings, make_steps, scaled
from microtome.networks.unet_plus_plus import make_node, make_up

_CLASSIFIER_MAPS = 320
# The paper does not say; part 2 has as many.
_DETECTOR_MAPS = 100
# Pairs of layers: on the foreground, then joined by the trunk's fourth layer, then by its second.
# The paper says 80 to 200; these mirror the trunk of reduction 1.
_SEGMENTER_MAPS = ((160, 160), (140, 140), (100, 80))
_UNET_MAPS = (64, 128, 256, 512, 1024)
_STEP = 3  # modules a layer: convolution, batch norm, leaky ReLU


class _Supervised(Encoder):
    """Parts of an autoencoder, and new layers in modules of other names."""

    def __init__(self, settings: EncoderSettings, *, parts: tuple[int, ...]) -> None:
        if settings.started and settings.variant == "plain":
            raise InputError(
                "models: network plain (SUP-CNN) begins with random weights; set start: null, or"
                " network: dense"
            )
        super().__init__(settings, parts=parts)

    def new_layers(self) -> list[nn.Module]:
        """Modules whose weights are not an autoencoder's: the whole network if it has none."""
        if not self.started:
            return [self]
        return [layer for name, layer in self.named_children() if not name.startswith("part")]

    def start_from(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take the weights of the parts from an autoencoder's state dict.

        InputError if they are not there, or not of this size.
        """
        own = {key: value for key, value in self.state_dict().items() if key.startswith("part")}
        for key, value in own.items():
            if key not in state or state[key].shape != value.shape:
                raise InputError(
                    f"models: the weights to start from do not fit ({key}); set start to a"
                    " crosswise model whose variant is this network, of the same width and"
                    " reduction"
                )
        self.load_state_dict({key: state[key] for key in own}, strict=False)


class NucleusDetector(_Supervised):
    """Parts 1, 2 and 5, then five 1 x 1 convolutions: whether a nucleus is at each location.

    The last one has one map; that the others have 100 is a choice.

    Examples
    --------
    >>> settings = EncoderSettings(
    ...     variant="crosswise", reduction=4, width=0.05, sparsity_percent=1.6
    ... )
    >>> NucleusDetector(settings)(torch.rand(2, 3, 100, 100)).shape
    torch.Size([2, 1, 25, 25])
    """

    def __init__(self, settings: EncoderSettings) -> None:
        crosswise = settings.variant == "crosswise"
        super().__init__(settings, parts=(1, 2, 5) if crosswise else (1, 3, 6))
        maps = scaled(_DETECTOR_MAPS, settings.width)
        inputs = 1 if crosswise else self.foreground_maps
        self.head = nn.Sequential(*make_steps([inputs, *[maps] * 4], 1), nn.Conv2d(maps, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, h, w) of images (B, 3, H, W) in [0, 1]; h = H // reduction."""
        if self.variant == "crosswise":
            return self.head(super().detect(images))
        return self.head(self.part6(self.part3(self.part1(images))))

    def detect(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities (B, 1, h, w), float32, of images (B, 3, H, W) in [0, 1]."""
        return torch.sigmoid(self(images).float())


class NucleusClassifier(_Supervised):
    """Parts 1 to 6, layers on foreground and background, their means, a logit an attribute.

    Four 1 x 1 convolutions on the foreground, two 3 x 3 on the background, of 320 maps each.

    Examples
    --------
    >>> settings = EncoderSettings(
    ...     variant="crosswise", reduction=4, width=0.05, sparsity_percent=1.6
    ... )
    >>> NucleusClassifier(settings, n_attributes=15)(torch.rand(2, 3, 100, 100)).shape
    torch.Size([2, 15])
    """

    def __init__(self, settings: EncoderSettings, *, n_attributes: int) -> None:
        background = settings.variant != "plain"
        parts = (1, 2, 3, 4, 5, 6) if settings.variant == "crosswise" else (1, 3, 6)
        super().__init__(settings, parts=(*parts, 4) if background else parts)
        maps = scaled(_CLASSIFIER_MAPS, settings.width)
        self.on_foreground = nn.Sequential(*make_steps([self.foreground_maps, *[maps] * 4], 1))
        if background:
            self.on_background = nn.Sequential(*make_steps([self.background_maps, maps, maps], 3))
        self.classes = nn.Linear(maps * (1 + background), n_attributes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, n_attributes) of images (B, 3, H, W) in [0, 1]; H and W from 20 px up."""
        encoded = self.encode(images)
        pooled = [self.on_foreground(encoded.foreground).mean(dim=(2, 3))]
        if encoded.background is not None:
            pooled.append(self.on_background(encoded.background).mean(dim=(2, 3)))
        return self.classes(torch.cat(pooled, dim=1))


class NucleusSegmenter(_Supervised):
    """Parts 1 and 3 at reduction 1, six 3 x 3 convolutions, a logit a pixel.

    The two skip connections, whose places the paper does not give, come from where the larger trunk
    pools, as U-Net's do: the trunk's fourth layer joins before the third of the six, its second
    before the fifth. InputError if `settings` have another reduction.

    With a `dense_px` each logit is made of all maps of all pixels of an image of that side, as in
    the paper; without, of the pixel's own maps, for images of any size.
    """

    def __init__(self, settings: EncoderSettings, *, dense_px: int | None = None) -> None:
        if settings.reduction != 1:
            raise InputError(
                f"models: a nucleus_segmenter has reduction 1, not {settings.reduction}; start it"
                " from a crosswise model with reduction: 1"
            )
        super().__init__(settings, parts=(1, 3))
        second, fourth = (self.part1[n * _STEP - _STEP].out_channels for n in (2, 4))
        deep, middle, last = ([scaled(m, settings.width) for m in two] for two in _SEGMENTER_MAPS)
        self.deep = nn.Sequential(*make_steps([self.foreground_maps, *deep], 3))
        self.middle = nn.Sequential(*make_steps([deep[-1] + fourth, *middle], 3))
        self.last = nn.Sequential(*make_steps([middle[-1] + second, *last], 3))
        self.dense_px = dense_px
        if dense_px:
            dense = nn.Linear(last[-1] * dense_px**2, dense_px**2)
            shape = (1, dense_px, dense_px)
            self.segmentation = nn.Sequential(nn.Flatten(), dense, nn.Unflatten(1, shape))
        else:
            self.segmentation = nn.Conv2d(last[-1], 1, 1)

    @property
    def reach_px(self) -> int:
        """How far the logit of a pixel sees on each side, in px; InputError if it sees all."""
        if self.dense_px:
            raise InputError(
                "models: with segmentation_layer dense a network cannot go over slides; set it to"
                " convolution"
            )
        return super().reach_px + sum(len(two) for two in _SEGMENTER_MAPS)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, H, W) of images (B, 3, H, W) in [0, 1]."""
        height, width = images.shape[-2:]
        if self.dense_px and (height, width) != (self.dense_px, self.dense_px):
            raise InputError(
                f"models: an image of {width} x {height} px does not fit segmentation_layer dense"
                f" of {self.dense_px} px; set it to convolution"
            )
        second = self.part1[: 2 * _STEP](images)
        fourth = self.part1[2 * _STEP : 4 * _STEP](second)
        x = self.deep(self.part3(self.part1[4 * _STEP :](fourth)))
        x = self.middle(torch.cat([x, fourth], dim=1))
        return self.segmentation(self.last(torch.cat([x, second], dim=1)))


class NucleusVGG(PatchClassifier):
    """VGG-16 (section 5.5): images -> logits (B, n_attributes); see `PatchClassifier`."""

    def __init__(self, *, pretrained: str, n_attributes: int) -> None:
        super().__init__(architecture="vgg16", pretrained=pretrained, outputs=n_attributes)
        self.started = pretrained != "none"

    def new_layers(self) -> list[nn.Module]:
        """Modules whose weights are not ImageNet's: the whole network if it has none."""
        return [self.network.get_classifier()] if self.started else [self]


class NucleusUNet(nn.Module):
    """U-Net, for detection and segmentation: images -> logits (B, 1, h, w), h = H // reduction.

    Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation" (2015),
    figure 1, with `width` times its numbers of maps. Its convolutions pad here, and batch norm
    follows them: unpadded, a patch of 100 px would leave nothing. A location of a `reduction` has
    the mean of the logits of its pixels.
    """

    lattice_px = 2 ** (len(_UNET_MAPS) - 1)

    def __init__(self, *, width: float, reduction: int) -> None:
        super().__init__()
        self.reduction = reduction
        depths = [scaled(depth, width) for depth in _UNET_MAPS]
        self.downs = nn.ModuleList(make_node(*two) for two in pairwise((3, *depths)))
        self.ups = nn.ModuleList(make_up(below, d) for d, below in pairwise(depths))
        self.nodes = nn.ModuleList(make_node(2 * depth, depth) for depth in depths[:-1])
        # The mean and a 1 x 1 convolution give the same in either order.
        self.head = nn.Sequential(nn.AvgPool2d(reduction), nn.Conv2d(depths[0], 1, 1))

    @property
    def reach_px(self) -> int:
        """How far a location sees beyond its own px on each side, at most, in px."""
        # Two convolutions of one location more at each level, down and up; and at each but the
        # lowest what is missing to whole locations of the next.
        sides = [2**level for level in range(len(_UNET_MAPS))]
        return 2 * sum(sides) + 3 * sum(sides[:-1])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, h, w) of images (B, 3, H, W) in [0, 1].

        Sides that 16 px do not divide are filled up with the image's last px.
        """
        height, width = images.shape[-2:]
        x = pad(images, (0, -width % self.lattice_px, 0, -height % self.lattice_px), "replicate")
        kept = []
        for i, down in enumerate(self.downs):
            x = down(max_pool2d(x, 2) if i else x)
            kept.append(x)
        for level in reversed(range(len(self.nodes))):
            x = self.nodes[level](torch.cat([kept[level], self.ups[level](x)], dim=1))
        return self.head(x[..., :height, :width])

    def detect(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities (B, 1, h, w), float32, of images (B, 3, H, W) in [0, 1]."""
        return torch.sigmoid(self(images).float())

    def new_layers(self) -> list[nn.Module]:
        """All of it: it starts from nothing."""
        return [self]
