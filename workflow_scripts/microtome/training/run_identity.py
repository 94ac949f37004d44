"""What tells one training run from another, so that a checkpoint goes on with its own alone."""

import hashlib

from torch import nn

from microtome.training.batches import Patches


def describe_run(
    name: str,
    entry: dict,
    train: Patches,
    validation: Patches,
    *,
    code: str,
    start: nn.Module | None = None,
) -> dict:
    """Describe the run of a registry entry, as arguments of `microtome.training.loop.fit`.

    They are ``train``, ``validation``, ``seed`` and ``identity``. `name` is the entry's, `code` a
    hash of the code, and `start` the network with the weights that it begins with, where these do
    not follow from the entry.
    """
    identity = {
        "model": name,
        "entry": entry,
        "code": code,
        "training patches": train.identity(),
        "validation patches": validation.identity(),
        "weights at the start": "" if start is None else _hash_weights(start),
    }
    seed = entry["seed"]
    return {"train": train, "validation": validation, "seed": seed, "identity": identity}


def _hash_weights(network: nn.Module) -> str:
    content = hashlib.sha256()
    for tensor in network.state_dict().values():
        content.update(tensor.contiguous().numpy().tobytes())
    return content.hexdigest()[:16]
