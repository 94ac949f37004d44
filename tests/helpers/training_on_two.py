"""Steps of training that the tests start in several processes."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from microtome.errors import InputError
from microtome.training.batches import PatchData
from microtome.training.distributed import SharedBatchNorm, is_first, share, sum_over_processes
from microtome.training.loop import fit
from microtome.training.objectives import classification
from microtome.training.random_colour import ColourChanges


def network() -> nn.Module:
    """Make a small network with batch norm of maps and of vectors, and no dropout.

    Its first part is an encoder, which can be frozen.

    No weight of it is without effect, as a bias before batch norm would be: Adam would blow up
    the rounding of its gradient.
    """
    torch.manual_seed(11)
    encoder = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.BatchNorm2d(5))
    return nn.Sequential(
        encoder,
        nn.Conv2d(5, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4, bias=False),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.Linear(4, 2),
    )


def train(
    *, train: str, validation: str, folder: str, settings: dict, augmentation: dict | None = None
) -> None:
    """Train the network; the first process writes weights, history and how many there are."""
    torch.set_num_threads(1)
    model = network()
    history = fit(
        model,
        classification,
        train=PatchData([train], labelled=True),
        validation=PatchData([validation], labelled=True),
        seed=7,
        checkpoint=Path(folder) / "checkpoint.safetensors",
        identity={"run": "a"},
        encoder=model[0],
        colours=ColourChanges.of(augmentation or {}),
        **settings,
    )
    if is_first():
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        save_file(weights, Path(folder) / "weights.safetensors")
        about = {"history": history, "processes": share()[1]}
        (Path(folder) / "about.json").write_text(json.dumps(about))


def normalize(*, folder: str) -> None:
    """Have batch norm see its share of a batch; each process writes what it got."""
    number, of = share()
    torch.manual_seed(1)
    images = torch.randn(6, 3, 4, 4) * 3 + 5
    weights = torch.randn(6, 3, 4, 4)
    layer = SharedBatchNorm(3)
    mine = images[number::of].clone().requires_grad_()
    found = layer(mine)
    (found * weights[number::of]).sum().backward()
    state = {
        "output": found.detach(),
        "gradient": mine.grad,
        "scale": sum_over_processes(layer.weight.grad),
        "mean": layer.running_mean,
        "variance": layer.running_var,
    }
    state = {name: value.contiguous() for name, value in state.items()}
    save_file(state, Path(folder) / f"{number}.safetensors")


def refuse() -> None:
    """Raise what a user's mistake raises, in one process alone."""
    if is_first():
        raise InputError("models.m: batch is odd")
    sum_over_processes(torch.zeros(1))
