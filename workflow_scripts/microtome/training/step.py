"""The steps of training, from files to files; several processes may run one together."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from torch import nn

from microtome.io.atomic import read_json
from microtome.io.tables import write_table
from microtome.networks.devices import require_gpus, use_threads
from microtome.networks.pretrained import read_safetensors
from microtome.networks.registry import save_weights
from microtome.parallel.local_copies import copy_to_scratch
from microtome.training.checkpoints import History
from microtome.training.distributed import is_first
from microtome.training.kinds import pretrain, train_model
from microtome.training.launching import launch
from microtome.training.open_data import data_of_rule, open_training_data, slides_of_rule
from microtome.training.random_placement import Moves


def launch_step(
    step: Callable[..., None],
    files: Mapping[str, Sequence[str]],
    *,
    entry: dict,
    data: dict,
    log_path: str,
    gpus: int,
    allow_cpu: bool,
    scratch_dir: str | None,
    **settings: object,
) -> None:
    """Run `pretrain_step` or `train_step` for a rule, in one process a GPU.

    `files` and `data` are what `data_of_rule` takes; slides are copied to `scratch_dir` first, if
    there is one. `gpus` is what the job has asked for, `settings` are further arguments of `step`.
    """
    require_gpus(gpus, allow_cpu=allow_cpu)
    with copy_to_scratch(slides_of_rule(files), folder=scratch_dir) as copies:
        launch(
            step,
            gpus=entry.get("gpus", 1),
            log_path=log_path,
            entry=entry,
            data=data_of_rule(files, data, copies=copies),
            **settings,
        )


def pretrain_step(*, entry: dict, spacing_um: float, **run: object) -> None:
    """Train the autoencoder of one of the entry's spacings and write weights and curves."""
    own = spacing_um == entry["spacing_um"]
    reading = {"labelled": False, "own": own, "spacings_um": () if own else (spacing_um,)}
    _run(pretrain, entry=entry, reading=reading, about={"spacing_um": spacing_um}, **run)


def train_step(
    *, entry: dict, autoencoders: Sequence[str], start: str | None = None, **run: object
) -> None:
    """Train the network that tells tumour from the rest and write weights and curves.

    It starts from the weights in the files `autoencoders`, one a spacing, where its kind does, or
    from those of another network of its kind in the file `start`, of which the card then tells.
    """
    reading = {
        "labelled": True,
        "spacings_um": entry.get("further_spacings_um", ()),
        "max_blob_px": entry.get("max_blob_px", 0),
        "moves": Moves.of(entry.get("augmentation", {})),
    }
    states = [read_safetensors(path) for path in autoencoders]
    about = {"slides_of_start": _list_learnt(start)} if start else {}
    train = partial(train_model, autoencoders=states, start=start)
    _run(train, entry=entry, reading=reading, about=about, **run)


def _list_learnt(weights: str) -> list[str]:
    """List the slides that weights have learned from, by their card; of their start's too."""
    training = read_json(Path(weights).with_suffix(".json"))["training"]
    return [*training["slides"], *training.get("slides_of_start", [])]


def _run(
    train: Callable[..., tuple[nn.Module, History]],
    *,
    name: str,
    entry: dict,
    data: dict,
    reading: dict,
    about: dict,
    weights: str,
    curves: str,
    checkpoint: str,
    threads: int,
    code: str,
) -> None:
    """Open what there is to learn from, train, and write; `about` goes into the model's card."""
    use_threads(threads)
    patches, validation = (
        open_training_data(**data[part], **reading, workers=threads)
        for part in ("train", "validation")
    )
    model, history = train(name, entry, patches, validation, checkpoint=checkpoint, code=code)
    if is_first():
        write_table(curves, history)
        training = {**patches.summary(), **about, "code": code}
        save_weights(weights, model, name=name, entry=entry, training=training)
