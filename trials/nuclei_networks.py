"""Networks of the trial on nuclei: pretrained without labels, fine-tuned, and U-Net."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from microtome.networks.devices import as_input
from microtome.nuclei.finder import NucleusFinder
from microtome.nuclei.image_detection import find_nuclei_of_image
from microtome.nuclei.peaks import PeakFinder, PeakSettings
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_scores.curve import Image, detection_curve
from microtome.nucleus_training.counted_patches import sparsity_of
from microtome.nucleus_training.fine_tuning import fine_tune
from microtome.nucleus_training.image_windows import ImageWindows, open_image_windows
from microtome.nucleus_training.pretraining import pretrain
from microtome.training.batches import Patches
from microtome.training.random_placement import Moves
from nuclei_windows import SPACING_UM, WINDOW_PX, TrialImage, draw_windows

# A tenth of the paper's numbers of maps, and as many windows as two cores see within two hours.
WIDTH = 0.1
SEED = 2026
N_UNLABELLED, PRETRAINING_EPOCHS = 1600, 3
# Windows on which nuclei are counted for the sparsity, as in the paper (section 4.3.2).
_N_COUNTED = 20
# The defaults of config.yaml; the threshold is for what learns without labels.
PEAKS = {"min_distance_um": 3.0, "smoothing_um": 1.0}
THRESHOLD = 0.5
SHARED = {
    "spacing_um": SPACING_UM,
    "patch_px": WINDOW_PX,
    "width": WIDTH,
    "reduction": 4,
    "seed": SEED,
}
CROSSWISE = {
    "kind": "crosswise",
    "variant": "crosswise",
    **SHARED,
    "pretraining": {
        "epochs": PRETRAINING_EPOCHS,
        "batch": 8,
        "optimizer": "sgd",
        "learning_rate": 0.03,
        "momentum": 0.9,
        "schedule": {"kind": "cosine"},
    },
}
TRAINING = {
    "new_layers_epochs": 2,
    "epochs": 16,
    "batch": 8,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "schedule": {"kind": "cosine"},
}
AUGMENTATION = {
    "shift_px": WINDOW_PX // 4,
    "brightness": 0.1,
    "contrast": 0.1,
    "hue": 0.02,
    "saturation": 0.1,
}


def choose_sparsity(images: Sequence[TrialImage]) -> float:
    """Count the nuclei on a few windows, as the paper does, for the sparsity in percent."""
    counts = [n for drawn in draw_windows(images, _N_COUNTED, seed=SEED) for n in drawn.count()]
    return sparsity_of(counts, patch_px=WINDOW_PX, reduction=SHARED["reduction"])


def pretrain_on(
    images: Sequence[TrialImage], *, sparsity_percent: float, checkpoint: Path
) -> nn.Module:
    """Train the crosswise autoencoder on windows drawn anywhere in images, without labels."""
    windows = draw_windows(images, N_UNLABELLED, seed=SEED)
    model, _ = pretrain(
        "crosswise",
        {**CROSSWISE, "sparsity_percent": sparsity_percent},
        Patches(windows, labelled=False),
        Patches([], labelled=False),
        checkpoint=checkpoint,
        code="",
    )
    return model


def detector_entry(
    *,
    network: str = "crosswise",
    started: bool,
    labels_percent: float,
    sparsity_percent: float,
) -> dict:
    """Entry of a supervised detector, with as many steps for few labels as for all."""
    epochs = {
        key: round(value * 100 / labels_percent) if key.endswith("epochs") else value
        for key, value in TRAINING.items()
    }
    return {
        "kind": "nucleus_detector",
        "network": network,
        "start": "crosswise" if started else None,
        "sparsity_percent": sparsity_percent,
        **SHARED,
        **({"detection_slope": 1} if network == "crosswise" else {}),
        "labels_percent": labels_percent,
        "augmentation": AUGMENTATION,
        "training": epochs,
    }


def train_detector(
    entry: dict,
    images: Sequence[LabelledImage],
    *,
    start: Mapping[str, torch.Tensor] | None,
    checkpoint: Path,
) -> tuple[nn.Module, float]:
    """Train a detector on labelled images, and choose its threshold on the same windows."""
    settings = {
        "workers": 1,
        "labels_percent": entry["labels_percent"],
        "stride_px": WINDOW_PX // 2,
    }
    windows = open_image_windows(images, entry, moves=Moves.of(entry["augmentation"]), **settings)
    nothing = open_image_windows([], entry, workers=1)
    model, _ = fine_tune(
        entry["network"], entry, windows, nothing, start=start, checkpoint=checkpoint, code=""
    )
    points = open_image_windows(images, {**entry, "truth_radius_um": 0}, **settings)
    return model, choose_threshold(model, points)


@torch.no_grad()
def choose_threshold(model: nn.Module, windows: ImageWindows) -> float:
    """Choose the threshold of the best F on windows, where nuclei are known by their locations."""
    model.eval()
    finder = PeakFinder(
        PeakSettings(**PEAKS, threshold=0.0), reduction=model.reduction, spacing_um=SPACING_UM
    )
    scored = []
    for pixels, truths in windows.in_order(32):
        maps = model.detect(as_input(pixels)).float()[:, 0].numpy()
        for detection, truth in zip(maps, truths.numpy(), strict=True):
            peaks = finder.find_whole(detection)
            places = (np.argwhere(truth)[:, ::-1] + 0.5) * model.reduction * SPACING_UM
            found = np.stack([peaks.x_px, peaks.y_px], axis=1) * SPACING_UM
            scored.append(Image(found, peaks.confidence, places))
    threshold = detection_curve(scored, within_um=PEAKS["min_distance_um"]).best_threshold()
    return THRESHOLD if threshold is None else threshold


def find_nuclei(
    model: nn.Module, image: TrialImage, *, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find nuclei of an image: x and y in µm, (n, 2), and confidence, (n,)."""
    finder = NucleusFinder(model, PeakSettings(**PEAKS, threshold=threshold), spacing_um=SPACING_UM)
    found = find_nuclei_of_image(finder, image.pixels)
    return np.stack([found.x_px, found.y_px], axis=1) * SPACING_UM, found.confidence
