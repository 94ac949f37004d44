"""Supervised networks for nuclei: which parts they have, what they start from, what is new."""

import pytest
import torch
from torch import nn

from helpers.networks import conv, n_weights, require_trained, step
from microtome.errors import InputError
from microtome.networks.batch_norm_folding import fold_into_convolutions
from microtome.networks.registry import build_model, load_model, save_weights

CAE = {"kind": "crosswise", "reduction": 4, "width": 0.05, "sparsity_percent": 1.6, "patch_px": 40}
SUPERVISED = {**CAE, "start": None, "segmentation_layer": "convolution", "attributes": ["a", "b"]}
ALL = ("crosswise", "sparse", "dense", "plain")
KINDS = ("nucleus_detector", "nucleus_classifier", "nucleus_segmenter")
DENSE = {"segmentation_layer": "dense", "patch_px": 20}


def build(kind: str, network: str = "crosswise", **changes):
    """Build a supervised network by its entry; a segmenter at reduction 1."""
    reduction = {"reduction": 1} if kind == "nucleus_segmenter" else {}
    return build_model({**SUPERVISED, "kind": kind, "network": network, **reduction, **changes})


def without_memory(kind: str, network: str = "crosswise", **changes):
    """Build one of the paper's size whose weights have shapes and no values."""
    with torch.device("meta"):
        return build(kind, network, width=1, **changes)


def autoencoder(variant: str, *, reduction: int = 4, seed: int = 8):
    """Build an autoencoder with a threshold."""
    cae = build_model({**CAE, "variant": variant, "reduction": reduction}, seed=seed)
    for name, buffer in cae.named_buffers():
        if name.endswith("threshold"):
            buffer.fill_(2.5)
    return cae


def images_of(side: int, *, n: int = 2) -> torch.Tensor:
    """Draw random images."""
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(3))


def parts_of(network: nn.Module) -> str:
    """Name the parts of the autoencoder that a network has."""
    return "".join(name[-1] for name, _ in network.named_children() if name.startswith("part"))


@pytest.mark.parametrize(
    ("network", "classifier", "detector"),
    [
        ("crosswise", "123456", "125"),
        ("sparse", "1346", "136"),
        ("dense", "1346", "136"),
        ("plain", "136", "136"),
    ],
)
def test_parts(network, classifier, detector):
    """Those of sections 5.3 and 5.5; a segmenter has 1 and 3, whatever it starts from."""
    expected = {
        "nucleus_classifier": classifier,
        "nucleus_detector": detector,
        "nucleus_segmenter": "13",
    }
    assert {kind: parts_of(build(kind, network)) for kind in KINDS} == expected


def new_weights(network: nn.Module) -> int:
    """Count the weights that are in no part."""
    layers = [layer for name, layer in network.named_children() if not name.startswith("part")]
    return sum(n_weights(layer) for layer in layers)


def test_new_layers_of_a_classifier():
    """Four 1 x 1 on the foreground, two 3 x 3 on the background, 320 maps each; then a linear."""
    on_foreground = step(100, 320, side=1) + 3 * step(320, 320, side=1)
    on_background = step(5, 320) + step(320, 320)
    network = without_memory("nucleus_classifier", attributes=list("abcdefghijklmno"))
    assert new_weights(network) == on_foreground + on_background + 640 * 15 + 15
    assert network(torch.empty(2, 3, 100, 100, device="meta")).shape == (2, 15)
    plain = without_memory("nucleus_classifier", "plain")
    assert new_weights(plain) == on_foreground + 320 * 2 + 2


def test_new_layers_of_a_detector():
    """Five 1 x 1 convolutions on D's one map, or on the 100 maps of the foreground."""
    behind = 3 * step(100, 100, side=1) + conv(100, 1, side=1)
    network = without_memory("nucleus_detector")
    assert new_weights(network) == step(1, 100, side=1) + behind
    assert network(torch.empty(2, 3, 100, 100, device="meta")).shape == (2, 1, 25, 25)
    for other in ("sparse", "dense", "plain"):
        expected = step(100, 100, side=1) + behind
        assert new_weights(without_memory("nucleus_detector", other)) == expected


def test_the_slope_of_a_detector_is_that_of_its_entry():
    """20 if it says nothing; the map inside is that of the same weights with another slope."""
    usual, gentle = build("nucleus_detector"), build("nucleus_detector", detection_slope=1)
    assert (usual.part5.slope, gentle.part5.slope) == (20, 1)
    gentle.load_state_dict(usual.state_dict())
    images = images_of(40)
    steep, flat = (
        network.eval().part5(network._raw(network.part1(images))) for network in (usual, gentle)
    )
    torch.testing.assert_close(steep, torch.sigmoid(20 * torch.logit(flat)), rtol=0, atol=1e-4)


def test_new_layers_of_a_segmenter():
    """Six 3 x 3, of which the third and the fifth see the trunk too; the paper's dense layer."""
    six = [(100, 160), (160, 160), (160 + 140, 140), (140, 140), (140 + 100, 100), (100, 80)]
    expected = sum(step(*maps) for maps in six)
    network = without_memory("nucleus_segmenter")
    assert new_weights(network) == expected + conv(80, 1, side=1)
    assert network(torch.empty(2, 3, 40, 56, device="meta")).shape == (2, 1, 40, 56)
    dense = without_memory("nucleus_segmenter", segmentation_layer="dense")
    assert new_weights(dense) == expected + (80 * 1600 + 1) * 1600
    assert dense(torch.empty(2, 3, 40, 40, device="meta")).shape == (2, 1, 40, 40)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", ALL)
def test_everything_learns(kind, network):
    """With random weights the gradient reaches all of them."""
    require_trained(build(kind, network), images_of(40, n=4))


def test_the_skip_connections_pass_the_trunks_later_layers():
    """If no gradient goes through part 3, it goes through the trunk's second and fourth layer."""
    model = build("nucleus_segmenter").eval()
    model.part3.register_forward_hook(lambda _, __, maps: maps.detach())
    model(images_of(20)).sum().backward()
    learnt = [model.part1[3 * i].weight.grad is not None for i in range(6)]
    assert learnt == [True] * 4 + [False] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", ["crosswise", "sparse", "dense"])
def test_start_from_an_autoencoder(kind, network):
    """Parts get its weights and threshold; new layers keep theirs, and are named as new."""
    model = build(kind, network, start="cae")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = autoencoder(network, reduction=model.reduction).state_dict()
    model.start_from(state)
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key] if key.startswith("part") else before[key]), key
    new = {id(weight) for layer in model.new_layers() for weight in layer.parameters()}
    for name, weight in model.named_parameters():
        assert (id(weight) in new) == (not name.startswith("part")), name


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_start_all_is_new(kind):
    """A network of random weights has no layers that should wait for others."""
    model = build(kind)
    assert model.new_layers() == [model]


def test_features_are_those_of_the_autoencoder():
    """A detector that was started has the autoencoder's detection map under its new layers."""
    cae = autoencoder("crosswise").eval()
    model = build("nucleus_detector", start="cae").eval()
    model.start_from(cae.state_dict())
    images = images_of(40)
    with torch.no_grad():
        expected = model.head(cae.detect(images))
        assert torch.equal(model(images), expected)
        assert torch.equal(model.detect(images), torch.sigmoid(expected))


@pytest.mark.parametrize("network", ["crosswise", "sparse"])
def test_the_threshold_in_training(network):
    """After pretraining it is a constant; with random weights it follows, as in pretraining."""
    part = "part5" if network == "crosswise" else "part6"
    started = build("nucleus_classifier", network, start="cae")
    started.start_from(autoencoder(network).state_dict())
    started.train()(images_of(40))
    assert getattr(started, part).threshold == 2.5
    random = build("nucleus_classifier", network)
    random.train()(images_of(40))
    assert getattr(random, part).threshold != 0


def refused(make) -> str:
    """Do what cannot be done; give the line that says why."""
    with pytest.raises(InputError) as caught:
        make()
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_what_does_not_start():
    """An autoencoder of other parts or another size, and networks that start from none."""
    model = build("nucleus_detector", start="cae")
    line = refused(lambda: model.start_from(autoencoder("dense").state_dict()))
    assert "do not fit (part2.0.weight); set start to a crosswise model" in line
    state = autoencoder("crosswise", reduction=1).state_dict()
    assert "do not fit (part1.0.weight)" in refused(lambda: model.start_from(state))
    line = refused(lambda: build("nucleus_detector", "plain", start="cae"))
    assert "plain (SUP-CNN) begins with random weights; set start: null" in line
    for network in ("vgg16", "unet"):
        line = refused(lambda network=network: build("nucleus_detector", network, start="cae"))
        assert f"network {network} cannot start from cae; set start: null" in line


def test_segmenters_that_do_not_fit():
    """Another reduction, images of another size for a dense layer, windows for one."""
    line = refused(lambda: build("nucleus_segmenter", reduction=4))
    assert "has reduction 1, not 4" in line
    dense = build("nucleus_segmenter", **DENSE)
    assert "image of 40 x 40 px does not fit" in refused(lambda: dense(images_of(40)))
    assert "segmentation_layer dense" in refused(lambda: dense.reach_px)


def test_a_pixel_of_a_dense_layer_sees_all():
    """Its logit depends on the far corner; one of a convolution on what is in reach."""
    reached = {}
    for layer in ("dense", "convolution"):
        model = build("nucleus_segmenter", segmentation_layer=layer, patch_px=40).eval()
        images = images_of(40, n=1).requires_grad_()
        model(images)[0, 0, 0, 0].backward()
        reached[layer] = images.grad[0].abs().sum(dim=0)
    assert reached["dense"][-1, -1] > 0
    assert reached["convolution"][:, 0].nonzero().max() == model.reach_px == 14


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded(kind, tmp_path):
    """Weights come back by the entry, without the autoencoder, and as those of no other network."""
    reduction = 1 if kind == "nucleus_segmenter" else 4
    entry = {**SUPERVISED, "kind": kind, "network": "crosswise", "reduction": reduction}
    entry["start"] = "cae"
    model = build_model(entry, seed=3).eval()
    path = tmp_path / "weights.safetensors"
    save_weights(path, model, name="m", entry=entry, training={})
    loaded = load_model(path, name="m", entry=entry)
    images = images_of(40)
    with torch.no_grad():
        assert torch.equal(loaded(images), model(images))
    for key, value in (("network", "dense"), ("sparsity_percent", 2.0), ("width", 0.1)):
        other = {**entry, key: value}
        line = refused(lambda other=other: load_model(path, name="m", entry=other))
        assert line.endswith(f"the entry says {key} {value}")


@pytest.mark.parametrize("kind", KINDS)
def test_folded(kind):
    """With batch norms folded and channels last each gives the same, up to rounding."""
    model = build(kind).train()
    images = images_of(40, n=4)
    with torch.no_grad():
        for _ in range(3):
            model(images)
        fast = fold_into_convolutions(model).to(memory_format=torch.channels_last)
        found = fast(images.to(memory_format=torch.channels_last))
        torch.testing.assert_close(found, model.eval()(images), rtol=1e-3, atol=1e-4)
