"""Find sparsity_percent of a crosswise autoencoder: draw patches, count nuclei, read it off.

First `draw`: patches as PNG and a table counts.csv, whose column nuclei a person fills in. Then
`count`: the line for the config.
"""

import argparse
import sys
from pathlib import Path

import yaml

from microtome.errors import InputError
from microtome.nucleus_training.counted_patches import (
    COUNTS,
    draw_from_grids,
    draw_from_images,
    read_counts,
    sparsity_of,
    write_patches_to_count,
)

CONFIG = Path(__file__).resolve().parents[1] / "config.yaml"


def main() -> None:
    """Draw patches, or say what their counts mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw", help="write patches to count")
    draw.add_argument(
        "source",
        type=Path,
        help="a folder of images, or of grids such as results/grids/0.5um_100px_every100px",
    )
    draw.add_argument("folder", type=Path, help="where to write them")
    draw.add_argument("--patches", type=int, default=20, help="how many (default: 20)")
    draw.add_argument("--patch-px", type=int, default=100, help="side, of images (default: 100)")
    draw.add_argument("--seed", type=int, default=0, help="another seed, other patches")
    count = commands.add_parser("count", help="compute the sparsity")
    count.add_argument("table", type=Path, help=f"{COUNTS}, filled in")
    count.add_argument("--patch-px", type=int, default=100, help="side (default: 100)")
    count.add_argument("--reduction", type=int, default=4, choices=(1, 4), help="of the model")
    given = parser.parse_args()
    if given.command == "draw":
        if not given.source.is_dir():
            raise InputError(f"{given.source}: is no folder")
        of = {"n": given.patches, "seed": given.seed}
        if any(given.source.glob("*.npz")):
            config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
            of["min_tissue_fraction"] = config["patches"]["min_tissue_fraction"]
            patches = draw_from_grids(given.source, **of, slide_settings=config["slide"])
        else:
            patches = draw_from_images(given.source, **of, patch_px=given.patch_px)
        n = write_patches_to_count(given.folder, patches)
        print(f"{n} patches in {given.folder}; write their nuclei into {given.folder / COUNTS}")
    else:
        counts = read_counts(given.table)
        percent = sparsity_of(counts, patch_px=given.patch_px, reduction=given.reduction)
        mean = sum(counts) / len(counts)
        print(
            f"sparsity_percent: {percent:.3g} # {mean:.3g} nuclei on each of {len(counts)} patches"
        )


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
