"""A trial on real tiles with masks: segmenters trained on all tiles but one, and tested on that.

    make trial-tiles IMAGES=folder    # with the folders images and masks

Everything is trained here, from random weights, by the library's own functions. Epochs and
threshold are fixed beforehand: there are no tiles to choose them by.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from microtome.errors import InputError  # noqa: E402
from microtome.networks.devices import use_threads  # noqa: E402
from microtome.patches.grid_spec import GridSpec  # noqa: E402
from microtome.training.colour_baseline import fit_colour  # noqa: E402
from microtome.training.kinds import train_model  # noqa: E402
from microtome.training.random_placement import Moves  # noqa: E402
from tile_files import SPACING_UM, TileFiles, leave_one_out, load_tiles  # noqa: E402
from tile_maps import Maps, map_tile  # noqa: E402
from tiles_report import write_report  # noqa: E402

PATCHES = GridSpec(SPACING_UM, patch_px=128, stride_px=128)
INFERENCE = GridSpec(SPACING_UM, patch_px=320, stride_px=160)
# So many epochs that two cores finish in about ten minutes. Small batches, for EfficientNet's batch
# norm follows what it sees over a hundred steps.
FITTING = {
    "epochs": 16,
    "batch": 4,
    "learning_rate": 1e-3,
    "schedule": {"kind": "cosine"},
    "balanced": True,
}
# What each paper changes in its patches, at half the patch size: see recipes/joint_liver.yaml and
# recipes/demo_ensemble.yaml.
NETWORKS = {
    "unet_plus_plus": {
        "kind": "segmenter",
        "architecture": "unet_plus_plus",
        "encoder": "efficientnet-b0",
        "pretrained": "none",
        "loss": "dice",
        "augmentation": {"shift_px": 64, "zoom": 0.1, "blur_px": 1.0},
        "training": FITTING,
        "seed": 1,
    },
    "unet_resnet18": {
        "kind": "segmenter",
        "architecture": "unet",
        "encoder": "resnet18",
        "pretrained": "none",
        "loss": "hybrid",
        "augmentation": {
            "shift_px": 64,
            "blur_px": 1.0,
            "brightness": 0.1,
            "contrast": 0.2,
            "hue": 0.02,
            "saturation": 0.1,
        },
        "training": FITTING,
        "seed": 2,
    },
}
# What colour gives away: its mean and spread in small squares, put together to a map likewise.
COLOUR_PATCHES = GridSpec(SPACING_UM, patch_px=32, stride_px=32)
COLOUR_INFERENCE = GridSpec(SPACING_UM, patch_px=32, stride_px=16)


def main() -> None:
    """Run the trial and write its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="holds the folders images and masks")
    parser.add_argument("results", type=Path, help="folder of results")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    started = time.perf_counter()
    tiles = load_tiles(arguments.images)
    files = TileFiles(arguments.results / "files")
    for tile in tiles:
        files.prepare(tile)
    found = {}
    for trained, tested in leave_one_out(tiles):
        names = [tile.name for tile in trained]
        found[tested.name] = run_fold(
            names, tested.name, files, networks=NETWORKS, checkpoints=arguments.results
        )
        shown = (
            f"{title} {maps.figures['dice']:.3f}" for title, maps in found[tested.name].items()
        )
        print(f"{tested.name}: Dice of {', '.join(shown)}", flush=True)
    write_report(arguments.results, tiles, found, seconds=time.perf_counter() - started)


def run_fold(
    trained: list[str],
    tested: str,
    files: TileFiles,
    *,
    networks: dict[str, dict],
    checkpoints: Path,
    patches: GridSpec = PATCHES,
    inference: GridSpec = INFERENCE,
) -> dict[str, Maps]:
    """Train on some tiles and map another.

    Parameters
    ----------
    trained : list of str
        Tiles to train on.
    tested : str
        The tile to map.
    files : TileFiles
        Of all of them.
    networks : dict of str to dict
        Entries of the registry.
    checkpoints : Path
        A stopped training goes on from its checkpoint in the folder ``checkpoints`` there.
    patches, inference : GridSpec
        What is trained on, and what is scored.

    Returns
    -------
    dict of str to Maps
        By colour alone, by each network, and by both together.
    """
    squares = files.patches(trained, COLOUR_PATCHES, label_rule="fraction")
    found = map_tile({"colour": fit_colour(squares)}, tested, files, COLOUR_INFERENCE)
    members = {}
    for name, entry in networks.items():
        moves = Moves.of(entry["augmentation"])
        members[name], _ = train_model(
            name,
            entry,
            files.patches(trained, patches, truths=True, moves=moves),
            files.patches([], patches),
            autoencoders=[],
            checkpoint=checkpoints / "checkpoints" / f"{name}-without-{tested}.safetensors",
            code="",
        )
    return found | map_tile(members, tested, files, inference)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
