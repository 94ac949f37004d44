"""Weights that a network starts from, and the normalization of pixels they were trained with.

A network's key `pretrained` is 'none' (random weights), 'hub' (the ImageNet weights of the library
it comes from) or a local safetensors file.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from microtome.errors import InputError, one_line

_PICKLES = "pickled weights (.pt, .pth) are refused because loading them can run code"


class Normalization(nn.Module):
    """Pixels in [0, 1] to zero mean and unit variance: (B, 3, H, W) -> (B, 3, H, W).

    The constants follow from the architecture, so they are left out of the state dict.
    """

    def __init__(self, *, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalize images (B, 3, H, W) in [0, 1]."""
        return (images - self.mean) / self.std


def read_safetensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Read weights from a safetensors file; nothing in it is executed.

    InputError if the file is missing, cut off, or of another format.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> from safetensors.torch import save_file
    >>> with NamedTemporaryFile(suffix=".safetensors") as file:
    ...     save_file({"bias": torch.zeros(2)}, file.name)
    ...     read_safetensors(file.name)
    {'bias': tensor([0., 0.])}
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"weights {path}: are no whole safetensors file ({one_line(error)}); {_PICKLES}"
        ) from error


def is_file(pretrained: str) -> bool:
    """Whether `pretrained` is a local file, not 'none' or 'hub'; InputError if none of these."""
    if pretrained in ("none", "hub"):
        return False
    if pretrained.endswith(".safetensors"):
        return True
    raise InputError(
        f"models: pretrained is {pretrained}; set it to none, hub or a local .safetensors file"
        f" ({_PICKLES})"
    )


@contextmanager
def fetching(name: str) -> Iterator[None]:
    """Make what is raised inside an InputError: the weights of `name` could not be fetched."""
    try:
        yield
    # What hub clients raise changes with their version, with proxies and with spoiled caches.
    except Exception as error:
        raise InputError(
            f"models: the weights of {name} could not be fetched ({one_line(error)}); set"
            " pretrained to a local .safetensors file, or none"
        ) from error


def load_weights(module: nn.Module, path: str, *, name: str, new: tuple[str, ...] = ()) -> None:
    """Give a module the weights in a safetensors file, which must be its own, all of them.

    `name` is what the module is called in an error, if they are another network's. Keys that begin
    as one of `new` are not taken from the file, whether it has them or not, such as those of the
    classifier of ImageNet's thousand classes.
    """
    own = module.state_dict()
    state = {k: tensor for k, tensor in read_safetensors(path).items() if not k.startswith(new)}
    state |= {k: tensor for k, tensor in own.items() if k.startswith(new)}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"models: weights {path} are not those of {name}: {_difference(state, own)}"
        ) from error


def _difference(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> str:
    """Name the first key in which weights differ from a module's own."""
    for key, tensor in own.items():
        # Older files lack these counters, and torch does without them.
        if key not in state and not key.endswith("num_batches_tracked"):
            return f"{key} is missing"
        if key in state and state[key].shape != tensor.shape:
            return f"{key} is {_size(state[key])}, the network's is {_size(tensor)}"
    return f"{next(key for key in state if key not in own)} is not in the network"


def _size(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
