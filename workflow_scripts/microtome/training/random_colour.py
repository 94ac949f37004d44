"""Random changes of blur, stain and colour, of whole batches on the device that trains.

Gaussian blur, brightness, contrast, hue and saturation are those of Khened et al. 2021 (generalized
framework, "Data augmentation"), which prints the largest deltas 64/255, 0.75, 0.25 and 0.04 for the
last four in this order. Liu et al. 2017 (Detecting cancer metastases on gigapixel pathology
images), whose values these are, has saturation 0.25 and hue 0.04: the settings decide.
"""

from dataclasses import dataclass

import numpy as np
import torch
from skimage.color import hed_from_rgb, rgb_from_hed

from microtome.training.random_placement import Augmentation

_BLURRED = 0.5  # share of the patches
_LEAST_SIGMA_PX = 1e-3  # no blur: the weight of the nearest neighbour is 0 in float32
_DARKEST = 1e-6  # as in scikit-image: the logarithm of black

# What is done to the patches of a batch, by name: see `change_colours`.
Changes = dict[str, np.ndarray]


@dataclass(frozen=True)
class ColourChanges(Augmentation):
    """How far colours of patches are changed, by keys of `augmentation`; 0 is not at all.

    Parameters
    ----------
    blur_px : float
        Every second patch is blurred by a Gaussian of sigma up to this, in patch px.
    brightness, contrast, hue, saturation : float
        Largest deltas as TensorFlow's ``random_brightness``, ``random_contrast``, ``random_hue``
        and ``random_saturation`` mean them: of pixels in [0, 1], of the factor 1, of turns (at most
        0.5), of the factor 1.
    stain : float
        Tellez et al. 2018 (Whole-slide mitosis detection ..., HED): the optical density (decadic)
        of each of haematoxylin, eosin and residual is multiplied by 1 + u, and u' is added, both
        within this.
    """

    blur_px: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    hue: float = 0.0
    saturation: float = 0.0
    stain: float = 0.0

    def draw(
        self, n: int, *, seed: int, epoch: int, batch: int, share: tuple[int, int] = (0, 1)
    ) -> Changes:
        """Draw what is done to the patches of one batch.

        They follow from seed, epoch and batch alone; each is the same whether others are off or
        on. With a `share` (number, of) they are those of every `of`-th of the n patches, from patch
        `number` on: what `change_colours` takes.
        """
        generator = np.random.default_rng([seed, epoch, 2, batch])
        chosen = generator.random(n) < _BLURRED
        sigma_px = generator.random(n) * chosen * self.blur_px
        u = generator.uniform(-1, 1, (n, 4))
        of_stains = generator.uniform(-1, 1, (n, 2, 3)) * self.stain
        changes = {}
        if self.blur_px:
            changes["sigma_px"] = sigma_px
        if self.stain:
            factors = (1 + of_stains[:, 0])[:, :, None] * np.eye(3)
            changes["density_matrix"] = hed_from_rgb @ factors @ rgb_from_hed
            changes["density_offset"] = of_stains[:, 1] @ rgb_from_hed
        if self.brightness:
            changes["brightness"] = u[:, 0] * self.brightness
        if self.contrast:
            changes["contrast"] = 1 + u[:, 1] * self.contrast
        if self.hue or self.saturation:
            changes["hue"] = u[:, 2] * self.hue
            changes["saturation"] = 1 + u[:, 3] * self.saturation
        number, of = share
        return {name: values[number::of].astype(np.float32) for name, values in changes.items()}


def change_colours(images: torch.Tensor, changes: Changes) -> torch.Tensor:
    """Blur images, change their stains, brightness, contrast, hue and saturation, in this order.

    Parameters
    ----------
    images : Tensor of shape (B, 3, H, W) or (B, spacings, 3, H, W), float32
        RGB in [0, 1]; the images of a patch are changed alike. Those that are returned are new, in
        [0, 1], of the same shape and order in memory.
    changes : dict of str to ndarray of shape (B, ...), float32
        What is done, where it is there: ``sigma_px``; ``density_matrix`` (B, 3, 3) and
        ``density_offset`` (B, 3) for the optical densities of R, G and B; ``brightness``, which is
        added; ``contrast``, the factor of the distance from an image's mean colour; ``hue``, added,
        in turns, and ``saturation``, a factor.
    """
    numbers = {
        name: torch.from_numpy(values).to(images.device, non_blocking=True)
        for name, values in changes.items()
    }

    def of_each(name: str) -> torch.Tensor:
        return numbers[name].view(-1, *[1] * (images.ndim - 1))

    found = images
    if "sigma_px" in numbers:
        found = _blur(found, numbers["sigma_px"])
    if "density_matrix" in numbers:
        found = _restain(found, numbers["density_matrix"], numbers["density_offset"])
    if "brightness" in numbers:
        found = found + of_each("brightness")
    if "contrast" in numbers:
        mean = found.mean((-2, -1), keepdim=True)
        found = (found - mean) * of_each("contrast") + mean
    found = found.clamp(0, 1)
    if "hue" in numbers:
        hue, saturation, value = rgb_to_hsv(found)
        saturation = (saturation * of_each("saturation")[..., 0]).clamp(0, 1)
        found = hsv_to_rgb(hue + of_each("hue")[..., 0], saturation, value).clamp(0, 1)
    return torch.empty_like(images).copy_(found)


def _blur(images: torch.Tensor, sigma_px: torch.Tensor) -> torch.Tensor:
    """Gaussian blur, (B, ..., H, W), by sigma (B,); beyond its edge an image weighs nothing.

    Two matrices an image, one that mixes its rows and one its columns.
    """
    rows, columns = (_weights(sigma_px, side) for side in images.shape[-2:])
    mixed = torch.einsum("nij,n...jk->n...ik", rows, images)
    return torch.einsum("nlk,n...ik->n...il", columns, mixed)


def _weights(sigma_px: torch.Tensor, side: int) -> torch.Tensor:
    """Share of each px (last axis) in each blurred px, (B, side, side)."""
    place = torch.arange(side, device=sigma_px.device)
    distance = (place[:, None] - place) / sigma_px.clamp(min=_LEAST_SIGMA_PX)[:, None, None]
    weights = torch.exp(-0.5 * distance**2)
    return weights / weights.sum(-1, keepdim=True)


def _restain(images: torch.Tensor, matrix: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Map the optical densities of images (B, ..., 3, H, W), by (B, 3, 3) and (B, 3)."""
    density = -torch.log10(images.clamp(min=_DARKEST))
    mapped = torch.einsum("ncd,n...chw->n...dhw", matrix, density)
    mapped = mapped + offset.view(len(offset), *[1] * (images.ndim - 4), 3, 1, 1)
    return torch.pow(10, -mapped).clamp(max=1)


def rgb_to_hsv(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hue, saturation and value (..., H, W) of RGB images (..., 3, H, W), all in [0, 1].

    Hue is in turns from red over green, 0 for grey.

    Examples
    --------
    >>> [float(part) for part in rgb_to_hsv(torch.tensor([0.0, 0.5, 0.0]).reshape(3, 1, 1))]
    [0.3333333432674408, 1.0, 0.5]
    """
    red, green, blue = images.unbind(-3)
    value = images.amax(-3)
    chroma = value - images.amin(-3)
    divisor = torch.where(chroma > 0, chroma, 1)
    sector = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    return (sector / 6) % 1, chroma / torch.where(value > 0, value, 1), value


def hsv_to_rgb(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """RGB images (..., 3, H, W) of hue, in any number of turns, saturation and value."""
    chroma = value * saturation
    channels = []
    for sector in (5, 3, 1):
        distance = (hue * 6 + sector) % 6
        channels.append(value - chroma * torch.minimum(distance, 4 - distance).clamp(0, 1))
    return torch.stack(channels, -3)
