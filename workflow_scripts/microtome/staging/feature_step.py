"""What is measured of a lymph node, from files: Table 5's features and the largest lesion."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.heatmaps.aligned import read_heatmap
from microtome.io.atomic import read_json
from microtome.staging.features import FEATURES, slide_features
from microtome.staging.size_rule import largest_lesion_um

LARGEST = "largest_lesion_um"
COLUMNS = ("slide", "patient", "node", "label", "split", LARGEST, *FEATURES)


def node_features(
    heatmap: str | Path, *, tissue: str | Path, threshold: float, merge_um: float
) -> dict[str, float]:
    """Measure a node.

    Parameters
    ----------
    heatmap, tissue : str or Path
        Heatmap and tissue mask.
    threshold, merge_um : float
        Of the size rule, see `microtome.staging.size_rule.largest_lesion_um`.

    Returns
    -------
    dict of str to float
        ``largest_lesion_um``, `microtome.staging.features.FEATURES`.
    """
    encoded, spacing_um, tissue_mm2 = read_heatmap(heatmap, tissue)
    size = {"spacing_um": spacing_um, "threshold": threshold, "merge_um": merge_um}
    return {
        LARGEST: largest_lesion_um(encoded, **size),
        **slide_features(encoded, spacing_um=spacing_um, tissue_mm2=tissue_mm2),
    }


def feature_rows(
    slides: Sequence[str], files: Sequence[str | Path], rows: Mapping[str, dict]
) -> list[dict]:
    """One row a node, with what the sheet says of it.

    Parameters
    ----------
    slides : sequence of str
        Usable nodes.
    files : sequence of str or Path
        Features of each.
    rows : mapping of str to dict
        Slide -> ``patient``, ``node``, ``split``, ``label``.

    Returns
    -------
    list of dict
        `COLUMNS`.
    """
    return [
        {"slide": slide, **rows[slide], **read_json(file)}
        for slide, file in zip(slides, files, strict=True)
    ]
