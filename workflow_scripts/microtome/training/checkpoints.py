"""What a training run needs to go on after its last epoch, in one file without pickle."""

import json
from collections import defaultdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from microtome.io.atomic import atomic
from microtome.logs import log

History = list[dict[str, float]]


def save_checkpoint(
    path: str | Path,
    identity: dict,
    history: History,
    *,
    model: nn.Module,
    best: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> None:
    """Write everything the next epoch depends on to a ``.safetensors`` file.

    `identity` says what the run is, in what JSON can hold; `best` are the weights of the best epoch
    so far, all else is as the last epoch left it.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
    text = {
        "identity": json.dumps(identity),
        "history": json.dumps(history),
        "scaler": json.dumps(scaler.state_dict()),
    }
    with atomic(path) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, text)


def resume(
    path: str | Path,
    identity: dict,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> tuple[History, dict[str, torch.Tensor]]:
    """Put a run back to where its checkpoint was written, if there is one and it is this run's.

    A checkpoint of another run is not touched until the first epoch ends; the log says in what it
    differs.

    Returns the rows of the epochs that are done, and the weights of the best of them.
    """
    path = Path(path)
    if not path.exists():
        return [], {}
    try:
        with safe_open(path, "pt") as file:
            text = file.metadata()
            other = differences(json.loads(text["identity"]), identity)
            if other:
                log.info("%s is of another run: %s; starting from the beginning", path, other)
                return [], {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no dict
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        log.warning("%s is no checkpoint (%s); starting from the beginning", path, error)
        return [], {}
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    model.load_state_dict(parts["model"])
    states: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, value in parts["optimizer"].items():
        i, _, key = name.partition(".")
        states[int(i)][key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": dict(states)})
    scaler.load_state_dict(json.loads(text["scaler"]))
    history = json.loads(text["history"])
    log.info("resumed after epoch %d from %s", len(history), path)
    return history, parts["best"]


def differences(old: dict, new: dict, *, within: str = "") -> str:
    """Say what two nested dicts do not have in common.

    Examples
    --------
    >>> differences({"seed": 1, "training": {"batch": 16}}, {"seed": 1, "training": {"batch": 8}})
    'training.batch is 8, was 16'
    """
    found = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            found.append(differences(before, after, within=f"{within}{key}."))
        else:
            found.append(f"{within}{key} is {after}, was {before}")
    return ", ".join(found)
