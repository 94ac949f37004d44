"""A trial on real images of nuclei: found without labels, with few, with all, and without networks.

    make trial-nuclei IMAGES=nuclei_dsb2018 UNLABELLED=lymphocyte_cae_patches

Images are tested in five folds by what others taught, and once more all images on white ground by
those on tinted ground. Results of a run are kept as they come, so a trial that was stopped goes on.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import nuclei_networks as networks  # noqa: E402
from microtome.errors import InputError  # noqa: E402
from microtome.io.atomic import read_json, write_json  # noqa: E402
from microtome.networks.devices import use_threads  # noqa: E402
from microtome.nucleus_images.labelled_image import LabelledImage  # noqa: E402
from microtome.nucleus_scores.matching import detection_rates, match_points  # noqa: E402
from nuclei_peaks import describe, find_by_kofahi, tune_peaks  # noqa: E402
from nuclei_report import write_report  # noqa: E402
from nuclei_windows import (  # noqa: E402
    WHITE,
    TrialImage,
    hold_windows,
    load_images,
    load_sheet_images,
    load_unlabelled,
)

SEED = 2026
MATCH_UM = 3.0  # 6 px at 0.5 µm per px, as in the paper
PEAKS, KOFAHI, UNLABELLED = "haematoxylin peaks", "Kofahi (HistomicsTK)", "without labels"
# Method -> network, whether it starts from the autoencoder, and percentage of the labels.
SUPERVISED = {
    "fine-tuned, all labels": ("crosswise", True, 100),
    "random start, all labels": ("crosswise", False, 100),
    "fine-tuned, 5 % of labels": ("crosswise", True, 5),
    "random start, 5 % of labels": ("crosswise", False, 5),
    "U-Net, all labels": ("unet", False, 100),
}
METHODS = (PEAKS, KOFAHI, UNLABELLED, *SUPERVISED)
KEPT_BACK = "white ground, taught by tinted"

# What a method finds in an image: x and y in µm, (n, 2), the surest first.
Find = Callable[[TrialImage], np.ndarray]


def main() -> None:
    """Run the trial and write its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="folder in the Data Science Bowl's form")
    parser.add_argument("unlabelled", type=Path, help="folder of images at 0.5 µm/px")
    parser.add_argument("results", type=Path, help="folder of results")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    images = load_sheet_images(arguments.images, arguments.results, seed=SEED)
    trial = Trial(images, load_unlabelled(arguments.unlabelled), arguments.results)
    parts = list_parts(images)
    found = {part: trial.run_part(part, tested) for part, tested in parts.items()}
    write_report(arguments.results, found, images=images, methods=METHODS, kept_back=KEPT_BACK)


def list_parts(images: Sequence[LabelledImage]) -> dict[str, set[str]]:
    """Name the images that are tested in each part: fold after fold, then all of one look."""
    folds = sorted({image.fold for image in images})
    parts = {f"fold {fold}": {i.name for i in images if i.fold == fold} for fold in folds}
    return parts | {KEPT_BACK: {image.name for image in images if image.patient == WHITE}}


class Trial:
    """The runs of a trial, each done once.

    Parameters
    ----------
    images : sequence of LabelledImage
        All labelled images.
    unlabelled : sequence of TrialImage
        More to learn from without labels.
    results : Path
        Where figures and checkpoints of each run are kept.
    """

    def __init__(
        self,
        images: Sequence[LabelledImage],
        unlabelled: Sequence[TrialImage],
        results: Path,
    ) -> None:
        self._images, self._unlabelled, self._results = images, unlabelled, results

    def run_part(self, part: str, tested: set[str]) -> dict[str, dict]:
        """Test some images by each method, taught by all others; gives method -> figures."""
        taught = [image for image in self._images if image.name not in tested]
        shown = load_images(taught)
        tests = load_images([image for image in self._images if image.name in tested])
        pixels = {"shown": shown, "tests": tests, "unlabelled": self._unlabelled}
        run = _Part(part, taught, self._results, **pixels)
        return {method: run.measure(method) for method in METHODS}


class _Part:
    """Methods taught by some images and tested on others."""

    def __init__(
        self,
        name: str,
        labelled: Sequence[LabelledImage],
        results: Path,
        *,
        shown: Sequence[TrialImage],
        tests: Sequence[TrialImage],
        unlabelled: Sequence[TrialImage],
    ) -> None:
        self._name, self._shown, self._tests = name, shown, tests
        self._unlabelled, self._results = unlabelled, results
        # What is smaller than a window is tested, but does not teach networks.
        self._large = [image for image in shown if hold_windows(image)]
        names = {image.name for image in self._large}
        self._labelled = [image for image in labelled if image.name in names]
        self._sparsity_percent = networks.choose_sparsity(self._large)
        data = hashlib.sha256(f"{len(shown)} {len(tests)}".encode())
        for image in (*shown, *tests, *unlabelled):
            data.update(image.pixels.tobytes() + image.points.tobytes())
        self._data = data.hexdigest()[:12]
        self._autoencoder = None

    def measure(self, method: str) -> dict:
        """Give the figures of a method, from its file if it has run before."""
        settings = [self._settings(method), self._data]
        key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
        name = "".join(c if c.isalnum() else "_" for c in f"{self._name} {method}")
        path = self._results / "runs" / f"{name}-{key}.json"
        if not path.exists():
            started = time.perf_counter()
            found, notes = self._find(method)
            figures = {"why": notes} if found is None else count(found, self._tests) | notes
            write_json(path, figures | {"seconds": time.perf_counter() - started})
        figures = read_json(path)
        print(f"{self._name}  {method}: {figures.get('f', figures.get('why'))}", flush=True)
        return figures

    def _settings(self, method: str) -> list:
        """What a method's figures depend on beside the images."""
        if method in (PEAKS, KOFAHI):
            return [method]
        settings = [networks.CROSSWISE, networks.N_UNLABELLED, self._sparsity_percent]
        return [method, *settings, *self._entry(method)]

    def _entry(self, method: str) -> list[dict]:
        if method not in SUPERVISED:
            return []
        network, started, percent = SUPERVISED[method]
        entry = networks.detector_entry(
            network=network,
            started=started,
            labels_percent=percent,
            sparsity_percent=self._sparsity_percent,
        )
        return [entry]

    def _find(self, method: str) -> tuple[list[np.ndarray] | None, dict | str]:
        """What a method finds in each image that is tested, the surest first, and its settings."""
        if method == PEAKS:
            finder = tune_peaks(self._shown, within_um=MATCH_UM)
            return [in_order(*finder.find(i.pixels)) for i in self._tests], describe(finder)
        if method == KOFAHI:
            return find_by_kofahi(self._shown, self._tests, within_um=MATCH_UM)
        if method == UNLABELLED:
            model, threshold = self._pretrained(), networks.THRESHOLD
        else:
            (entry,) = self._entry(method)
            state = self._pretrained().state_dict() if entry["start"] else None
            model, threshold = networks.train_detector(
                entry, self._labelled, start=state, checkpoint=self._checkpoint(method)
            )
        found = [networks.find_nuclei(model, image, threshold=threshold) for image in self._tests]
        return [in_order(*each) for each in found], {"threshold": threshold}

    def _pretrained(self):
        """The autoencoder of the images that teach, and of those without labels."""
        if self._autoencoder is None:
            self._autoencoder = networks.pretrain_on(
                [*self._large, *self._unlabelled],
                sparsity_percent=self._sparsity_percent,
                checkpoint=self._checkpoint("autoencoder"),
            )
        return self._autoencoder

    def _checkpoint(self, what: str) -> Path:
        name = "".join(c if c.isalnum() else "_" for c in f"{self._name} {what}")
        return self._results / "checkpoints" / f"{name}.safetensors"


def in_order(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Bring detections, (n, 2), into order, the surest first."""
    return points[np.argsort(-confidence, kind="stable")]


def count(found: Sequence[np.ndarray], images: Sequence[TrialImage]) -> dict:
    """Precision, recall and F of detections in images, over all of their nuclei together."""
    matches = [
        match_points(points, image.points, within_um=MATCH_UM)
        for points, image in zip(found, images, strict=True)
    ]
    counts = {
        "n_right": sum(m.n_right for m in matches),
        "n_found": sum(m.n_found for m in matches),
        "n_true": sum(m.n_true for m in matches),
    }
    return counts | detection_rates(**counts)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
