"""The losses against the paper's formulas, written out in float64 numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from kurdtts_lib.vits import losses

RNG = np.random.default_rng(3)
LENGTHS = np.array([7, 4])
FRAME_MASK = (np.arange(9) < LENGTHS[:, None])[:, None].astype(float)  # (2, 1, 9): two places are padding in every row


def tensors(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(array) for array in arrays]


def posterior_and_prior() -> tuple[np.ndarray, ...]:
    """(latents, log_q, mean, log_p), each (2, 5, 9)."""
    return (
        RNG.normal(size=(2, 5, 9)),
        RNG.uniform(-1, 0.5, size=(2, 5, 9)),
        RNG.normal(size=(2, 5, 9)),
        RNG.uniform(-1, 0.5, size=(2, 5, 9)),
    )


def test_mel_loss_is_the_mean_absolute_difference():
    real, generated = RNG.normal(size=(2, 2, 80, 6))
    assert losses.mel_loss(*tensors(real, generated)).item() == pytest.approx(np.abs(real - generated).mean(), rel=1e-5)


def test_kl_loss_is_the_difference_of_two_log_densities_in_expectation_over_the_posterior_only():
    # log q(z) has the expectation -log_q - 1/2 - ln(2 pi)/2; log p(f(z)) is taken at the sample.
    latents, log_q, mean, log_p = posterior_and_prior()
    expected_log_q = -log_q - 0.5 - 0.5 * np.log(2 * np.pi)
    log_density_p = -log_p - 0.5 * np.log(2 * np.pi) - 0.5 * ((latents - mean) / np.exp(log_p)) ** 2
    expected = (
        sum((expected_log_q - log_density_p)[item, :, :length].sum() for item, length in enumerate(LENGTHS))
        / LENGTHS.sum()
    )
    found = losses.kl_loss(*tensors(latents, log_q, mean, log_p, FRAME_MASK))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_kl_loss_is_the_divergence_of_two_normals_on_average_over_samples():
    # One deviation above and one below the mean have the mean and the variance of the posterior, and the loss is
    # quadratic in the sample: their average is the exact expectation.
    posterior_mean, log_q, mean, log_p = posterior_and_prior()
    exact = kl_divergence(
        Normal(*tensors(posterior_mean, np.exp(log_q))), Normal(*tensors(mean, np.exp(log_p)))
    ).numpy()
    expected = (exact * FRAME_MASK).sum() / FRAME_MASK.sum()
    found = [
        losses.kl_loss(*tensors(posterior_mean + side * np.exp(log_q), log_q, mean, log_p, FRAME_MASK)).item()
        for side in (-1, 1)
    ]
    assert np.mean(found) == pytest.approx(expected, rel=1e-5)
    assert expected > 0.5


def test_duration_loss_is_the_squared_error_of_logarithms_per_position():
    predicted = RNG.normal(size=(2, 1, 9))
    durations = RNG.integers(1, 12, size=(2, 1, 9)) * FRAME_MASK
    errors = [
        (predicted[item, 0, place] - np.log(durations[item, 0, place])) ** 2
        for item, length in enumerate(LENGTHS)
        for place in range(length)
    ]
    found = losses.log_duration_loss(*tensors(predicted, durations, FRAME_MASK))
    assert found.item() == pytest.approx(np.mean(errors), rel=1e-4)


def test_stochastic_duration_loss_is_per_text_position():
    nll = np.array([12.5, 30.0])
    assert losses.stochastic_duration_loss(*tensors(nll, FRAME_MASK)).item() == pytest.approx(42.5 / 11)


def scores() -> list[np.ndarray]:
    """Three sub-discriminators of different sizes."""
    return [RNG.normal(size=shape) for shape in ((2, 1, 30), (2, 1, 15, 2), (2, 1, 10, 3))]


def test_discriminator_loss_pulls_real_to_one_and_generated_to_zero():
    real, generated = scores(), scores()
    expected = sum(((r - 1) ** 2).mean() + (g**2).mean() for r, g in zip(real, generated, strict=True))
    found = losses.discriminator_loss(tensors(*real), tensors(*generated))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_generator_loss_pulls_generated_to_one():
    generated = scores()
    found = losses.generator_loss(tensors(*generated))
    assert found.item() == pytest.approx(sum(((g - 1) ** 2).mean() for g in generated), rel=1e-5)


def test_feature_matching_is_twice_the_sum_of_mean_absolute_differences():
    real, generated = scores(), scores()
    expected = 2 * sum(np.abs(r - g).mean() for r, g in zip(real, generated, strict=True))
    found = losses.feature_matching_loss(tensors(*real), tensors(*generated))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_feature_matching_sends_no_gradient_into_the_real_features():
    real, generated = (torch.randn(2, 4, requires_grad=True) for _ in range(2))
    losses.feature_matching_loss([real], [generated]).backward()
    assert real.grad is None
    assert generated.grad is not None


def test_a_missing_sub_discriminator_is_an_error_and_not_a_shorter_sum():
    for loss in (losses.discriminator_loss, losses.feature_matching_loss):
        with pytest.raises(ValueError):
            loss(tensors(*scores()), tensors(*scores()[:2]))


def with_other_padding(values: np.ndarray) -> np.ndarray:
    return np.where(FRAME_MASK == 1, values, RNG.normal(3.0, 2.0, size=values.shape))


def test_values_in_the_padding_never_change_the_kl_loss():
    inputs = posterior_and_prior()
    changed = [with_other_padding(values) for values in inputs]
    losses_found = [losses.kl_loss(*tensors(*values, FRAME_MASK)).item() for values in (inputs, changed)]
    assert not all(np.array_equal(a, b) for a, b in zip(inputs, changed, strict=True))
    assert losses_found[0] == losses_found[1]


def test_values_in_the_padding_never_change_the_duration_loss():
    predicted, durations = RNG.normal(size=(2, 1, 9)), RNG.integers(1, 12, size=(2, 1, 9)).astype(float)
    changed = [with_other_padding(predicted), np.where(FRAME_MASK == 1, durations, 5000.0)]
    losses_found = [
        losses.log_duration_loss(*tensors(*values, FRAME_MASK)).item() for values in ((predicted, durations), changed)
    ]
    assert losses_found[0] == losses_found[1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_are_computed_in_float32_whatever_comes_in(dtype):
    # 300 squared overflows in float16
    scores_16 = [torch.full((2, 1, 8), 300.0, dtype=dtype)]
    for loss in (losses.generator_loss(scores_16), losses.discriminator_loss(scores_16, scores_16)):
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
