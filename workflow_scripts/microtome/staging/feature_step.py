"""What is measured of a lymph node, from files: Table 5's features and the largest lesion."""

from pathlib import Path

from microtome.heatmaps.aligned import read_heatmap
from microtome.staging.feature_table import LARGEST
from microtome.staging.features import slide_features
from microtome.staging.size_rule import largest_lesion_um


def node_features(
    heatmap: str | Path, *, tissue: str | Path, threshold: float, merge_um: float
) -> dict[str, float]:
    """Measure a node: ``largest_lesion_um`` and the features, by name.

    `threshold` and `merge_um` are those of `microtome.staging.size_rule.largest_lesion_um`.
    """
    encoded, spacing_um, tissue_mm2 = read_heatmap(heatmap, tissue)
    size = {"spacing_um": spacing_um, "threshold": threshold, "merge_um": merge_um}
    return {
        LARGEST: largest_lesion_um(encoded, **size),
        **slide_features(encoded, spacing_um=spacing_um, tissue_mm2=tissue_mm2),
    }
