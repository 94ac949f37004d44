"""A job that asked for GPUs has them, or says why not, or may do without."""

import logging
import os
import platform

import pytest
import torch

from helpers.training_on_two import refuse
from microtome.errors import InputError
from microtome.networks.devices import default_device, require_gpus
from microtome.training.launching import launch

HOST = platform.node()
ARCHS = ["sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "compute_120"]


@pytest.fixture
def machine(monkeypatch):
    """Give a function that makes this machine one with some cards and some build of torch."""

    def make(*versions, archs=ARCHS, cuda="12.8", visible=None) -> None:
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(versions))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(versions))
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(archs))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda card: versions[card])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda card: f"Card {card}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return make


def refusal(n: int) -> str:
    """What a job that asked for n GPUs ends with."""
    with pytest.raises(InputError) as found:
        require_gpus(n, allow_cpu=False)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_no_gpu_names_host_and_causes(machine):
    """The whole line: where, what was asked for, what may be wrong, what to do."""
    machine()
    assert refusal(1) == (
        f"no GPU on {HOST}, though one was asked for; see whether the partition has GPUs, the job's"
        " gres asks for as many (CUDA_VISIBLE_DEVICES is not set), and the driver is new enough for"
        " CUDA 12.8, or set allow_cpu: true to run on the CPU"
    )


def test_what_slurm_made_visible_is_told(machine):
    """An empty CUDA_VISIBLE_DEVICES, of a job without gres, is in the line."""
    machine(visible="")
    assert "(CUDA_VISIBLE_DEVICES is '')" in refusal(1)


def test_torch_without_cuda(machine):
    """A build for CPUs alone is named, and no driver is blamed."""
    machine(cuda=None)
    text = refusal(1)
    assert f"torch {torch.__version__} is built without CUDA" in text
    assert "driver" not in text


def test_fewer_than_asked_for(machine):
    """Both numbers are said."""
    machine((7, 0))
    assert refusal(2).startswith(f"1 GPU on {HOST}, though 2 were asked for; ")
    machine((7, 0), (7, 0))
    assert refusal(4).startswith(f"2 GPUs on {HOST}, though 4 were asked for; ")


@pytest.mark.parametrize(
    ("version", "archs", "runs"),
    [
        ((7, 0), ARCHS, True),
        ((8, 9), ARCHS, True),  # runs what is built for 8.6
        ((3, 7), ARCHS, False),
        ((6, 1), ARCHS, False),
        ((7, 2), ["sm_75"], False),  # built for a later one of its generation
        ((9, 0), ["sm_80"], False),  # no binaries of another generation
        ((9, 0), ["sm_80", "compute_80"], True),  # translated by the driver
        ((7, 5), ["compute_80"], False),
        ((9, 0), ["sm_90a"], True),
        ((12, 1), ARCHS, True),
        ((10, 0), ["sm_90", "sm_100"], True),
        ((9, 0), ["gfx90a"], True),  # AMD's have other names
        ((9, 0), [], True),
    ],
)
def test_cards_and_builds(machine, version, archs, runs):
    """A card is used if this build of torch has code that it runs, and else refused by name."""
    machine(version, archs=archs)
    assert default_device().type == ("cuda" if runs else "cpu")
    if runs:
        require_gpus(1, allow_cpu=False)
    else:
        text = refusal(1)
        assert text.startswith(f"no GPU on {HOST}, though one was asked for; torch ")
        assert f"has no code for Card 0 (sm_{version[0]}{version[1]})" in text


def test_only_the_cards_asked_for_count(machine):
    """An old second card does not matter to a job of one GPU, but to one of two."""
    machine((8, 0), (3, 5))
    require_gpus(1, allow_cpu=False)
    assert default_device().type == "cuda"
    assert "Card 1 (sm_35)" in refusal(2)


@pytest.mark.parametrize("versions", [(), ((3, 7),)])
def test_going_on_without(machine, caplog, versions):
    """Where it is allowed the CPU is used, and the log has one line that says why."""
    machine(*versions)
    with caplog.at_level(logging.INFO, logger="microtome"):
        require_gpus(1, allow_cpu=True)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage().startswith(f"no GPU on {HOST}, though one was asked for; ")
    assert record.getMessage().endswith("; running on the CPU")
    assert default_device().type == "cpu"


@pytest.mark.parametrize("allow_cpu", [True, False])
def test_nothing_is_said_where_all_is_well(machine, caplog, allow_cpu):
    """Enough GPUs, or none asked for: no line."""
    with caplog.at_level(logging.INFO, logger="microtome"):
        machine((7, 0), (7, 0))
        require_gpus(2, allow_cpu=allow_cpu)
        machine()
        require_gpus(0, allow_cpu=allow_cpu)
    assert not caplog.records


def test_too_few_for_a_training_stay_an_error(machine, caplog, tmp_path):
    """With one of two GPUs nothing is said of a CPU: the launch asks for fewer."""
    machine((7, 0))
    with caplog.at_level(logging.INFO, logger="microtome"):
        require_gpus(2, allow_cpu=True)
    assert not caplog.records
    with pytest.raises(InputError, match="gpus is 2, but this machine has 1; lower gpus"):
        launch(refuse, gpus=2, log_path=str(tmp_path / "a.log"))


@pytest.mark.parametrize(("version", "hidden"), [((3, 7), True), ((7, 0), False)])
def test_cards_that_cannot_be_used_are_hidden_from_processes(
    machine, monkeypatch, tmp_path, version, hidden
):
    """Processes that train together on the CPU do not see cards they have no code for."""
    machine(version, version, visible="0,1")
    seen = {}

    def run(command, *, env, **_):
        seen.update(env)
        raise InterruptedError

    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(InterruptedError):
        launch(refuse, gpus=2, log_path=str(tmp_path / "a.log"))
    assert seen["CUDA_VISIBLE_DEVICES"] == ("" if hidden else "0,1")
    assert seen["PATH"] == os.environ["PATH"]
