"""Patch classifiers, made by timm.

ResNet-101, VGG-19, DenseNet and Inception V3 are what HistoCAE is compared with (Roy et al. 2021,
table 1); ResNet-50 and EfficientNet-B0 classify slides in the joint classification and segmentation
of liver slides (2022, section 3.5); VGG-16 classifies nuclei (Hou et al. 2019, table 3).
"""

import timm
import torch
from torch import nn

from microtome.errors import InputError
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


def least_side_px(architecture: str) -> int:
    """The shortest side of a patch that an architecture takes, in px; InputError if it is unknown.

    Examples
    --------
    >>> least_side_px("inception_v3")
    75
    """
    if architecture not in _NETWORKS:
        raise InputError(
            f"models: there is no classifier {architecture}; set architecture to one of"
            f" {', '.join(_NETWORKS)}"
        )
    return _LEAST_SIDES_PX.get(architecture, 64)


class PatchClassifier(nn.Module):
    """A network with two classes: logits of {not tumour, tumour}; or with `outputs` of them.

    VGG's dense layers were made for 224 px. Below, the last features are spread over 7 x 7, as
    torchvision does; above, the dense layers slide over them and the results are averaged.

    Inception V3 goes without its auxiliary classifier. `pretrained` is 'none' (random weights,
    which follow from torch's seed), 'hub' (ImageNet's, fetched by timm) or a local
    ``.safetensors`` file of timm's state dict. The classes' layer is always new. InputError if
    there is no such architecture, or the weights are not there or not its own.
    """

    def __init__(self, *, architecture: str, pretrained: str, outputs: int = 2) -> None:
        super().__init__()
        self.least_side_px = least_side_px(architecture)
        name, from_file = _NETWORKS[architecture], is_file(pretrained)
        if pretrained == "hub":
            with fetching(architecture):
                self.network = timm.create_model(name, pretrained=True, num_classes=outputs)
        else:
            self.network = timm.create_model(name, num_classes=outputs)
        settings = self.network.pretrained_cfg
        if from_file:
            new = (f"{settings['classifier']}.", "AuxLogits.")
            load_weights(self.network, pretrained, name=architecture, new=new)
        self.normalization = Normalization(mean=settings["mean"], std=settings["std"])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, outputs) of images (B, 3, H, W) in [0, 1]; H and W from `least_side_px` up."""
        height, width = images.shape[-2:]
        if min(height, width) < self.least_side_px:
            raise InputError(
                f"models: a patch of {width} x {height} px is too small for this network; its sides"
                f" must be {self.least_side_px} px or more"
            )
        return self.network(self.normalization(images))
