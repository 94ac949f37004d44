"""What a network for nuclei says of labelled images: nuclei, attributes, or px of nuclei."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from microtome.networks.devices import default_device, use_threads
from microtome.networks.registry import load_model
from microtome.nuclei.finder import NucleusFinder
from microtome.nuclei.image_detection import find_nuclei_of_image
from microtome.nuclei.peaks import PeakSettings
from microtome.nuclei.probabilities import NUCLEUS_FROM, predict_attributes, predict_map
from microtome.nucleus_images.labelled_image import make_image
from microtome.nucleus_images.prediction_file import write_predictions


def predict_images(
    path: str | Path,
    rows: Sequence[dict],
    *,
    name: str,
    entry: dict,
    weights: str | Path,
    min_distance_um: float,
    smoothing_um: float,
    threads: int,
) -> None:
    """Write what the network of a registry entry says of images, by rows of their sheet.

    Of a detector or autoencoder these are all peaks, however low; of a classifier the probabilities
    of its attributes; of a segmenter the px of probability 0.5 or more. The file is that of
    `microtome.nucleus_images.prediction_file`.
    """
    use_threads(threads)
    network = load_model(weights, name=name, entry=entry)
    spacing_um = entry["spacing_um"]
    if entry["kind"] in ("crosswise", "nucleus_detector"):
        settings = PeakSettings(min_distance_um, smoothing_um, threshold=0.0)
        finder = NucleusFinder(network, settings, spacing_um=spacing_um)

        def predict(pixels: np.ndarray) -> dict[str, np.ndarray]:
            found = find_nuclei_of_image(finder, pixels)
            x_um, y_um = found.x_px * spacing_um, found.y_px * spacing_um
            return {"x_um": x_um, "y_um": y_um, "confidence": found.confidence}

    elif entry["kind"] == "nucleus_classifier":
        shift_px = entry.get("augmentation", {}).get("shift_px", 0)

        def predict(pixels: np.ndarray) -> dict[str, np.ndarray]:
            side = entry["patch_px"]
            return {
                "probability": predict_attributes(network, pixels, side_px=side, shift_px=shift_px)
            }

    else:

        def predict(pixels: np.ndarray) -> dict[str, np.ndarray]:
            return {"mask": predict_map(network, pixels) >= NUCLEUS_FROM}

    network.to(default_device(), memory_format=torch.channels_last)
    with write_predictions(path) as file:
        for image in map(make_image, rows):
            file.add(image.name, **predict(image.read_pixels(spacing_um)))
