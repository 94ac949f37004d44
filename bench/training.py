"""How fast networks train and predict, and whether reading patches holds them up.

Each training run is timed twice, alternating: from a patch store of pixels, as the workflow trains,
and the same loop on one random batch that is in memory already. Their ratio says what reading
costs. On a GPU also by precision.

    python bench/training.py [--patches N] [--batch 16 64] [--rounds N] [--threads N]

Writes training.json and training.md beside this file, one section a machine.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import library  # noqa: F401, makes the library importable
import numpy as np
import torch

from microtome.io.text_tables import markdown_table
from microtome.networks.devices import as_input, autocast, default_device, use_threads
from microtome.networks.histocae import HistoCAE
from microtome.networks.reconstruction_loss import ReconstructionLoss
from microtome.networks.registry import build_model
from microtome.patches.grid import Grid
from microtome.patches.store import write_patches
from microtome.training import loop as training
from microtome.training import optimizer_step as optimization
from microtome.training.batches import PatchData
from microtome.training.loop import fit
from microtome.training.objectives import classification, reconstruction

HERE = Path(__file__).resolve().parent
SIDE_PX = 256
CLASSIFIER = {
    "kind": "histocae",
    "patch_px": SIDE_PX,
    "head": "paper",
    "dropout": 0.7,
    "downsampling": "stride",
}


class InMemory:
    """The same random batch again and again: what training takes when nothing is read."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def identity(self) -> str:
        """Which patches these are."""
        return "random"

    def in_order(self, batch: int, **_: object) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """No validation patches."""
        return iter(())

    def shuffled(self, batch: int, **_: object) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """As many batches as a store of that many patches gives."""
        images = torch.randint(0, 256, (batch, SIDE_PX, SIDE_PX, 3), dtype=torch.uint8)
        if torch.cuda.is_available():
            images = images.pin_memory()
        labels = torch.arange(batch) % 2
        for _ in range(self._n // batch):
            yield images.permute(0, 3, 1, 2), labels


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=192)
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = PatchData(
            [_store(Path(folder) / "a.zarr", arguments.patches)],
            labelled=True,
            workers=arguments.threads,
        )
        for batch in arguments.batch:
            for name in _precisions():
                rows += _measured(name, data, Path(folder), batch=batch, rounds=arguments.rounds)
    about = {
        "cpus": os.cpu_count(),
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "rows": rows,
    }
    (HERE / "training.json").write_text(json.dumps(about, indent=1) + "\n")
    text = (
        f"Patches/s of {SIDE_PX} px, median of {arguments.rounds} alternating rounds,"
        f" {about['date']}, card: {about['card']}, {arguments.threads} CPU threads,"
        " `python bench/training.py`\n\n"
        f"{markdown_table(rows)}"
    )
    (HERE / "training.md").write_text(text)
    print(text)


def _precisions() -> list[str]:
    if not torch.cuda.is_available():
        return ["float32"]
    bfloat16 = ["bfloat16"] if torch.cuda.get_device_capability() >= (8, 0) else []
    return ["float32", "float16", *bfloat16]


def _measured(
    precision: str, data: PatchData, folder: Path, *, batch: int, rounds: int
) -> list[dict]:
    """Rows of the table, of one precision and batch."""
    device = default_device()

    def context(_: torch.device):
        if precision == "float32":
            return torch.autocast(device.type, enabled=False)
        return torch.autocast(device.type, dtype=getattr(torch, precision))

    training.autocast = optimization.autocast = context if device.type == "cuda" else autocast
    training.needs_loss_scaling = lambda _: precision == "float16"
    memory = InMemory(len(data) // batch * batch)
    loss = ReconstructionLoss(mse=0.5, ssim=0.5, mae=0.5)
    tasks = {
        "training the autoencoder": (
            lambda: HistoCAE(downsampling="stride"),
            reconstruction(loss),
        ),
        "training the classifier": (lambda: build_model(CLASSIFIER), classification),
    }
    rows = []
    for task, (make, objective) in tasks.items():
        speeds: dict[str, list[float]] = {"store": [], "memory": []}
        for number in range(rounds):
            for source, patches in (("store", data), ("memory", memory)):
                seconds = _seconds_of_training(
                    make(), objective, patches, folder / f"{number}{source}", batch=batch
                )
                speeds[source].append(len(memory) / seconds)
        ratios = [a / b for a, b in zip(speeds["store"], speeds["memory"], strict=True)]
        rows.append(
            {
                "task": task,
                "precision": precision,
                "batch": batch,
                "patches/s": statistics.median(speeds["store"]),
                "in memory": statistics.median(speeds["memory"]),
                "ratio": statistics.median(ratios),
            }
        )
    model = build_model(CLASSIFIER).to(device, memory_format=torch.channels_last).eval()
    images = next(iter(memory.shuffled(batch)))[0]
    speeds_of = []
    with torch.inference_mode(), training.autocast(device):
        model(as_input(images, device))
        for _ in range(rounds):
            started = time.perf_counter()
            for _ in range(len(memory) // batch):
                model(as_input(images, device)).float().cpu()
            speeds_of.append(len(memory) / (time.perf_counter() - started))
    rows.append(
        {
            "task": "predicting, from memory",
            "precision": precision,
            "batch": batch,
            "patches/s": statistics.median(speeds_of),
            "in memory": statistics.median(speeds_of),
            "ratio": 1.0,
        }
    )
    return rows


def _seconds_of_training(
    model: torch.nn.Module, objective, patches, checkpoint: Path, *, batch: int
) -> float:
    """Seconds of the second epoch: the first warms up."""
    marks = []

    def timed(*arguments: object) -> dict[str, torch.Tensor]:
        return objective(*arguments)

    class Marked:
        """Notes when an epoch's batches begin."""

        def __len__(self) -> int:
            return len(patches) // batch * batch

        def identity(self) -> str:
            return patches.identity()

        def shuffled(self, size: int, **settings: object) -> Iterator:
            marks.append(time.perf_counter())
            for number, item in enumerate(patches.shuffled(size, **settings)):
                if number < len(self) // size:
                    yield item
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

    fit(
        model,
        timed,
        train=Marked(),
        validation=InMemory(0),
        epochs=2,
        batch=batch,
        learning_rate=1e-4,
        beta1=0.9,
        seed=1,
        checkpoint=checkpoint.with_suffix(".safetensors"),
        identity={"run": str(time.perf_counter())},
    )
    return marks[3] - marks[2]


def _store(path: Path, n: int) -> Path:
    """Write a store of random pixels."""
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (n, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    row = np.arange(n, dtype=np.int32)
    label = (row % 2).astype(np.int8)
    grid = Grid(
        row=row,
        column=np.zeros(n, np.int32),
        tissue_fraction=np.ones(n, np.float32),
        tumour_fraction=label.astype(np.float32),
        label=label,
        scale=1.0,
        spacing_um=1.0,
        patch_px=SIDE_PX,
        stride_px=SIDE_PX,
    )
    write_patches(
        path,
        [(row.astype(np.int64), pixels)],
        grid,
        origin={"slide": path.stem},
        codec="raw",
        jpeg_quality=90,
        threads=1,
        white_from=255,
        max_white_fraction=1.0,
    )
    return path


if __name__ == "__main__":
    main()
