"""The step of supervised training, from files to files; several processes may run it together."""

from collections.abc import Mapping, Sequence

from microtome.io.tables import write_table
from microtome.networks.devices import use_threads
from microtome.networks.pretrained import read_safetensors
from microtome.networks.registry import save_weights
from microtome.nucleus_images.content_checks import check_images
from microtome.nucleus_images.labelled_image import make_image
from microtome.nucleus_training.fine_tuning import fine_tune
from microtome.nucleus_training.image_windows import open_image_windows, require_positives
from microtome.training.distributed import is_first
from microtome.training.random_placement import Moves


def train_nucleus_network_step(
    *,
    name: str,
    entry: dict,
    images: Mapping[str, Sequence[dict]],
    start: str | None,
    weights: str,
    curves: str,
    checkpoint: str,
    threads: int,
    code: str,
) -> None:
    """Train a supervised network on labelled images and write weights and curves.

    `images` are rows of their sheet, those to ``train`` on and those of ``validation``; `start` is
    the file of an autoencoder's weights, if the network is to begin with them.
    """
    use_threads(threads)
    parts = {part: [make_image(row) for row in rows] for part, rows in images.items()}
    check_images([image for part in parts.values() for image in part], of="nuclei.images")
    require_positives(name, entry, parts["train"])
    train = open_image_windows(
        parts["train"],
        entry,
        workers=threads,
        labels_percent=entry.get("labels_percent", 100),
        stride_px=entry.get("stride_px", entry["patch_px"] // 2),
        moves=Moves.of(entry.get("augmentation", {})),
    )
    validation = open_image_windows(parts["validation"], entry, workers=threads)
    model, history = fine_tune(
        name,
        entry,
        train,
        validation,
        start=read_safetensors(start) if start else None,
        checkpoint=checkpoint,
        code=code,
    )
    if is_first():
        write_table(curves, history)
        training = {**train.summary(), "code": code}
        save_weights(weights, model, name=name, entry=entry, training=training)
