"""What the tests of several networks share: seeded builders, counts by hand, stand-ins for hubs."""

from pathlib import Path

import huggingface_hub
import pytest
import torch
from torch import nn

from microtome.networks.classifiers import PatchClassifier
from microtome.networks.segmenters import DEFAULT_ENCODERS, PatchSegmenter

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5,) * 3,) * 2


def build(
    architecture: str, encoder: str | None = None, *, pretrained: str = "none", seed: int = 0
) -> PatchClassifier | PatchSegmenter:
    """Build a classifier, or a segmenter, with weights that follow from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if architecture in DEFAULT_ENCODERS:
            return PatchSegmenter(architecture=architecture, encoder=encoder, pretrained=pretrained)
        return PatchClassifier(architecture=architecture, pretrained=pretrained)


def build_without_memory(architecture: str, encoder: str | None = None) -> nn.Module:
    """Build the layers of one, in evaluation mode, whose weights have shapes and no values."""
    with torch.device("meta"):
        return build(architecture, encoder).eval()


def patches(n: int, height: int = 64, width: int | None = None) -> torch.Tensor:
    """Draw random patches, squares if no width is given."""
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, 3, height, width or height, generator=generator)


def conv(inputs: int, outputs: int, *, side: int = 3, bias: bool = True) -> int:
    """Count the weights of a convolution."""
    return inputs * outputs * side**2 + bias * outputs


def step(inputs: int, outputs: int, *, side: int = 3, bias: bool = False) -> int:
    """Count those of a convolution and the batch norm behind it."""
    return conv(inputs, outputs, side=side, bias=bias) + 2 * outputs


def n_weights(module: nn.Module) -> int:
    """Count a module's trained weights."""
    return sum(parameter.numel() for parameter in module.parameters())


def require_trained(model: nn.Module, images: torch.Tensor) -> None:
    """Require that the gradient reaches every parameter: nothing is built and left out."""
    model.train()
    model(images).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    model.zero_grad(set_to_none=True)
    model.eval()


def stand_in_for_hub(monkeypatch: pytest.MonkeyPatch, library: object, folder: Path) -> set[str]:
    """Have a library fetch from a folder; give what will hold the repositories it asks for."""
    asked = set()

    def download(repo_id: str, filename: str, **_: object) -> str:
        asked.add(repo_id)
        return str(folder / filename)

    monkeypatch.setattr(library, "hf_hub_download", download)
    return asked


def cut_off_hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Put every hub out of reach, and what was fetched before too."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
