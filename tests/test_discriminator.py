"""The discriminator: the published layout and network, so that the published weights mean what they meant."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kurdtts_lib.vits.discriminator import DiscriminatorSettings, PeriodDiscriminator, VitsDiscriminator

TINY = DiscriminatorSettings(
    scale_channels=(4, 8, 8, 8, 8, 8), scale_groups=(1, 2, 2, 2, 2, 1), period_channels=(4, 8, 8, 8, 8)
)
# jaywalnut310/vits, models.py, DiscriminatorS and DiscriminatorP: the shape of every weight.
SCALE_SHAPES = [(16, 1, 15), (64, 4, 41), (256, 4, 41), (1024, 4, 41), (1024, 4, 41), (1024, 1024, 5)]
PERIOD_SHAPES = [(32, 1, 5, 1), (128, 32, 5, 1), (512, 128, 5, 1), (1024, 512, 5, 1), (1024, 1024, 5, 1)]


def published_state(discriminator: VitsDiscriminator) -> dict[str, Tensor]:
    """The state under the names of the published files: bias, weight_g and weight_v."""
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = {}
    for name, value in discriminator.state_dict().items():
        for new, old in names.items():
            name = name.replace(new, old)
        state[name] = value
    return state


@pytest.fixture(scope="module")
def full_state() -> dict[str, Tensor]:
    """The default sizes without their memory."""
    with torch.device("meta"):
        return published_state(VitsDiscriminator())


@pytest.fixture
def discriminator() -> VitsDiscriminator:
    return VitsDiscriminator(TINY)


def test_names_are_those_of_the_published_files(full_state):
    layers = [f"0.convs.{i}" for i in range(6)] + [f"{d}.convs.{i}" for d in range(1, 6) for i in range(5)]
    layers += [f"{d}.conv_post" for d in range(6)]
    expected = {f"discriminators.{layer}.{part}" for layer in layers for part in ("bias", "weight_g", "weight_v")}
    assert len(expected) == 111
    assert set(full_state) == expected


def test_default_sizes_are_those_of_the_published_files(full_state):
    shapes = {name: tuple(value.shape) for name, value in full_state.items() if name.endswith("weight_v")}
    scale = [shapes[f"discriminators.0.convs.{i}.weight_v"] for i in range(6)]
    periods = [[shapes[f"discriminators.{d}.convs.{i}.weight_v"] for i in range(5)] for d in range(1, 6)]
    assert scale == SCALE_SHAPES
    assert periods == [PERIOD_SHAPES] * 5
    assert shapes["discriminators.0.conv_post.weight_v"] == (1, 1024, 3)
    assert shapes["discriminators.5.conv_post.weight_v"] == (1, 1024, 3, 1)
    assert sum(value.numel() for value in full_state.values()) / 1e6 == pytest.approx(46.7, abs=0.05)


def test_scores_are_those_of_the_published_network(discriminator):
    """The forward pass written with functions: strides, paddings, groups and slopes as in the published code."""
    state = published_state(discriminator)
    waveform = torch.randn(2, 1, 1003)

    def weight(layer: str) -> Tensor:
        direction, length = state[f"{layer}.weight_v"], state[f"{layer}.weight_g"]
        return direction * length / direction.flatten(1).norm(dim=1).reshape(length.shape)

    scores, features = discriminator(waveform)
    expected: list[Tensor] = []
    hidden = waveform
    table = [(1, 7, 1), (4, 20, 2), (4, 20, 2), (4, 20, 2), (4, 20, 2), (1, 2, 1)]
    for i, (stride, padding, groups) in enumerate(table):
        layer = f"discriminators.0.convs.{i}"
        hidden = F.conv1d(hidden, weight(layer), state[f"{layer}.bias"], stride, padding, groups=groups)
        hidden = F.leaky_relu(hidden, 0.1)
        expected.append(hidden)
    layer = "discriminators.0.conv_post"
    expected.append(F.conv1d(hidden, weight(layer), state[f"{layer}.bias"], padding=1))
    for d, period in enumerate((2, 3, 5, 7, 11), 1):
        length = -(-1003 // period) * period
        hidden = F.pad(waveform, (0, length - 1003), mode="reflect").reshape(2, 1, length // period, period)
        for i, stride in enumerate((3, 3, 3, 3, 1)):
            layer = f"discriminators.{d}.convs.{i}"
            hidden = F.conv2d(hidden, weight(layer), state[f"{layer}.bias"], (stride, 1), (2, 0))
            hidden = F.leaky_relu(hidden, 0.1)
            expected.append(hidden)
        layer = f"discriminators.{d}.conv_post"
        expected.append(F.conv2d(hidden, weight(layer), state[f"{layer}.bias"], padding=(1, 0)))
    assert len(features) == len(expected) == 37
    for found, right in zip(features, expected, strict=True):
        torch.testing.assert_close(found, right)
    assert [score.data_ptr() for score in scores] == [features[i].data_ptr() for i in (6, 12, 18, 24, 30, 36)]


@pytest.mark.parametrize("period", [2, 3, 5, 7, 11])
@pytest.mark.parametrize("samples", [110, 2310, 1003])
def test_a_period_discriminator_sees_the_waveform_in_rows_of_its_period(period, samples):
    seen = []
    discriminator = PeriodDiscriminator(period, (4, 4))
    discriminator.convs[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    waveform = np.random.default_rng(0).normal(size=samples).astype(np.float32)
    discriminator(torch.from_numpy(waveform)[None, None])
    missing = (period - samples % period) % period
    expected = np.pad(waveform, (0, missing), mode="reflect").reshape(-1, period)
    np.testing.assert_array_equal(seen[0][0, 0].numpy(), expected)


def test_settings_survive_their_json_form(discriminator):
    values = {name: list(value) for name, value in discriminator.describe().items()}
    assert DiscriminatorSettings.from_dict(values) == TINY
    assert dataclasses.asdict(TINY) == discriminator.describe()
    with pytest.raises(TypeError, match="scale_chanels"):
        DiscriminatorSettings.from_dict({**values, "scale_chanels": [1]})
