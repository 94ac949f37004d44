"""The crosswise sparse autoencoder's layers, sizes and parameters are those of the paper."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from helpers.networks import n_weights, require_trained, step
from microtome.errors import InputError
from microtome.networks.batch_norm_folding import fold_into_convolutions
from microtome.networks.crosswise import CrosswiseCAE
from microtome.networks.sparsity import Crosswise, DetectionThreshold, SparseReLU

# Tables 1 and 2: kernel, maps in and out, side of the maps of a 100 px patch behind the layer.
# A kernel of 0 is an average pooling.
TABLES = {
    "part1": [
        *((5, 3, 100, 100), (5, 100, 120, 100), (0, 120, 120, 50)),
        *((3, 120, 240, 50), (3, 240, 320, 50), (0, 320, 320, 25)),
        *((3, 320, 640, 25), (3, 640, 1024, 25)),
    ],
    "part2": [(1, 1024, 100, 25), (1, 100, 1, 25)],
    "part3": [(1, 1024, 640, 25), (1, 640, 100, 25)],
    "part4": [(1, 1024, 128, 25), (0, 128, 128, 5), (3, 128, 64, 5), (1, 64, 5, 5)],
    "part7": [
        *((3, 100, 1024, 25), (3, 1024, 640, 25), (4, 640, 640, 50)),
        *((3, 640, 320, 50), (3, 320, 320, 50), (4, 320, 320, 100)),
        *((5, 320, 120, 100), (5, 120, 100, 100), (1, 100, 3, 100)),
    ],
    "part8": [
        *((3, 5, 256, 5), (3, 256, 128, 5), (9, 128, 128, 25)),
        *((3, 128, 128, 25), (3, 128, 128, 25), (4, 128, 128, 50)),
        *((3, 128, 64, 50), (3, 64, 64, 50), (4, 64, 64, 100)),
        *((5, 64, 32, 100), (5, 32, 32, 100), (1, 32, 3, 100)),
    ],
}
# The same of reduction 1, for a patch of 40 px: no pooling in the trunk, 80 to 200 maps.
SMALL_TABLES = {
    "part1": [
        *((5, 3, 80, 40), (5, 80, 100, 40), (3, 100, 120, 40)),
        *((3, 120, 140, 40), (3, 140, 160, 40), (3, 160, 200, 40)),
    ],
    "part2": [(1, 200, 100, 40), (1, 100, 1, 40)],
    "part3": [(1, 200, 160, 40), (1, 160, 100, 40)],
    "part4": [(1, 200, 128, 40), (0, 128, 128, 2), (3, 128, 64, 2), (1, 64, 5, 2)],
    "part7": [
        *((3, 100, 200, 40), (3, 200, 160, 40), (3, 160, 160, 40)),
        *((3, 160, 140, 40), (3, 140, 140, 40), (3, 140, 140, 40)),
        *((5, 140, 100, 40), (5, 100, 80, 40), (1, 80, 3, 40)),
    ],
    "part8": [
        *((3, 5, 200, 2), (3, 200, 128, 2), (9, 128, 128, 10)),
        *((3, 128, 128, 10), (3, 128, 128, 10), (4, 128, 128, 20)),
        *((3, 128, 64, 20), (3, 64, 64, 20), (4, 64, 64, 40)),
        *((5, 64, 32, 40), (5, 32, 32, 40), (1, 32, 3, 40)),
    ],
}
# Weights of each part of the paper's size, batch norms included: the sums of the rows above.
WEIGHTS = {
    "part1": 9_004_228,
    "part2": 102_702,
    "part3": 720_840,
    "part4": 205_514,
    "part7": 19_043_914,
    "part8": 2_445_926,
}
VARIANTS = ("crosswise", "sparse", "dense")
LAYERS = nn.Conv2d | nn.ConvTranspose2d | nn.AvgPool2d


def build(variant: str = "crosswise", *, reduction: int = 4, width: float = 0.05) -> CrosswiseCAE:
    """Build an autoencoder, a small one unless asked, with weights that follow from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return CrosswiseCAE(
            variant=variant, reduction=reduction, width=width, sparsity_percent=1.6
        ).eval()


def without_memory(variant: str = "crosswise", *, reduction: int = 4) -> CrosswiseCAE:
    """Build one of the paper's size whose weights have shapes and no values."""
    with torch.device("meta"):
        return build(variant, reduction=reduction, width=1)


def settled(cae: CrosswiseCAE) -> CrosswiseCAE:
    """Give batch norms and threshold something of what images teach them; then to evaluation."""
    with torch.no_grad():
        cae.train()
        for _ in range(6):
            cae(images_of(20, n=4))
    return cae.eval()


def images_of(height: int, width: int | None = None, *, n: int = 1) -> torch.Tensor:
    """Draw random images."""
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, 3, height, width or height, generator=generator)


def rows_of(cae: CrosswiseCAE, side_px: int) -> dict[str, list[tuple[int, ...]]]:
    """Give the layers of each part as the tables have them, as a patch runs through."""
    found: dict[str, list[tuple[int, ...]]] = {}

    def note(part: str, layer: nn.Module, images: tuple[torch.Tensor], maps: torch.Tensor) -> None:
        kernel = 0 if isinstance(layer, nn.AvgPool2d) else layer.kernel_size[0]
        row = (kernel, images[0].shape[1], maps.shape[1], maps.shape[2])
        found.setdefault(part, []).append(row)

    for name, layer in cae.named_modules():
        if isinstance(layer, LAYERS):
            part = name.partition(".")[0]
            layer.register_forward_hook(lambda *at, part=part: note(part, *at))
    cae(torch.empty(1, 3, side_px, side_px, device="meta"))
    return found


def test_tables_1_and_2_layer_by_layer():
    """Kernels, numbers of maps and their sides are the paper's."""
    assert rows_of(without_memory(), 100) == TABLES


def test_the_number_of_weights_of_each_layer_and_part():
    """Those of a convolution without bias and of the batch norm behind it, 31.5 million in all."""
    cae = without_memory()
    for part, rows in TABLES.items():
        convs = [(side, before, after) for side, before, after, _ in rows if side]
        expected = [step(before, after, side=side) for side, before, after in convs]
        layers = list(getattr(cae, part))
        found = [
            n_weights(conv) + n_weights(norm)
            for conv, norm in pairwise(layers)
            if isinstance(norm, nn.BatchNorm2d)
        ]
        assert found == expected
        assert n_weights(getattr(cae, part)) == sum(expected) == WEIGHTS[part]
    assert n_weights(cae) == sum(WEIGHTS.values()) == 31_523_124


def test_batch_norm_before_leaky_relu_in_all_layers():
    """Only D' and what each decoder gives have none: a threshold and a sum follow."""
    cae = build()
    for part in ("part1", "part2", "part3", "part4", "part7", "part8"):
        kinds = [type(layer) for layer in getattr(cae, part) if not isinstance(layer, nn.AvgPool2d)]
        conv = nn.ConvTranspose2d if part in ("part7", "part8") else nn.Conv2d
        whole = [conv, nn.BatchNorm2d, nn.LeakyReLU] * (len(kinds) // 3 + 1)
        last = 1 if part in ("part2", "part7", "part8") else 0
        assert kinds == whole[: len(kinds)]
        assert len(kinds) % 3 == (3 - last) % 3


def test_a_deconvolution_of_a_fractional_stride_enlarges():
    """4 x 4 of 0.5 and 9 x 9 of 0.2 double the sides and make five of one."""
    shapes = {
        (layer.kernel_size[0], layer.stride[0], layer.padding[0])
        for part in ("part7", "part8")
        for layer in getattr(build(), part)
        if isinstance(layer, nn.ConvTranspose2d)
    }
    assert shapes == {(1, 1, 0), (3, 1, 1), (5, 1, 2), (4, 2, 1), (9, 5, 2)}


def test_reduction_1_has_no_pooling_before_the_background():
    """80 to 200 maps of the patch's own size; the background keeps its 20 px a vector."""
    cae = without_memory(reduction=1)
    assert rows_of(cae, 40) == SMALL_TABLES
    trunk_and_decoder = SMALL_TABLES["part1"] + SMALL_TABLES["part7"][:-1]
    assert {side for *_, side in trunk_and_decoder} == {40}
    assert all(80 <= maps <= 200 for _, _, maps, _ in trunk_and_decoder)


@pytest.mark.parametrize(
    ("variant", "parts", "sixth"),
    [
        ("crosswise", {1, 2, 3, 4, 5, 6, 7, 8}, Crosswise),
        ("sparse", {1, 3, 4, 6, 7, 8}, SparseReLU),
        ("dense", {1, 3, 4, 6, 7, 8}, nn.Identity),
    ],
)
def test_parts_of_the_variants(variant, parts, sixth):
    """The baselines have no detection branch, and another part 6; all else is the same."""
    cae = without_memory(variant)
    assert {name for name, _ in cae.named_children()} == {f"part{number}" for number in parts}
    assert type(cae.part6) is sixth
    whole = rows_of(without_memory(), 100)
    assert rows_of(cae, 100) == {part: whole[part] for part in whole if int(part[-1]) in parts}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_kept_makes_the_reconstruction(variant):
    """It is the sum of the two decoders' images, of the foreground and of the background."""
    cae, images = settled(build(variant)), images_of(40, 60, n=2)
    with torch.no_grad():
        found, kept = cae(images, with_encoded=True)
        assert torch.equal(found, cae.part7(kept.foreground) + cae.part8(kept.background))
        assert torch.equal(found, cae(images))
    assert kept.foreground.shape == (2, 5, 10, 15)
    assert kept.background.shape == (2, 5, 2, 3)
    assert (kept.detection is None) == (kept.raw is None) == (variant != "crosswise")


def test_the_foreground_is_crosswise_sparse():
    """It is the dense maps where D is 1; D is the sigmoid of equation 6."""
    cae, images = settled(build()), images_of(100, n=2)
    with torch.no_grad():
        cae.part5.threshold.copy_(cae.encode(images).raw.median())
        kept = cae.encode(images)
        dense = cae.part3(cae.part1(images))
    expected = torch.sigmoid(20 * (kept.raw - cae.part5.threshold))
    torch.testing.assert_close(kept.detection, expected)
    torch.testing.assert_close(kept.foreground, dense * expected)
    assert isinstance(cae.part5, DetectionThreshold)
    off = kept.detection[:, 0] < 0.01
    assert 0.1 < off.float().mean() < 0.9
    assert kept.foreground.abs().amax(dim=1)[off].max() < 0.01 * dense.abs().max()


def test_detection_alone_gives_the_same():
    """Trunk and detection branch alone, on any sides: whole locations count."""
    cae, images = settled(build()), images_of(43, 61, n=2)
    with torch.no_grad():
        found = cae.detect(images)
        assert found.shape == (2, 1, 10, 15)
        assert torch.equal(found, cae.encode(images).detection)


@pytest.mark.parametrize("variant", ["sparse", "dense"])
def test_a_variant_without_detection_map(variant):
    """Nuclei cannot be asked of one; the line says which can."""
    with pytest.raises(InputError, match=f"variant {variant} has no detection map; take one of"):
        build(variant).detect(images_of(40))


@pytest.mark.parametrize(("reduction", "field_px"), [(4, 36), (1, 17)])
def test_receptive_field(reduction, field_px):
    """The gradient of one location's vector reaches 36 px of the image, its own in the middle."""
    cae = build(reduction=reduction)
    assert 2 * cae.reach_px + reduction == field_px
    assert cae.lattice_px == reduction
    images = images_of(80, 100).requires_grad_()
    dense = cae.part3(cae.part1(images))
    row, column = 40 // reduction, 52 // reduction
    dense[0, :, row, column].sum().backward()
    reached = images.grad[0].abs().sum(dim=0)
    for axis, start in ((1, row * reduction), (0, column * reduction)):
        px = reached.sum(dim=axis).nonzero().flatten()
        assert px.min() == start - cae.reach_px
        assert px.max() == start + reduction - 1 + cae.reach_px


@pytest.mark.parametrize(("height", "width"), [(100, 90), (50, 100)])
def test_sides_that_do_not_fit(height, width):
    """Sides that the background's 20 px do not divide are refused with what to do."""
    with pytest.raises(InputError, match=f"{width} x {height} px .* a multiple of 20"):
        without_memory()(torch.empty(1, 3, height, width, device="meta"))


def test_a_share_of_the_maps():
    """All layers have a tenth of the maps, the background its five and D its one."""
    cae = build(width=0.1)
    assert [layer.out_channels for layer in cae.part1 if isinstance(layer, nn.Conv2d)] == [
        *(10, 12, 24, 32, 64, 102)
    ]
    with torch.no_grad():
        kept = cae.encode(images_of(40))
    assert kept.foreground.shape[1] == cae.foreground_maps == 10
    assert kept.background.shape[1] == cae.background_maps == 5
    assert kept.detection.shape[1] == 1


@pytest.mark.parametrize("reduction", [4, 1])
@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_learns(variant, reduction):
    """The gradient of the reconstruction reaches every weight."""
    require_trained(build(variant, reduction=reduction), images_of(40, n=4))


def test_half_precision_spares_the_threshold():
    """Under bfloat16 D' of the same hidden maps, t and D are computed in float32."""
    cae, images = settled(build()), images_of(40, n=2)
    hidden = []
    cae.part2[2].register_forward_hook(lambda _, __, maps: hidden.append(maps))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        kept = cae.encode(images)
    assert hidden[0].dtype == torch.bfloat16
    assert {kept.raw.dtype, kept.detection.dtype, kept.foreground.dtype} == {torch.float32}
    with torch.no_grad():
        raw = cae.part2[3:](hidden[0].float())
        assert torch.equal(kept.raw, raw)
        assert torch.equal(kept.detection, cae.part5(raw))
        torch.testing.assert_close(raw, cae.encode(images).raw, atol=0.3, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_faster_and_the_same(variant):
    """Channels last with batch norms folded: up to rounding, the same, borders included."""
    cae, images = settled(build(variant)), images_of(60, n=2)
    fast = fold_into_convolutions(cae).to(memory_format=torch.channels_last)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fast.modules())
    with torch.no_grad():
        found = fast(images.to(memory_format=torch.channels_last))
        torch.testing.assert_close(found, cae(images), rtol=1e-3, atol=1e-4)
