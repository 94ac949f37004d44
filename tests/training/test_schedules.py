"""Learning rates of an epoch, against those of PyTorch's own schedulers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from microtome.training.schedules import is_over, learning_rate_of

LOSSES = [5.0, 4.0, 4.0, 4.5, 4.0, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 2.9, 3.0]


def rates(schedule: dict, losses: list[float]) -> list[float]:
    """Ask for the rate of every epoch of a run."""
    return [
        learning_rate_of(
            epoch, base=0.2, epochs=len(losses), schedule=schedule, losses=losses[: epoch - 1]
        )
        for epoch in range(1, len(losses) + 1)
    ]


def rates_of_torch(make, losses: list[float], *, by_loss: bool = False) -> list[float]:
    """Have one of PyTorch's schedulers go through a run."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    scheduler = make(optimizer)
    found = []
    for loss in losses:
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([loss] if by_loss else []))
    return found


def test_constant():
    """The rate stays what it is."""
    assert rates({"kind": "constant"}, LOSSES) == [0.2] * len(LOSSES)


@pytest.mark.parametrize(("every", "factor"), [(1, 0.5), (3, 0.1), (20, 0.1)])
def test_steps(every, factor):
    """Times a factor after every so many epochs, as StepLR has it."""
    expected = rates_of_torch(lambda o: lr_scheduler.StepLR(o, every, factor), LOSSES)
    found = rates({"kind": "step", "every": every, "factor": factor}, LOSSES)
    assert found == pytest.approx(expected)


def test_cosine():
    """Half a cosine, as CosineAnnealingLR has it: half of the first rate in the middle."""
    expected = rates_of_torch(lambda o: lr_scheduler.CosineAnnealingLR(o, len(LOSSES)), LOSSES)
    assert rates({"kind": "cosine"}, LOSSES) == pytest.approx(expected)
    assert rates({"kind": "cosine"}, [1.0] * 4)[2] == pytest.approx(0.1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=25), st.integers(0, 4))
def test_plateaus(losses, patience):
    """Times a factor where the loss has not fallen for long, as ReduceLROnPlateau has it."""
    losses = [float(loss) for loss in losses]
    expected = rates_of_torch(
        lambda o: lr_scheduler.ReduceLROnPlateau(
            o, factor=0.1, patience=patience, threshold=0, eps=0
        ),
        losses,
        by_loss=True,
    )
    schedule = {"kind": "plateau", "patience": patience, "factor": 0.1}
    assert rates(schedule, losses) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("losses", "patience", "over"),
    [
        ([], 1, False),
        ([3.0], 1, False),
        ([3.0, 3.0], 1, True),  # as low is no new minimum
        ([3.0, 2.0, 2.5], 2, False),
        ([3.0, 2.0, 2.5, 2.1], 2, True),
        ([3.0, 2.0, 2.5, 1.9], 2, False),
        ([1.0] * 50, None, False),
    ],
)
def test_when_it_is_over(losses, patience, over):
    """So many epochs without a new minimum end a run; without patience none does."""
    assert is_over(losses, patience=patience) is over
