"""The steps of training, from files to files; several processes may run one together."""

from collections.abc import Sequence
from pathlib import Path

from microtome.io.tables import write_table
from microtome.networks.devices import use_threads
from microtome.networks.pretrained import read_safetensors
from microtome.networks.registry import save_weights
from microtome.training.distributed import is_first
from microtome.training.kinds import pretrain, train_model
from microtome.training.open_data import open_training_data
from microtome.training.random_placement import Moves


def pretrain_step(
    *,
    name: str,
    entry: dict,
    spacing_um: float,
    data: dict,
    weights: str | Path,
    curves: str | Path,
    checkpoint: str | Path,
    threads: int,
    code: str,
) -> None:
    """Train the autoencoder of one spacing and write weights and curves.

    Parameters
    ----------
    name, entry : str, dict
        Of the registry.
    spacing_um : float
        Which of the entry's spacings.
    data : dict
        Of ``train`` and ``validation`` the arguments of `open_training_data` that are not said
        here.
    weights, curves, checkpoint : str or Path
        Files to write.
    threads : int
        CPU threads.
    code : str
        Hash of the code.
    """
    use_threads(threads)
    own = spacing_um == entry["spacing_um"]
    settings = {"labelled": False, "workers": threads, "own": own}
    settings["spacings_um"] = () if own else (spacing_um,)
    train, validation = (
        open_training_data(**data[part], **settings) for part in ("train", "validation")
    )
    cae, history = pretrain(name, entry, train, validation, checkpoint=checkpoint, code=code)
    if is_first():
        write_table(curves, history)
        training = {**train.summary(), "spacing_um": spacing_um, "code": code}
        save_weights(weights, cae, name=name, entry=entry, training=training)


def train_step(
    *,
    name: str,
    entry: dict,
    data: dict,
    autoencoders: Sequence[str | Path],
    weights: str | Path,
    curves: str | Path,
    checkpoint: str | Path,
    threads: int,
    code: str,
) -> None:
    """Train the network that tells tumour from the rest and write weights and curves.

    Parameters
    ----------
    autoencoders : sequence of str or Path
        Weights to start from, one a spacing, where the kind starts from any.
    name, entry, data, weights, curves, checkpoint, threads, code
        See `pretrain_step`.
    """
    use_threads(threads)
    settings = {
        "labelled": True,
        "workers": threads,
        "spacings_um": entry.get("further_spacings_um", ()),
        "max_blob_px": entry.get("max_blob_px", 0),
        "moves": Moves.of(entry.get("augmentation", {})),
    }
    train, validation = (
        open_training_data(**data[part], **settings) for part in ("train", "validation")
    )
    model, history = train_model(
        name,
        entry,
        train,
        validation,
        autoencoders=[read_safetensors(path) for path in autoencoders],
        checkpoint=checkpoint,
        code=code,
    )
    if is_first():
        write_table(curves, history)
        training = {**train.summary(), "code": code}
        save_weights(weights, model, name=name, entry=entry, training=training)
