"""VITS's discriminator: one sub-discriminator on the waveform, five on the waveform folded by a period.

Kim et al. 2021, section 2.3, after Kong et al. 2020 (HiFi-GAN). Names and layout of the weights are those of the
published MMS discriminators (`discriminators.N.convs.M`, `conv_post`; N = 0 is the scale discriminator).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

LEAKY_SLOPE = 0.1
SCALE_KERNELS = (15, 41, 41, 41, 41, 5)
SCALE_STRIDES = (1, 4, 4, 4, 4, 1)


@dataclass(frozen=True)
class DiscriminatorSettings:
    """Sizes; the defaults are the published ones (46.7 M parameters)."""

    scale_channels: tuple[int, ...] = (16, 64, 256, 1024, 1024, 1024)
    scale_groups: tuple[int, ...] = (1, 4, 16, 64, 256, 1)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)


class SubDiscriminator(nn.Module):
    """Convolutions over the waveform, or over its samples folded into `period` columns."""

    def __init__(self, convs: Sequence[nn.Module], conv_post: nn.Module, period: int | None = None) -> None:
        super().__init__()
        self.period = period
        self.convs = nn.ModuleList(weight_norm(conv) for conv in convs)
        self.conv_post = weight_norm(conv_post)

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """waveform: (batch, 1, samples). Returns the hidden layers' outputs and, last, the scores."""
        hidden = waveform
        if self.period:
            missing = -waveform.shape[-1] % self.period
            folded = F.pad(waveform, (0, missing), mode="reflect") if missing else waveform
            hidden = folded.unflatten(-1, (-1, self.period))
        outputs = []
        for conv in self.convs:
            hidden = F.leaky_relu(conv(hidden), LEAKY_SLOPE)
            outputs.append(hidden)
        return [*outputs, self.conv_post(hidden)]


def _on_the_waveform(channels: Sequence[int], groups: Sequence[int]) -> SubDiscriminator:
    layers = zip((1, *channels[:-1]), channels, SCALE_KERNELS, SCALE_STRIDES, groups, strict=True)
    convs = [nn.Conv1d(i, o, kernel, stride, kernel // 2, groups=group) for i, o, kernel, stride, group in layers]
    return SubDiscriminator(convs, nn.Conv1d(channels[-1], 1, 3, padding=1))


def _folded(period: int, channels: Sequence[int]) -> SubDiscriminator:
    strides = (3,) * (len(channels) - 1) + (1,)
    layers = zip((1, *channels[:-1]), channels, strides, strict=True)
    convs = [nn.Conv2d(i, o, (5, 1), (stride, 1), padding=(2, 0)) for i, o, stride in layers]
    return SubDiscriminator(convs, nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)), period)


class VitsDiscriminator(nn.Module):
    """All six sub-discriminators."""

    def __init__(self, settings: DiscriminatorSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or DiscriminatorSettings()
        self.discriminators = nn.ModuleList(
            [_on_the_waveform(self.settings.scale_channels, self.settings.scale_groups)]
            + [_folded(period, self.settings.period_channels) for period in self.settings.periods]
        )

    def forward(self, waveform: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """waveform: (batch, 1, samples). Returns (scores, features): one score tensor per sub-discriminator, and
        all hidden outputs (scores included, as in the published feature matching)."""
        outputs = [discriminator(waveform) for discriminator in self.discriminators]
        return [layers[-1] for layers in outputs], [layer for layers in outputs for layer in layers]
