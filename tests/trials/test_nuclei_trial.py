"""The trial on nuclei: what is read, who is tested by whom, what is tuned and what is counted."""

import doctest
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.draw import disk

import nuclei_networks
import nuclei_peaks
import nuclei_windows
import nucleus_trial as trial
from microtome.errors import InputError
from microtome.networks.registry import build_model
from nuclei_peaks import tune_peaks
from nuclei_report import list_kept_back, summarize, write_report
from nuclei_windows import TINTED, WHITE, DrawnWindows, TrialImage, draw_windows, estimate_spacing

START = {"started": True, "sparsity_percent": 1.6}
WHITE_GROUND, VIOLET_GROUND, STAIN = (225, 222, 228), (182, 164, 210), (80, 40, 130)


def draw(ground, centres, radius: float, shape=(120, 160)) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of an image with round nuclei."""
    pixels = np.full((*shape, 3), ground, np.uint8)
    labels = np.zeros(shape, np.uint16)
    for number, centre in enumerate(centres, start=1):
        inside = disk(centre, radius, shape=shape)
        pixels[inside], labels[inside] = STAIN, number
    return pixels, labels


@pytest.fixture
def folder(tmp_path):
    """Ten images, every other on white ground, each with four nuclei 9 px wide, and labels."""
    generator = np.random.default_rng(0)
    for part in ("images", "labels"):
        (tmp_path / "set" / part).mkdir(parents=True)
    for i in range(10):
        corners = np.array([(20, 20), (20, 110), (85, 20), (85, 110)])
        centres = corners + generator.integers(0, 20, (4, 2))
        pixels, labels = draw(VIOLET_GROUND if i % 2 else WHITE_GROUND, centres, 5)
        Image.fromarray(pixels).save(tmp_path / "set" / "images" / f"t{i}.png")
        Image.fromarray(labels).save(tmp_path / "set" / "labels" / f"t{i}.png")
    return tmp_path / "set"


@pytest.fixture
def images(folder, tmp_path):
    """These images as the trial loads them."""
    return nuclei_windows.load_sheet_images(folder, tmp_path / "results", seed=1)


def test_examples():
    """The examples of docstrings give what they say."""
    found = doctest.testmod(nuclei_windows)
    assert found.attempted
    assert not found.failed


def test_looks_are_mixed_alike_in_all_folds(images):
    """Each fold has an image on white ground and one on tinted."""
    assert [image.patient for image in images] == [WHITE, TINTED] * 5
    for fold in range(1, 6):
        assert {i.patient for i in images if i.fold == fold} == {WHITE, TINTED}
    parts = trial.list_parts(images)
    assert [len(tested) for tested in parts.values()] == [2] * 5 + [5]
    assert sorted(name for part in list(parts)[:5] for name in parts[part]) == [
        image.name for image in images
    ]


def test_the_spacing_is_that_at_which_what_is_dark_is_10_um_wide():
    """Squares of 40 and 10 px: chords count by their length; smoothing widens them by a px."""
    pixels = np.full((120, 160, 3), WHITE_GROUND, np.uint8)
    pixels[20:60, 20:60] = STAIN
    for left in range(80, 150, 20):
        pixels[20:30, left : left + 10] = pixels[90:100, left : left + 10] = STAIN
    lengths = np.array([40] * 40 + [10] * 80)
    width_px = np.square(lengths).sum() / lengths.sum()
    assert estimate_spacing(pixels) == pytest.approx(10 / width_px, rel=0.06)
    assert estimate_spacing(pixels[::-1].transpose(1, 0, 2)) == estimate_spacing(pixels)


def test_nuclei_are_counted_where_windows_lie():
    """A nucleus is in a window from its upper left corner on, up to its lower right one."""
    points = np.array([(3.5, 10.0), (53.49, 10.0), (53.5, 59.99)])
    image = TrialImage("a", np.zeros((130, 110, 3), np.uint8), points)
    assert DrawnWindows(image, [(7, 20), (10, 30), (8, 19)]).count() == [2, 1, 1]


def test_the_sparsity_comes_from_counts_on_windows():
    """With two nuclei on every window it is two of 25 x 25 places."""
    corners = np.stack(np.meshgrid([1.0, 49.0], [1.0, 49.0]), axis=-1).reshape(-1, 2)
    image = TrialImage("a", np.zeros((100, 100, 3), np.uint8), corners[:2])
    assert nuclei_networks.choose_sparsity([image]) == pytest.approx(100 * 2 / 625)


def test_no_tested_image_is_learnt_from(images, tmp_path, monkeypatch):
    """What teaches a part is all that it does not test."""
    seen = {}

    class Part:
        def __init__(self, name, labelled, results, *, shown, tests, unlabelled):
            taught = {i.name for i in labelled}
            assert taught == {i.name for i in shown}
            seen[name] = taught, {i.name for i in tests}

        def measure(self, method):
            return {}

    monkeypatch.setattr(trial, "_Part", Part)
    run = trial.Trial(images, [], tmp_path)
    for part, tested in trial.list_parts(images).items():
        run.run_part(part, tested)
        assert seen[part][1] == tested
        assert seen[part][0] == {image.name for image in images} - tested


def test_windows_are_px_of_their_images():
    """As many as asked for, the same for the same seed, each as it lies in its image."""
    generator = np.random.default_rng(0)
    images = [
        TrialImage(name, generator.integers(0, 255, (*shape, 3)).astype(np.uint8), np.empty((0, 2)))
        for name, shape in (("a", (100, 100)), ("b", (130, 110)))
    ]
    drawn = draw_windows(images, 40, seed=3)
    assert sum(len(windows.label) for windows in drawn) == 40
    assert [w.identity() for w in drawn] == [w.identity() for w in draw_windows(images, 40, seed=3)]
    out = np.empty(DrawnWindows.shape, np.uint8)
    DrawnWindows(images[1], [(7, 20)]).read(0, out)
    np.testing.assert_array_equal(out[0], images[1].pixels[20:120, 7:107])


def test_the_peak_finder_is_tuned_on_what_it_is_given():
    """It finds all nuclei of such images, and nothing else."""
    drawn = []
    for seed, centres in enumerate([[(20, 20), (20, 60), (45, 40)], [(15, 20), (40, 60)]]):
        pixels, _ = draw(WHITE_GROUND, centres, 6, (60, 80))
        pixels -= np.random.default_rng(seed).integers(0, 9, pixels.shape).astype(np.uint8)
        points = (np.array(centres)[:, ::-1] + 0.5) * 0.5
        drawn.append(TrialImage(str(seed), pixels, points))
    finder = tune_peaks(drawn, within_um=3)
    found = [trial.in_order(*finder.find(image.pixels)) for image in drawn]
    assert trial.count(found, drawn) == {
        "n_right": 5,
        "n_found": 5,
        "n_true": 5,
        "precision": 1,
        "recall": 1,
        "f": 1,
    }


def test_kofahi_that_cannot_be_installed_is_told(monkeypatch):
    """The report has the reason in place of figures."""
    refusal = "from environments import NotInstallableError; raise NotInstallableError('none here')"
    monkeypatch.setattr(nuclei_peaks, "_FIND_PYTHON", refusal)
    found, reason = nuclei_peaks.find_by_kofahi([], [], within_um=3)
    assert found is None
    assert reason.endswith("none here")


def test_few_labels_get_as_many_steps():
    """Twenty times the epochs for a twentieth of the windows."""
    few = nuclei_networks.detector_entry(**START, labels_percent=5)["training"]
    full = nuclei_networks.detector_entry(**START, labels_percent=100)["training"]
    assert few["epochs"] == 20 * full["epochs"]
    assert {k: v for k, v in few.items() if "epochs" not in k} == {
        k: v for k, v in full.items() if "epochs" not in k
    }


def test_a_detector_is_trained_and_finds_nuclei(images, tmp_path, monkeypatch):
    """A tiny one: it starts from an autoencoder, and its points lie in the image."""
    for entry in (nuclei_networks.CROSSWISE, nuclei_networks.SHARED):
        monkeypatch.setitem(entry, "width", 0.02)
    monkeypatch.setattr(
        nuclei_networks,
        "TRAINING",
        {**nuclei_networks.TRAINING, "epochs": 1, "new_layers_epochs": 0},
    )
    entry = nuclei_networks.detector_entry(**START, labels_percent=100)
    start = build_model({**nuclei_networks.CROSSWISE, "sparsity_percent": 1.6}, seed=0).state_dict()
    given = [replace(image, spacing_um=0.5) for image in images[:2]]
    model, threshold = nuclei_networks.train_detector(
        entry, given, start=start, checkpoint=tmp_path / "checkpoint"
    )
    (image,) = nuclei_windows.load_images(given[:1])
    points, confidence = nuclei_networks.find_nuclei(model, image, threshold=0.0)
    assert points.shape == (len(confidence), 2)
    assert ((points >= 0) & (points <= (80, 60))).all()
    assert threshold > 0


def test_the_threshold_is_that_of_the_best_f():
    """A network that fires at nuclei by 0.6 and elsewhere by 0.3: just the nuclei are taken."""

    class Fires(torch.nn.Module):
        reduction = 4

        def detect(self, images):
            return torch.nn.functional.avg_pool2d(images[:, :1], 4)

    class Windows:
        def in_order(self, batch):
            truth = torch.zeros(1, 25, 25, dtype=torch.uint8)
            truth[0, 5, 5] = truth[0, 20, 12] = 1
            pixels = torch.zeros(1, 3, 100, 100, dtype=torch.uint8)
            pixels[0, 0] = (
                (255 * (0.6 * truth[0])).byte().repeat_interleave(4, 0).repeat_interleave(4, 1)
            )
            pixels[0, 0, 40:44, 80:84] = 76
            yield pixels, truth

    assert nuclei_networks.choose_threshold(Fires(), Windows()) == pytest.approx(0.6, abs=0.02)


def test_the_tables(tmp_path, images):
    """Means, spreads and gains by hand; a method that is not there says why."""
    rates = lambda f: {"precision": 0.5, "recall": f, "f": f, "n_true": 3, "seconds": 60}  # noqa: E731
    found = {
        "fold 1": {"peaks": rates(0.5), "net": rates(0.6), "other": {"why": "no such"}},
        "fold 2": {"peaks": rates(0.7), "net": rates(0.6), "other": {"why": "no such"}},
    }
    first, second, third = summarize(found, ("peaks", "net", "other"))
    assert first["f"] == "0.600 ± 0.141"
    assert second["difference of F"] == "+0.000 ± 0.141, better in 1"
    assert third["difference of F"] == "no such"
    assert list_kept_back(found["fold 1"], ("net", "other"))[1]["f"] == "no such"
    found["back"] = found["fold 1"]
    write_report(
        tmp_path, found, images=images, methods=("peaks", "net", "other"), kept_back="back"
    )
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("10 images, 6 nuclei, 2 folds;")
    assert (tmp_path / "trial.png").exists()


def test_a_folder_without_images(tmp_path):
    """Nothing to learn from without labels is told."""
    with pytest.raises(InputError, match="has no images"):
        nuclei_windows.load_unlabelled(tmp_path)
