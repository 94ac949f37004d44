"""Training in two processes is training in one, to rounding."""

import json
import sys

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from helpers.pictures import stained, write_store
from helpers.training_on_two import normalize, refuse, train
from microtome.errors import InputError
from microtome.training.launching import launch

SETTINGS = {"epochs": 3, "batch": 4, "learning_rate": 1e-2, "beta1": 0.9}


@pytest.fixture(autouse=True)
def fork(monkeypatch, preloaded_python):
    """Have processes begin with PyTorch imported."""
    monkeypatch.setattr(sys, "executable", str(preloaded_python))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write patches to train on, 11, and to validate, 3: neither divides into batches of 4."""
    folder = tmp_path_factory.mktemp("stores")
    labels = {"train": [0, 1] * 5 + [1], "validation": [0, 1, 1]}
    return {
        part: str(write_store(folder / f"{part}.zarr", stained(of, seed=len(of)), of))
        for part, of in labels.items()
    }


def trained(folder, files, *, gpus: int, augmentation: dict | None = None, **changes: object):
    """Train in so many processes; give weights and history."""
    folder.mkdir(exist_ok=True)
    settings = {**SETTINGS, **changes}
    launch(
        train,
        gpus=gpus,
        log_path=str(folder / "a.log"),
        folder=str(folder),
        settings=settings,
        augmentation=augmentation,
        **files,
    )
    about = json.loads((folder / "about.json").read_text())
    assert about["processes"] == gpus
    return load_file(folder / "weights.safetensors"), about["history"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "augmentation": {"blur_px": 1.0, "brightness": 0.3, "hue": 0.2, "stain": 0.1},
            "frozen_epochs": 1,
            "rotation_degrees": 45,
            "weight_decay": 0.01,
            "epochs": 2,
        },
    ],
    ids=["plain", "frozen and coloured"],
)
def test_two_processes_give_the_result_of_one(tmp_path, files, settings):
    """Weights, running statistics and the history are the same but for rounding."""
    one, history = trained(tmp_path / "1", files, gpus=1, **settings)
    two, history_of_two = trained(tmp_path / "2", files, gpus=2, **settings)
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
    assert len(history) == settings.get("epochs", 3)
    for row, other in zip(history, history_of_two, strict=True):
        assert other == pytest.approx(row, rel=1e-3, abs=1e-4)


def test_two_processes_resume(tmp_path, files):
    """Stopped and started again, they end at the same bits; one of them goes on with the log."""
    whole, _ = trained(tmp_path / "whole", files, gpus=2, epochs=2)
    log = tmp_path / "cut" / "a.log"
    log.parent.mkdir()
    log.write_text("begun\n")
    trained(tmp_path / "cut", files, gpus=2, epochs=1)
    found, history = trained(tmp_path / "cut", files, gpus=2, epochs=2)
    assert [row["epoch"] for row in history] == [1, 2]
    assert all(torch.equal(found[name], value) for name, value in whole.items())
    assert log.read_text().startswith("begun\n")
    assert log.read_text().count("train_loss") == 2
    assert log.read_text().count("resumed after epoch 1") == 1


def test_batch_norm_of_all_processes(tmp_path):
    """Output, gradients and running statistics are those of PyTorch on the whole batch."""
    launch(normalize, gpus=2, log_path=str(tmp_path / "a.log"), folder=str(tmp_path))
    torch.manual_seed(1)
    images = (torch.randn(6, 3, 4, 4) * 3 + 5).requires_grad_()
    weights = torch.randn(6, 3, 4, 4)
    layer = nn.BatchNorm2d(3)
    expected = layer(images)
    (expected * weights).sum().backward()
    for number in (0, 1):
        found = load_file(tmp_path / f"{number}.safetensors")
        torch.testing.assert_close(found["output"], expected.detach()[number::2])
        torch.testing.assert_close(found["gradient"], images.grad[number::2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found["scale"], layer.weight.grad, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found["mean"], layer.running_mean)
        torch.testing.assert_close(found["variance"], layer.running_var)


def test_a_mistake_in_a_process_is_one_line(tmp_path):
    """What one of the processes says of a user's mistake is said here, and none is left."""
    with pytest.raises(InputError, match=r"^models.m: batch is odd$"):
        launch(refuse, gpus=2, log_path=str(tmp_path / "a.log"))


def test_more_gpus_than_there_are(tmp_path, monkeypatch):
    """Asking for more GPUs than the machine has says how many there are."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"^gpus is 2, but this machine has 1; lower gpus$"):
        launch(refuse, gpus=2, log_path=str(tmp_path / "a.log"))
