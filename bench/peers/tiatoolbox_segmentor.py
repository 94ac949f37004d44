"""TIAToolbox: SemanticSegmentor over the windows of the slide, merged as it does it, into Zarr."""

import numpy as np
import torch
from tiatoolbox.models.engine.io_config import IOSegmentorConfig
from tiatoolbox.models.engine.semantic_segmentor import SemanticSegmentor
from tiatoolbox.models.models_abc import ModelABC
from windows import BATCH, STRIDE_PX, WINDOW_PX, Job, bytes_of, main

_LEVEL_0 = {"units": "baseline", "resolution": 1.0}


class Segmenter(ModelABC):
    """A network as its engine calls it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities (B, H, W, 2) of images (B, H, W, 3) in [0, 255]."""
        logits = self.network(images.movedim(-1, 1).float() / 255)
        return logits.softmax(dim=1).movedim(1, -1)

    @staticmethod
    def infer_batch(model: torch.nn.Module, batch_data: torch.Tensor, *, device: str) -> np.ndarray:
        """What the engine asks for."""
        with torch.inference_mode():
            return model(batch_data.to(device)).numpy()


def score_all(job: Job) -> dict:
    """Score all windows."""
    window = (WINDOW_PX, WINDOW_PX)
    engine = SemanticSegmentor(
        model=Segmenter(job.network), batch_size=BATCH, num_workers=job.threads, verbose=False
    )
    found = engine.run(
        [job.slide],
        patch_mode=False,
        ioconfig=IOSegmentorConfig(
            input_resolutions=[_LEVEL_0],
            output_resolutions=[_LEVEL_0],
            patch_input_shape=window,
            patch_output_shape=window,
            stride_shape=(STRIDE_PX, STRIDE_PX),
        ),
        auto_get_mask=False,
        save_dir=job.folder / "out",
        output_type="zarr",
        return_probabilities=True,
        device="cpu",
    )
    store = next(iter(found.values()))
    path = store / "probabilities"
    map_bytes = bytes_of(path)
    return {
        "map": str(path),
        "map_bytes": map_bytes,
        "other_bytes": bytes_of(store) - map_bytes,
    }


main(score_all)
