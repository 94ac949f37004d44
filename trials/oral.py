"""A trial on real images: models of the registry in five folds, and what pretraining is worth.

    make trial-oral IMAGES=folder    # with the folders OSCC and Normal

Everything is trained here, from random weights, by the library's own functions; results of a fold
are kept as they come, so a trial that was stopped goes on.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from microtome.cohort.splits import assign_folds  # noqa: E402
from microtome.errors import InputError  # noqa: E402
from microtome.evaluation.metrics import classification_metrics, confusion  # noqa: E402
from microtome.inference.posteriors import tumour_probability  # noqa: E402
from microtome.io.atomic import read_json, write_json  # noqa: E402
from microtome.networks.devices import as_input, use_threads  # noqa: E402
from microtome.networks.histocae import HistoCAE  # noqa: E402
from microtome.training.batches import Patches  # noqa: E402
from microtome.training.colour_baseline import fit_colour  # noqa: E402
from microtome.training.kinds import pretrain, train_model  # noqa: E402
from oral_images import Images, load_images  # noqa: E402
from oral_report import write_report  # noqa: E402

# The images are 224 px; half of that lets two cores finish within the hour.
SIDE_PX = 112
N_FOLDS = 5
SEED = 2026
FITTING = {"epochs": 20, "batch": 16, "learning_rate": 1e-3, "beta1": 0.5}
HISTOCAE = {
    "kind": "histocae",
    "spacing_um": 1.0,
    "patch_px": SIDE_PX,
    "downsampling": "stride",
    "head": "light",
    "dropout": 0.7,
    "reconstruction_loss": {"mse": 0.5, "ssim": 0.5, "mae": 0.5},
    "pretraining": {**FITTING, "epochs": 15},
    "training": {**FITTING, "balanced": True, "schedule": {"kind": "cosine"}},
    "seed": SEED,
}
MODELS = {
    "colour only": {"kind": "colour"},
    "HistoCAE1": HISTOCAE,
    "HistoCAE2": {**HISTOCAE, "reconstruction_loss": {"mse": 0.5, "ssim": 0, "mae": 0}},
    "ResNet-101": {
        "kind": "classifier",
        "architecture": "resnet101",
        "pretrained": "none",
        "training": {**HISTOCAE["training"], "epochs": 6, "learning_rate": 1e-4, "beta1": 0.9},
        "seed": SEED,
    },
}
# The paper's central claim: the same network, from its autoencoder or from random weights.
LABEL_SHARES = (1.0, 0.25, 0.05)


def main() -> None:
    """Run the trial and write its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="holds the folders OSCC and Normal")
    parser.add_argument("results", type=Path, help="folder of results")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    images, left_out = load_images(arguments.images, side_px=SIDE_PX)
    rows = [
        {"slide": name, "patient": f"{group}", "label": ("negative", "macro")[label]}
        for name, group, label in zip(images.names, images.group, images.label, strict=True)
    ]
    folds = np.array(list(assign_folds(rows, n_folds=N_FOLDS, seed=SEED).values()))
    trial = Trial(images, folds, arguments.results, threads=arguments.threads)
    models = {name: [] for name in MODELS}
    starts = {(start, s): [] for s in LABEL_SHARES for start in ("autoencoder", "random")}
    for fold in range(1, N_FOLDS + 1):
        for name, of_folds in models.items():
            of_folds.append(trial.run_model(name, fold))
        for (start, share), of_folds in starts.items():
            of_folds.append(trial.run_start(start, share, fold))
    write_report(
        arguments.results,
        models=models,
        starts=starts,
        images={
            "images": len(images.names),
            "carcinoma": int(images.label.sum()),
            "groups": len(set(images.group.tolist())),
            "largest_group": int(np.bincount(images.group).max()),
            "left_out": left_out,
            "side_px": SIDE_PX,
            "folds": [int((folds == fold + 1).sum()) for fold in range(N_FOLDS)],
        },
    )


class Trial:
    """The runs of a trial, each done once.

    Parameters
    ----------
    images : Images
        All images.
    folds : ndarray of shape (n,), int
        Fold of each, from 1 on.
    results : Path
        Where figures and checkpoints of each run are kept.
    threads : int
        CPU threads.
    """

    def __init__(self, images: Images, folds: np.ndarray, results: Path, *, threads: int) -> None:
        self._images, self._folds, self._threads = images, folds, threads
        self._results = results

    def run_model(self, name: str, fold: int) -> dict:
        """Train a model of `MODELS` and test it on a fold; give its figures."""
        return self._run(name, MODELS[name], fold, share=1.0, is_pretrained=True)

    def run_start(self, start: str, share: float, fold: int) -> dict:
        """Do the same with HistoCAE1, from its autoencoder or random, with a share of labels."""
        is_pretrained = start == "autoencoder"
        name = "HistoCAE1" if is_pretrained and share == 1 else f"HistoCAE1 {start} {share:g}"
        return self._run(name, HISTOCAE, fold, share=share, is_pretrained=is_pretrained)

    def _run(self, name: str, entry: dict, fold: int, *, share: float, is_pretrained: bool) -> dict:
        # Another setting, another image or another fold is another run.
        about = [entry, share, is_pretrained, self._images.identity(), self._folds.tolist()]
        key = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
        path = self._results / "runs" / f"{name.replace(' ', '_')}-fold{fold}-{key}.json"
        if path.exists():
            return read_json(path)
        parts = {
            "test": self._folds == fold,
            "validation": self._folds == fold % N_FOLDS + 1,
        }
        parts["train"] = ~parts["test"] & ~parts["validation"]
        data = {part: self._patches(np.flatnonzero(rows)) for part, rows in parts.items()}
        rows = self._with_labels(np.flatnonzero(parts["train"]), share)
        # As many steps for fewer labels: an epoch shows each of them more often.
        labelled = self._patches(np.tile(rows, round(1 / share)))
        started = time.perf_counter()
        checkpoint = self._results / "checkpoints" / path.stem
        if entry["kind"] == "colour":
            model = fit_colour(labelled)
        else:
            autoencoders = []
            if entry["kind"] == "histocae" and is_pretrained:
                autoencoders = [self._autoencoder(entry, data, fold)]
            model, _ = train_model(
                name,
                entry,
                labelled,
                data["validation"],
                autoencoders=autoencoders,
                checkpoint=checkpoint,
                code="",
            )
        figures = {
            **measure(model, data["test"]),
            "parameters": sum(value.numel() for value in model.parameters()),
            "seconds": time.perf_counter() - started,
            "labels": len(rows),
        }
        write_json(path, figures)
        print(
            f"fold {fold}  {name}: balanced accuracy {figures['balanced_accuracy']:.3f}", flush=True
        )
        return figures

    def _autoencoder(self, entry: dict, data: dict[str, Patches], fold: int) -> dict:
        """Train the autoencoder of a fold on all its images, without their labels."""
        loss = hashlib.sha256(json.dumps(entry["reconstruction_loss"]).encode()).hexdigest()[:8]
        cae, _ = pretrain(
            f"fold {fold}",
            entry,
            data["train"],
            data["validation"],
            checkpoint=self._results / "checkpoints" / f"cae-{loss}-fold{fold}",
            code="",
        )
        return HistoCAE.state_dict(cae)

    def _patches(self, rows: np.ndarray) -> Patches:
        return Patches([self._images.subset(rows)], labelled=True, workers=1)

    def _with_labels(self, rows: np.ndarray, share: float) -> np.ndarray:
        """Choose the images whose labels may be used: of each class its share, at least two."""
        generator = np.random.default_rng(SEED)
        label = self._images.label[rows]
        chosen = [
            generator.permutation(rows[label == value])[
                : max(2, round(share * (label == value).sum()))
            ]
            for value in (0, 1)
        ]
        return np.sort(np.concatenate(chosen))


@torch.no_grad()
def measure(model: torch.nn.Module, data: Patches) -> dict:
    """Measure a model on images: at probability 0.5, and the area under the ROC curve."""
    model.eval()
    batches = [tumour_probability(model(as_input(images))) for images, _ in data.in_order(32)]
    probability = torch.cat(batches).flatten().numpy()
    truth = data.labels == 1
    return {
        **classification_metrics(confusion(truth, probability >= 0.5)),
        "auc": float(roc_auc_score(truth, probability)),
    }


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
