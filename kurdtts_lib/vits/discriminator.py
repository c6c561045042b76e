"""VITS's discriminator: one sub-discriminator on the waveform, five on the waveform folded by a period.

Kim et al. 2021, section 2.3, after Kong et al. 2020 (HiFi-GAN). Names and layout of the weights are those of the
published MMS discriminators (`discriminators.N.convs.M`, `conv_post`; N = 0 is the scale discriminator).
"""

import dataclasses
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

LEAKY_SLOPE = 0.1


@dataclass(frozen=True)
class DiscriminatorSettings:
    """Sizes; the defaults are the published ones (46.7 M parameters)."""

    scale_channels: tuple[int, ...] = (16, 64, 256, 1024, 1024, 1024)
    scale_groups: tuple[int, ...] = (1, 4, 16, 64, 256, 1)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)

    @classmethod
    def from_dict(cls, values: dict) -> "DiscriminatorSettings":
        """From the output of `dataclasses.asdict`, also read back from JSON. Raises TypeError for an unknown name."""
        return cls(**{name: tuple(value) for name, value in values.items()})


class ScaleDiscriminator(nn.Module):
    """Convolutions over the waveform itself."""

    KERNELS = (15, 41, 41, 41, 41, 5)
    STRIDES = (1, 4, 4, 4, 4, 1)

    def __init__(self, channels: tuple[int, ...], groups: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (1, *channels[:-1])
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(i, o, kernel, stride, groups=group, padding=kernel // 2))
            for i, o, kernel, stride, group in zip(inputs, channels, self.KERNELS, self.STRIDES, groups, strict=True)
        )
        self.conv_post = weight_norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """waveform: (batch, 1, samples). Returns the hidden layers' outputs and, last, the scores."""
        return _run(self.convs, self.conv_post, waveform)


class PeriodDiscriminator(nn.Module):
    """Convolutions over every `period`-th sample."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        inputs = (1, *channels[:-1])
        strides = (3,) * (len(channels) - 1) + (1,)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(i, o, (5, 1), (stride, 1), padding=(2, 0)))
            for i, o, stride in zip(inputs, channels, strides, strict=True)
        )
        self.conv_post = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """waveform: (batch, 1, samples). Returns the hidden layers' outputs and, last, the scores."""
        missing = -waveform.shape[-1] % self.period
        folded = F.pad(waveform, (0, missing), mode="reflect") if missing else waveform
        return _run(self.convs, self.conv_post, folded.unflatten(-1, (-1, self.period)))


def _run(convs: nn.ModuleList, conv_post: nn.Module, hidden: Tensor) -> list[Tensor]:
    outputs = []
    for conv in convs:
        hidden = F.leaky_relu(conv(hidden), LEAKY_SLOPE)
        outputs.append(hidden)
    outputs.append(conv_post(hidden))
    return outputs


class VitsDiscriminator(nn.Module):
    """All six sub-discriminators."""

    def __init__(self, settings: DiscriminatorSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or DiscriminatorSettings()
        self.discriminators = nn.ModuleList(
            [ScaleDiscriminator(self.settings.scale_channels, self.settings.scale_groups)]
            + [PeriodDiscriminator(period, self.settings.period_channels) for period in self.settings.periods]
        )

    def forward(self, waveform: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """waveform: (batch, 1, samples). Returns (scores, features): one score tensor per sub-discriminator, and
        all hidden outputs (scores included, as in the published feature matching)."""
        outputs = [discriminator(waveform) for discriminator in self.discriminators]
        return [layers[-1] for layers in outputs], [layer for layers in outputs for layer in layers]

    def describe(self) -> dict:
        return dataclasses.asdict(self.settings)
