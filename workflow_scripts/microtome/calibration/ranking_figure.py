"""ROC curves and precision against recall of the models, over all px."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from microtome.calibration.ranking import Ranking
from microtome.figures.curves import draw_curves
from microtome.figures.style import INK, save_figure


def draw_rankings(path: str | Path, rankings: Mapping[str, Ranking | None]) -> None:
    """Draw a line a model in both panels; models without a ranking are left out."""
    known = {
        f"{model}  (AUC {found.auroc:.3f}, AP {found.average_precision:.3f})": found
        for model, found in rankings.items()
        if found is not None
    }
    longest = max(map(len, known), default=0)
    size = (8.4 + 0.075 * longest, max(4.2, 0.22 * len(known) + 0.6))
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    figure.suptitle("Tumour px against other tissue", color=INK, fontsize=12, x=0.01, ha="left")
    left, right = figure.subplots(1, 2)
    roc = {name: (of.false_positive_rate, of.true_positive_rate) for name, of in known.items()}
    labels = {"x": "false positive rate", "y": "true positive rate"}
    draw_curves(left, roc, title="ROC", **labels)
    of_recall = {name: (of.recall, of.precision) for name, of in known.items()}
    draw_curves(right, of_recall, title="precision, recall", x="recall", y="precision")
    for axis in (left, right):
        axis.set(xlim=(-0.01, 1.02), box_aspect=1)
    if known:
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=8)
    else:
        left.text(0.5, 0.5, "no model with px of both classes", ha="center", color=INK)
    save_figure(figure, path)
