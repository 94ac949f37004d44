"""Weights from files and hubs: what fits is loaded whole, what does not is refused in one line."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from microtome.errors import InputError
from microtome.networks.pretrained import (
    is_file,
    load_weights,
)


def network(*, depth: int = 4, seed: int = 0) -> nn.Sequential:
    """Make a network of two layers with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, depth, 3), nn.BatchNorm2d(depth))


@pytest.fixture
def weights(tmp_path):
    """Give a function that writes weights to a file and returns its path."""

    def write(state: dict[str, torch.Tensor]) -> str:
        path = tmp_path / "weights.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
        return str(path)

    return write


def refusal(path: str) -> str:
    """The line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        load_weights(network(), path, name="toynet")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("kept", [None, 0, 4, 60, -1])
def test_file_that_is_not_whole(weights, kept):
    """A file that is not there, or ends early, wherever it ends, is refused and named."""
    path = Path(weights(network().state_dict()))
    content = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(content[:kept])
    assert refusal(str(path)).startswith(f"weights {path}: are no whole safetensors file (")


def test_renamed_pickle_is_not_run(tmp_path):
    """A pickle by another name is refused before anything in it is executed."""

    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("executed",))

    path = tmp_path / "trap.safetensors"
    torch.save({"trap": Trap()}, path)
    assert "pickled weights (.pt, .pth) are refused" in refusal(str(path))


@pytest.mark.parametrize("value", ["imagenet", "resnet101.pth", "None"])
def test_other_values_of_pretrained_are_refused(value):
    """Typing errors and pickles are told what the key takes."""
    with pytest.raises(InputError, match=f"^models: pretrained is {value}; set it to none, hub or"):
        is_file(value)


OWN = network().state_dict()


@pytest.mark.parametrize(
    ("state", "difference"),
    [
        ({k: v for k, v in OWN.items() if k != "1.weight"}, "1.weight is missing"),
        (
            network(depth=5).state_dict(),
            "0.weight is 5 x 3 x 3 x 3, the network's is 4 x 3 x 3 x 3",
        ),
        ({**OWN, "2.weight": torch.zeros(1)}, "2.weight is not in the network"),
    ],
    ids=["missing", "other shape", "surplus"],
)
def test_first_difference_is_named(weights, state, difference):
    """Weights of another network are refused: they lack a tensor, differ in shape or have more."""
    assert refusal(weights(state)).endswith(f" are not those of toynet: {difference}")


def test_counters_of_batches_may_be_missing(weights):
    """Files from before batch norm counted batches still fit, and errors name something else."""
    state = network(seed=1).state_dict()
    del state["1.num_batches_tracked"]
    module = network(seed=2)
    load_weights(module, weights(state), name="toynet")
    assert torch.equal(module[0].weight, state["0.weight"])
    state["2.weight"] = torch.zeros(1)
    assert refusal(weights(state)).endswith(": 2.weight is not in the network")


@pytest.mark.parametrize("classes", [0, 2, 1000])
def test_new_layers_are_kept_as_they_are(weights, classes):
    """Of a layer that is to be new, nothing is read: not if it fits, not if not, not if missing."""
    module, other = network(seed=1), network(seed=2)
    module.add_module("fc", nn.Linear(4, 2))
    fresh = module.fc.weight.clone()
    state = other.state_dict()
    if classes:
        state |= {"fc.weight": torch.ones(classes, 4), "fc.bias": torch.ones(classes)}
        state |= {"auxiliary.weight": torch.ones(3)}
    load_weights(module, weights(state), name="toynet", new=("fc.", "auxiliary."))
    assert torch.equal(module.fc.weight, fresh)
    assert torch.equal(module[0].weight, other[0].weight)
