"""Learning rates of an epoch, against those of PyTorch's own schedulers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from microtome.training.schedules import find_stage, learning_rate_of, should_stop_early

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


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        ({"kind": "constant"}, lambda o: lr_scheduler.ConstantLR(o, factor=1)),
        ({"kind": "step", "every": 1, "factor": 0.5}, lambda o: lr_scheduler.StepLR(o, 1, 0.5)),
        ({"kind": "step", "every": 3, "factor": 0.1}, lambda o: lr_scheduler.StepLR(o, 3, 0.1)),
        ({"kind": "step", "every": 20, "factor": 0.1}, lambda o: lr_scheduler.StepLR(o, 20, 0.1)),
        ({"kind": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, len(LOSSES))),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_rates_that_follow_from_the_epoch(schedule, make):
    """They are those of PyTorch's scheduler of the same kind."""
    assert rates(schedule, LOSSES) == pytest.approx(rates_of_torch(make, LOSSES))


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
def test_training_ends_early(losses, patience, over):
    """So many epochs without a new minimum end a run; without patience none does."""
    assert should_stop_early(losses, patience=patience) is over


@pytest.mark.parametrize(
    ("patience", "stages"),
    [
        # The second epoch has a minimum that the third and fourth do not go below.
        (2, [(True, 0)] * 4 + [(False, 4)] * 8),
        (None, [(True, 0)] * 6 + [(False, 0)] * 6),
        (6, [(True, 0)] * 6 + [(False, 6)] * 6),
    ],
)
def test_a_first_stage_ends_with_its_epochs_or_once_it_has_converged(patience, stages):
    """It is decided by losses of its own, whatever comes later; then a stage begins anew."""
    found = [
        find_stage(n, LOSSES[: n - 1], frozen_epochs=6, frozen_patience=patience)
        for n in range(1, 13)
    ]
    assert found == stages
