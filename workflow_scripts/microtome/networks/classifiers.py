"""Patch classifiers, made by timm.

ResNet-101, VGG-19, DenseNet and Inception V3 are what HistoCAE is compared with (Roy et al. 2021,
table 1); ResNet-50 and EfficientNet-B0 classify slides in the joint classification and segmentation
of liver slides (2022, section 3.5, "we fine-tune its final layers"); VGG-16 classifies nuclei (Hou
et al. 2019, table 3). Any other network of timm, such as a foundation model of pathology, is a
comparator that stands still under a linear layer.
"""

import timm
import torch
from torch import nn
from torch.nn.functional import interpolate

from microtome.errors import InputError, one_line
from microtome.networks.pretrained import Normalization, fetching, is_file, load_weights

# With the weights trained by torchvision (Inception V3: by Google), so that 'hub' stays the same.
# The paper says DenseNet; 121 is the choice. Of EfficientNet-B0's ImageNet weights these are its
# authors' first: no learned augmentation, adversarial examples or further images.
_NETWORKS = {
    "resnet101": "resnet101.tv_in1k",
    "vgg16": "vgg16.tv_in1k",
    "vgg19": "vgg19.tv_in1k",
    "densenet121": "densenet121.tv_in1k",
    "inception_v3": "inception_v3.tv_in1k",
    "resnet50": "resnet50.tv_in1k",
    "efficientnet_b0": "tf_efficientnet_b0.in1k",
}
# Inception V3 does not pad; of 75 px its last block gets a single one. The last features of the
# other two have one px of 32.
_LEAST_SIDES_PX = {"inception_v3": 75, "resnet50": 32, "efficientnet_b0": 32}
_OF_TIMM = "tu-"  # before any other name of timm, as segmentation-models-pytorch has it


def least_side_px(architecture: str) -> int:
    """The shortest side of a patch that an architecture takes, in px; InputError if it is unknown.

    Examples
    --------
    >>> least_side_px("inception_v3")
    75
    """
    if architecture.startswith(_OF_TIMM):
        return 1  # it is resized
    if architecture not in _NETWORKS:
        raise InputError(
            f"models: there is no classifier {architecture}; set architecture to one of"
            f" {', '.join(_NETWORKS)}, or to {_OF_TIMM} and a name of timm"
        )
    return _LEAST_SIDES_PX.get(architecture, 64)


class PatchClassifier(nn.Module):
    """A network with two classes: logits of {not tumour, tumour}; or with `outputs` of them.

    VGG's dense layers were made for 224 px. Below, the last features are spread over 7 x 7, as
    torchvision does; above, the dense layers slide over them and the results are averaged.

    Inception V3 goes without its auxiliary classifier. InputError if there is no such architecture,
    or the weights are not there or not its own.

    Parameters
    ----------
    architecture : str
        A name of the papers' networks, or 'tu-' and any of timm's, which gets its patches resized
        to the side in px that it was made for.
    pretrained : str
        'none' (random weights, which follow from torch's seed), 'hub' (ImageNet's, fetched by timm;
        of the papers' networks alone) or a local ``.safetensors`` file of timm's state dict, with a
        layer of classes or without. That layer is always new.
    frozen : bool
        Whether that layer alone learns, while all before it stands still, batch norms too.
    input_px, layer_scale : int and float, optional
        With 'tu-': another side to resize to, and the scale of layers at the start, without which a
        ViT has none (timm's ``init_values``).
    """

    def __init__(
        self,
        *,
        architecture: str,
        pretrained: str,
        outputs: int = 2,
        frozen: bool = False,
        input_px: int | None = None,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.least_side_px = least_side_px(architecture)
        from_file = is_file(pretrained)
        self.input_px: int | None = None
        if architecture.startswith(_OF_TIMM):
            self.network = _make_of_timm(
                architecture, pretrained, outputs, input_px=input_px, layer_scale=layer_scale
            )
            self.input_px = input_px or self.network.pretrained_cfg["input_size"][-1]
        elif pretrained == "hub":
            with fetching(architecture):
                self.network = timm.create_model(
                    _NETWORKS[architecture], pretrained=True, num_classes=outputs
                )
        else:
            self.network = timm.create_model(_NETWORKS[architecture], num_classes=outputs)
        settings = self.network.pretrained_cfg
        if from_file:
            new = (f"{settings['classifier']}.", "AuxLogits.")
            load_weights(self.network, pretrained, name=architecture, new=new)
        self.normalization = Normalization(mean=settings["mean"], std=settings["std"])
        self._frozen = frozen
        if frozen:
            self.network.requires_grad_(False)
            self.network.get_classifier().requires_grad_(True)

    def train(self, mode: bool = True) -> "PatchClassifier":
        """Train, or predict; what is frozen predicts always."""
        super().train(mode)
        if self._frozen:
            self.network.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, outputs) of images (B, 3, H, W) in [0, 1]; H and W from `least_side_px` up."""
        height, width = images.shape[-2:]
        if min(height, width) < self.least_side_px:
            raise InputError(
                f"models: a patch of {width} x {height} px is too small for this network; its sides"
                f" must be {self.least_side_px} px or more"
            )
        if self.input_px and (height, width) != (self.input_px,) * 2:
            side = self.input_px
            images = interpolate(images, (side, side), mode="bilinear", antialias=True)
        return self.network(self.normalization(images))


def _make_of_timm(
    architecture: str,
    pretrained: str,
    outputs: int,
    *,
    input_px: int | None,
    layer_scale: float | None,
) -> nn.Module:
    """Make a network of timm with random weights, which ends in a linear layer of classes."""
    name = architecture.removeprefix(_OF_TIMM)
    if pretrained == "hub":
        raise InputError(
            f"models: weights of {architecture} are not fetched; set pretrained to a local"
            " .safetensors file of timm's state dict"
        )
    try:
        # Names of hubs and folders too are refused here: nothing is fetched, nothing unpickled.
        settings = timm.get_pretrained_cfg(name, allow_unregistered=False)
        options = {} if layer_scale is None else {"init_values": layer_scale}
        if input_px and settings.fixed_input_size:
            options["img_size"] = input_px
        network = timm.create_model(name, num_classes=outputs, **options)
    # What timm says where it has no such name, tag, size or argument.
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"models: timm makes no {architecture} of these settings ({one_line(error)}); set"
            f" architecture to {_OF_TIMM} and a name of timm, such as"
            f" {_OF_TIMM}vit_small_patch16_224, input_px to a size that it takes, layer_scale for a"
            " ViT alone"
        ) from error
    if not isinstance(network.get_classifier(), nn.Linear):
        raise InputError(f"models: {architecture} does not end in a linear layer; take another")
    return network
