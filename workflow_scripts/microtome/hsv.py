"""RGB to hue, saturation and value and back, of whole batches on any device.

The hexcone model of Smith 1978, as in scikit-image and TensorFlow.
"""

import torch


def rgb_to_hsv(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hue, saturation and value of RGB images.

    Parameters
    ----------
    images : Tensor of shape (..., 3, H, W), float
        In [0, 1].

    Returns
    -------
    hue, saturation, value : Tensor of shape (..., H, W)
        In [0, 1]; hue in turns from red over green, 0 for grey.
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
    """RGB images of hue, saturation and value.

    Parameters
    ----------
    hue, saturation, value : Tensor of shape (..., H, W), float
        Hue in turns, of any number of them; the others in [0, 1].

    Returns
    -------
    Tensor of shape (..., 3, H, W)
    """
    chroma = value * saturation
    channels = []
    for sector in (5, 3, 1):
        distance = (hue * 6 + sector) % 6
        channels.append(value - chroma * torch.minimum(distance, 4 - distance).clamp(0, 1))
    return torch.stack(channels, -3)
