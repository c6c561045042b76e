"""The losses against the paper's formulas, written out in float64 numpy."""

import numpy as np
import pytest
import torch
from scipy.signal import get_window
from torch import Tensor

from kurdtts_lib.vits import losses

RNG = np.random.default_rng(3)
LENGTHS = np.array([7, 4])
FRAME_MASK = (np.arange(9) < LENGTHS[:, None])[:, None].astype(float)  # (2, 1, 9): two places are padding in every row


def tensors(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(array) for array in arrays]


def posterior_and_prior() -> tuple[np.ndarray, ...]:
    """(latents, log_q, mean, log_p), each (2, 5, 9)."""
    latents, mean = RNG.normal(size=(2, 2, 5, 9))
    log_q, log_p = RNG.uniform(-1, 0.5, size=(2, 2, 5, 9))
    return latents, log_q, mean, log_p


def test_the_stft_loss_is_its_formula():
    """Spectral convergence and the distance of log magnitudes, mean over the window sizes."""
    real, made = (RNG.normal(0, 0.1, (2, 8192)).astype(np.float32) for _ in range(2))
    expected = 0.0
    for size in losses.STFT_SIZES:
        wanted, found = (
            np.stack(
                [np.abs(_frames(row, size)) for row in np.pad(waveform, ((0, 0), (size // 2, size // 2)), "reflect")]
            )
            for waveform in (real, made)
        )
        expected += np.linalg.norm(wanted - found) / np.linalg.norm(wanted) + np.abs(np.log(wanted / found)).mean()
    assert losses.stft_loss(torch.tensor(real), torch.tensor(made)).item() == pytest.approx(expected / 3, rel=1e-4)
    assert losses.stft_loss(torch.tensor(real), torch.tensor(real)).item() == 0


def _frames(waveform: np.ndarray, size: int) -> np.ndarray:
    starts = range(0, len(waveform) - size + 1, size // 4)
    return np.fft.rfft([waveform[start : start + size] * get_window("hann", size) for start in starts])


def test_kl_loss_is_the_difference_of_two_log_densities_in_expectation_over_the_posterior_only():
    # log q(z) has the expectation -log_q - 1/2 - ln(2 pi)/2; log p(f(z)) is taken at the sample.
    latents, log_q, mean, log_p = posterior_and_prior()
    expected_log_q = -log_q - 0.5 - 0.5 * np.log(2 * np.pi)
    log_density_p = -log_p - 0.5 * np.log(2 * np.pi) - 0.5 * ((latents - mean) / np.exp(log_p)) ** 2
    expected = ((expected_log_q - log_density_p) * FRAME_MASK).sum() / LENGTHS.sum()
    found = losses.kl_loss(*tensors(latents, log_q, mean, log_p, FRAME_MASK))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_duration_losses_are_per_text_position():
    predicted, durations = RNG.normal(size=(2, 1, 9)), RNG.integers(1, 12, size=(2, 1, 9))
    errors = (predicted - np.log(durations)) ** 2 * FRAME_MASK
    found = losses.log_duration_loss(*tensors(predicted, durations * FRAME_MASK, FRAME_MASK))
    assert found.item() == pytest.approx(errors.sum() / LENGTHS.sum(), rel=1e-4)
    nll = np.array([12.5, 30.0])
    assert losses.stochastic_duration_loss(*tensors(nll, FRAME_MASK)).item() == pytest.approx(42.5 / 11)


def scores() -> list[np.ndarray]:
    """Three sub-discriminators of different sizes."""
    return [RNG.normal(size=shape) for shape in ((2, 1, 30), (2, 1, 15, 2), (2, 1, 10, 3))]


def test_losses_of_mel_scores_and_features_are_the_papers():
    real, generated = scores(), scores()
    pairs = list(zip(real, generated, strict=True))
    assert losses.mel_loss(*tensors(*pairs[0])).item() == pytest.approx(
        np.abs(pairs[0][0] - pairs[0][1]).mean(), rel=1e-5
    )
    for r, g in pairs:
        of_discriminator = losses.discriminator_loss(*tensors(r, g)).item()
        assert of_discriminator == pytest.approx(((r - 1) ** 2).mean() + (g**2).mean(), rel=1e-5)
        assert losses.generator_loss(*tensors(g)).item() == pytest.approx(((g - 1) ** 2).mean(), rel=1e-5)

    real_tensors, generated_tensors = ([t.requires_grad_() for t in tensors(*values)] for values in (real, generated))
    matching = losses.feature_matching_loss(real_tensors, generated_tensors)
    assert matching.item() == pytest.approx(2 * sum(np.abs(r - g).mean() for r, g in pairs), rel=1e-5)
    matching.backward()
    assert all(t.grad is None for t in real_tensors) and all(t.grad.any() for t in generated_tensors)


def test_a_missing_layer_is_an_error_and_not_a_shorter_sum():
    with pytest.raises(ValueError):
        losses.feature_matching_loss(tensors(*scores()), tensors(*scores()[:2]))


def test_values_in_the_padding_never_change_a_loss():
    durations = RNG.normal(size=(2, 1, 9)), RNG.integers(1, 12, size=(2, 1, 9)).astype(float)
    for loss, inputs in ((losses.kl_loss, posterior_and_prior()), (losses.log_duration_loss, durations)):
        changed = [np.where(FRAME_MASK == 1, values, RNG.uniform(2, 5000, size=values.shape)) for values in inputs]
        found = [loss(*tensors(*values, FRAME_MASK)).item() for values in (inputs, changed)]
        assert found[0] == found[1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_are_computed_in_float32_whatever_comes_in(dtype):
    # 300 squared overflows in float16
    scores_16 = torch.full((2, 1, 8), 300.0, dtype=dtype)
    for loss in (losses.generator_loss(scores_16), losses.discriminator_loss(scores_16, scores_16)):
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
