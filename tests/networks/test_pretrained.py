"""Weights from files and hubs: what fits is loaded whole, what does not is refused in one line."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from microtome.errors import InputError
from microtome.networks.pretrained import (
    Normalization,
    fetching,
    is_file,
    load_weights,
    read_safetensors,
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


def refusal(module: nn.Module, path: str) -> str:
    """The line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        load_weights(module, path, name="toynet")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_normalization_by_hand():
    """(0.5 - 0.25) / 0.5 = 0.5, (0.5 - 0.5) / 0.25 = 0, (0.5 - 1) / 2 = -0.25."""
    found = Normalization(mean=(0.25, 0.5, 1), std=(0.5, 0.25, 2))(torch.full((2, 3, 4, 5), 0.5))
    assert found.shape == (2, 3, 4, 5)
    assert found[:, :, 1, 2].tolist() == [[0.5, 0, -0.25]] * 2


def test_normalization_is_not_saved_but_moves():
    """Its constants are in no state dict, and follow the module to another type."""
    module = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert not module.state_dict()
    assert module.double().mean.dtype == torch.float64


def test_weights_come_back(weights):
    """What was saved is what is read, to the bit."""
    state = network().state_dict()
    found = read_safetensors(weights(state))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_missing_file(tmp_path):
    """A file that is not there is named."""
    path = tmp_path / "none.safetensors"
    with pytest.raises(InputError, match=f"^weights {path}: are no whole safetensors file"):
        read_safetensors(path)


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_cut_off_file(weights, tmp_path, kept):
    """A file that ends early is refused, wherever it ends."""
    whole = weights(network().state_dict())
    path = tmp_path / "cut.safetensors"
    path.write_bytes(Path(whole).read_bytes()[:kept])
    with pytest.raises(InputError, match="no whole safetensors file") as caught:
        read_safetensors(path)
    assert len(str(caught.value).splitlines()) == 1


def test_renamed_pickle_is_not_run(tmp_path):
    """A pickle by another name is refused before anything in it is executed."""

    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("executed",))

    path = tmp_path / "trap.safetensors"
    torch.save({"trap": Trap()}, path)
    with pytest.raises(InputError, match=r"pickled weights \(.pt, .pth\) are refused"):
        read_safetensors(path)


def test_values_of_pretrained():
    """'none' and 'hub' are no files, a .safetensors is."""
    assert not is_file("none")
    assert not is_file("hub")
    assert is_file("weights/resnet101.safetensors")


@pytest.mark.parametrize("value", ["imagenet", "resnet101.pth", "None"])
def test_other_values_of_pretrained_are_refused(value):
    """Typing errors and pickles are told what the key takes."""
    with pytest.raises(InputError, match=f"^models: pretrained is {value}; set it to none, hub or"):
        is_file(value)


def test_whole_weights_are_loaded(weights):
    """Every tensor of the file is in the module afterwards."""
    module, other = network(seed=1), network(seed=2)
    load_weights(module, weights(other.state_dict()), name="toynet")
    state = module.state_dict()
    assert all(torch.equal(state[key], tensor) for key, tensor in other.state_dict().items())


def test_missing_key_is_named(weights):
    """Weights that lack a tensor are refused, and the tensor named."""
    state = network().state_dict()
    path = weights({key: tensor for key, tensor in state.items() if key != "1.weight"})
    assert refusal(network(), path).endswith("are not those of toynet: 1.weight is missing")


def test_first_other_shape_is_named(weights):
    """Weights of another depth are refused with both shapes, though more than one differs."""
    path = weights(network(depth=5).state_dict())
    assert refusal(network(), path).endswith(
        ": 0.weight is 5 x 3 x 3 x 3, the network's is 4 x 3 x 3 x 3"
    )


def test_surplus_key_is_named(weights):
    """Weights of a larger network are refused even if all of this one are among them."""
    path = weights({**network().state_dict(), "2.weight": torch.zeros(1)})
    assert refusal(network(), path).endswith(": 2.weight is not in the network")


def test_counters_of_batches_may_be_missing(weights):
    """Files from before batch norm counted batches still fit, and errors name something else."""
    state = network(seed=1).state_dict()
    del state["1.num_batches_tracked"]
    module = network(seed=2)
    load_weights(module, weights(state), name="toynet")
    assert torch.equal(module[0].weight, state["0.weight"])
    state["2.weight"] = torch.zeros(1)
    assert refusal(network(), weights(state)).endswith(": 2.weight is not in the network")


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


def test_failed_fetch_is_one_line():
    """Whatever a hub raises becomes one line that says what to do."""
    with pytest.raises(InputError) as caught, fetching("resnet101"):
        raise ConnectionError("no route\nto host")
    assert str(caught.value) == (
        "models: the weights of resnet101 could not be fetched (no route to host); set pretrained"
        " to a local .safetensors file, or none"
    )
