"""The maps of an encoder's stages under names, as detection and segmentation models want them.

torchvision's detectors take the four stages of a ResNet as "0" to "3" (C2 to C5 of Lin et al. 2017, feature pyramid
networks), its segmentation models the last as "out". Its own `IntermediateLayerGetter` runs a network's children one
after the other, which leaves out what a forward pass does between them (here ReLU): hence this module.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from lookalike.core.errors import LookalikeError
from lookalike.encoders.base import StagedEncoder

STAGES = ("layer1", "layer2", "layer3", "layer4")
PYRAMID = {"layer1": "0", "layer2": "1", "layer3": "2", "layer4": "3"}
"""C2 to C5, as torchvision's `FeaturePyramidNetwork` and `FasterRCNN` name them."""


class FeatureMaps(nn.Module):
    """Normalised images [B, C, H, W], of any size, to an ordered dictionary of maps [B, channels, h, w].

    The stages halve the resolution from one to the next; the first has a quarter of the image's with the large stem,
    all of it with the small stem of a resnet, half with that of convnet.

    Attributes:
        channels: of each map, in order: what `FeaturePyramidNetwork` asks for as `in_channels_list`.
        out_channels: the same as a number, where there is one map; `FasterRCNN` asks for it.
    """

    def __init__(self, encoder: nn.Module, layers: Mapping[str, str] = PYRAMID) -> None:
        """`layers`: names of the maps by those of stages ("layer1" to "layer4").

        Raises:
            LookalikeError: an encoder that has no such stages, or a name of no stage.
        """
        super().__init__()
        if not isinstance(encoder, StagedEncoder):
            raise LookalikeError(
                f"{type(encoder).__name__} has no feature maps to give: convnet and the resnets have "
                f"{', '.join(STAGES)}; train with --encoder resnet18"
            )
        strange = [name for name in layers if name not in STAGES]
        if strange or not layers:
            raise LookalikeError(f"no stage {', '.join(map(repr, strange))}: valid: {', '.join(STAGES)}")
        self.encoder = encoder
        widths = encoder.map_channels
        self.names = {STAGES.index(stage): name for stage, name in layers.items()}
        chosen = sorted(self.names)
        self.channels = [int(widths[i]) for i in chosen]
        if len(chosen) == 1:
            self.out_channels = self.channels[0]

    def forward(self, x_BCHW: Tensor) -> OrderedDict[str, Tensor]:
        maps: OrderedDict[str, Tensor] = OrderedDict()
        for i, x in enumerate(self.encoder.maps(x_BCHW)):
            if i in self.names:
                maps[self.names[i]] = x
            if len(maps) == len(self.names):
                break
        return maps
