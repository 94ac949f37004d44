"""The picture of all networks' losses."""

import numpy as np
import pytest
from PIL import Image

from microtome.training.curves_figure import losses_figure


def history(*losses: float) -> list[dict[str, str]]:
    """Rows as they are read from a table of curves."""
    return [
        {"epoch": str(i), "learning_rate": "0.1", "train_loss": str(x), "validation_loss": str(x)}
        for i, x in enumerate(losses, start=1)
    ]


def drawn_px(path) -> int:
    """Count px of saturated colours: those of lines."""
    with Image.open(path) as image:
        colours = np.asarray(image.convert("RGB")).astype(int)
    return int(np.count_nonzero(np.ptp(colours, axis=2) > 80))


@pytest.mark.parametrize("n_losses", [1, 2])
def test_each_loss_has_a_row_of_panels(tmp_path, n_losses):
    """Networks with the same loss share it; the picture is as high as there are losses."""
    networks = [{"model": f"m{i}", "loss": f"loss {i % n_losses}"} for i in range(6)]
    losses_figure(tmp_path / "a.png", [history(3, 2, 1)] * 6, networks=networks)
    with Image.open(tmp_path / "a.png") as image:
        assert image.height == round(110 * (0.5 + 3.3 * n_losses))


def test_every_network_is_a_line(tmp_path):
    """Six networks, of any number of epochs, have more of lines than one; folds share a colour."""
    six = [history(*np.linspace(3, k, 9 + k)) for k in range(6)]
    networks = [{"model": f"m{i}", "loss": "loss"} for i in range(6)]
    folds = [{"model": "m0", "loss": "loss"}] * 6
    found = []
    for name, curves, described in (
        ("six", six, networks),
        ("one", six[:1], networks[:1]),
        ("folds", six, folds),
        ("again", six, networks),
    ):
        losses_figure(tmp_path / name, curves, networks=described)
        found.append(drawn_px(tmp_path / name))
    assert min(found[0], found[2]) > 3 * found[1]
    assert (tmp_path / "six").read_bytes() == (tmp_path / "again").read_bytes()
    assert (tmp_path / "six").read_bytes() != (tmp_path / "folds").read_bytes()


def test_without_validation_patches_there_is_a_line_less(tmp_path):
    """Where nothing validates, training is drawn alone."""
    only = [{k: v for k, v in row.items() if k != "validation_loss"} for row in history(3, 1)]
    networks = [{"model": "m", "loss": "loss"}]
    for name, curve in (("both", history(3, 1)), ("only", only)):
        losses_figure(tmp_path / name, [curve], networks=networks)
    assert 0 < drawn_px(tmp_path / "only") < drawn_px(tmp_path / "both")
