"""The step of pretraining, from files to files; several processes may run it together."""

from microtome.io.tables import write_table
from microtome.networks.devices import use_threads
from microtome.networks.registry import save_weights
from microtome.nucleus_training.pretraining import pretrain
from microtome.nucleus_training.slide_windows import open_slide_windows
from microtome.training.distributed import is_first

# Validation windows for each training window.
_VALIDATED = 0.1


def pretrain_crosswise_step(
    *,
    name: str,
    entry: dict,
    data: dict,
    weights: str,
    curves: str,
    checkpoint: str,
    threads: int,
    code: str,
) -> None:
    """Train an autoencoder on windows of slides and write weights and curves.

    `data` is what `microtome.training.open_data.data_of_rule` gives. Of the validation slides there
    are a tenth as many windows, each place once.
    """
    use_threads(threads)
    n, seed = entry["pretraining"]["patches"], entry["seed"]
    train = open_slide_windows(**data["train"], n=n, seed=seed, workers=threads)
    validation = open_slide_windows(
        **data["validation"],
        n=max(1, round(n * _VALIDATED)),
        seed=seed,
        workers=threads,
        again=False,
    )
    model, history = pretrain(name, entry, train, validation, checkpoint=checkpoint, code=code)
    if is_first():
        write_table(curves, history)
        training = {**train.summary(), "code": code}
        save_weights(weights, model, name=name, entry=entry, training=training)
