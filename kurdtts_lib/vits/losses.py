"""The six losses of VITS (Kim et al. 2021) as plain functions.

A mask is 1 inside and 0 in the padding; every masked loss divides by the number of unmasked positions, so a batch's
padding never changes its value.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

STFT_SIZES = (512, 1024, 2048)
"""Windows in samples. The longest, 128 ms at 16 kHz, tells harmonics of 60 Hz apart."""


def mel_loss(real_mel: Tensor, generated_mel: Tensor) -> Tensor:
    """Mean absolute difference of two log-mel spectrograms. Section 2.1.2."""
    return F.l1_loss(generated_mel.float(), real_mel.float())


def stft_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Multi-resolution STFT loss of waveforms (batch, samples). Yamamoto et al. 2020 (Parallel WaveGAN), section 2.2.

    Mean over `STFT_SIZES` of the spectral convergence and the mean absolute difference of log magnitudes.
    """
    found = []
    for size in STFT_SIZES:
        window = torch.hann_window(size, device=real.device)
        wanted, made = (
            torch.stft(waveform.float(), size, size // 4, window=window, return_complex=True).abs().clamp_min(1e-5)
            for waveform in (real, generated)
        )
        found += [(wanted - made).norm() / wanted.norm(), F.l1_loss(made.log(), wanted.log())]
    return torch.stack(found).sum() / len(STFT_SIZES)


def kl_loss(
    prior_latents: Tensor,
    posterior_log_stddevs: Tensor,
    prior_means: Tensor,
    prior_log_stddevs: Tensor,
    mask: Tensor,
) -> Tensor:
    """KL divergence of posterior to prior, estimated from one sample; sum over channels, mean over frames. Equation 3.

    prior_latents: f(z), the posterior's sample mapped by the flow. All (batch, channels, frames);
    mask: (batch, 1, frames). The flow preserves volume, so there is no log-determinant. Always float32.
    """
    latents, log_q = prior_latents.float(), posterior_log_stddevs.float()
    mean, log_p = prior_means.float(), prior_log_stddevs.float()
    kl = log_p - log_q - 0.5 + 0.5 * (latents - mean).square() * torch.exp(-2 * log_p)
    return (kl * mask).sum() / mask.sum()


def log_duration_loss(log_durations: Tensor, durations: Tensor, mask: Tensor) -> Tensor:
    """Squared error of the deterministic predictor's log durations, mean over positions. All (batch, 1, positions)."""
    target = torch.log(durations.float() + 1e-6) * mask
    return ((log_durations.float() - target) * mask).square().sum() / mask.sum()


def stochastic_duration_loss(negative_log_likelihood: Tensor, mask: Tensor) -> Tensor:
    """The stochastic predictor's variational bound, (batch,), as a mean over text positions. Section 2.2.2."""
    return negative_log_likelihood.float().sum() / mask.sum()


def discriminator_loss(real_scores: Tensor, generated_scores: Tensor) -> Tensor:
    """Least squares: targets 1 for real, 0 for generated; of one sub-discriminator. Equation 8."""
    return (1 - real_scores.float()).square().mean() + generated_scores.float().square().mean()


def generator_loss(generated_scores: Tensor) -> Tensor:
    """Least squares: target 1 for generated; of one sub-discriminator. Equation 9."""
    return (1 - generated_scores.float()).square().mean()


def feature_matching_loss(real_features: list[Tensor], generated_features: list[Tensor]) -> Tensor:
    """L1 over a sub-discriminator's hidden layers, times 2 as in the published training. Equation 10."""
    pairs = zip(real_features, generated_features, strict=True)
    return 2 * torch.stack([F.l1_loss(made.float(), real.detach().float()) for real, made in pairs]).sum()
