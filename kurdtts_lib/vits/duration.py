"""The loss of the stochastic duration predictor, composed from transformers' own modules. Kim et al. 2021, 2.2.2."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def stochastic_duration_nll(
    predictor: Any, hidden: Tensor, mask: Tensor, durations: Tensor, condition: Tensor | None = None
) -> Tensor:
    """One draw of the negative variational bound on log p(d | c), summed over each text's positions: (batch,).

        -log p(d | c) <= E[log q(u, v | d, c) - log p(d - u, v | c)]   over u, v drawn from q

    d are the durations in whole frames, c is the text. u in (0, 1) makes d continuous (variational dequantization,
    Ho et al. 2019); v gives the flow the second channel that it needs (augmentation, Chen et al. 2020). q is
    `post_flows` applied to standard normal noise. p is `flows`, which map (log(d - u), v) to a standard normal.

    predictor: a `VitsStochasticDurationPredictor`. hidden: (batch, channels, positions), the text encoder's output;
    it gets no gradient. mask, durations: (batch, 1, positions); at least one frame at every position inside the mask.
    condition: (batch, speaker_embedding_size, 1), of the speakers of a voice with several; it gets no gradient.
    Call it outside autocast: in 16 bits the splines are not invertible.

    The module's own training direction is not used, because it is not the inverse of its inference direction:
    transformers 5.23 swaps the channels after the affine layer too. Published voices were trained without that swap,
    and inference skips `flows[1]`, which is correct only without it. With it, inference would use another channel than
    the one that is trained.
    """
    # Every flow and stack of convolutions masks its own input and output.
    text = predictor.conv_pre(hidden.detach())
    if condition is not None:
        text = text + predictor.cond(condition.detach())
    text = predictor.conv_proj(predictor.conv_dds(text, mask))
    posterior = predictor.post_conv_proj(predictor.post_conv_dds(predictor.post_conv_pre(durations), mask))

    # Drawn on the CPU: the same seed gives the same noise on every device.
    noise = torch.randn(len(durations), 2, durations.shape[2]).to(text)
    sampled, log_determinant = _apply_flows(predictor.post_flows, noise, mask, text + posterior)
    logit_u, v = sampled.chunk(2, dim=1)
    log_sigmoid_slope = F.logsigmoid(logit_u) + F.logsigmoid(-logit_u)
    log_q = _standard_normal(noise, mask) - log_determinant - (log_sigmoid_slope * mask).sum((1, 2))

    # The floor is that of the published code; below it, d - u is dominated by float32 rounding.
    log_dequantized = torch.log((durations - torch.sigmoid(logit_u)).clamp_min(1e-5)) * mask
    latents, log_determinant = _apply_flows(predictor.flows, torch.cat([log_dequantized, v], dim=1), mask, text)
    log_p = _standard_normal(latents, mask) + log_determinant - log_dequantized.sum((1, 2))
    return log_q - log_p


def _apply_flows(flows: nn.ModuleList, values: Tensor, mask: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Apply the flows to values, (batch, 2, positions); returns the result and log |det| of that map, (batch,).

    The channels are swapped after each coupling only: see `stochastic_duration_nll`.
    """
    affine, *couplings = flows
    values, log_determinant = affine(values, mask)
    for coupling in couplings:
        values, increment = coupling(values, mask, global_conditioning=condition)
        values, log_determinant = values.flip(1), log_determinant + increment
    return values, log_determinant


def _standard_normal(values: Tensor, mask: Tensor) -> Tensor:
    """log N(values; 0, 1), summed over channels and positions: (batch,)."""
    return (-0.5 * (math.log(2 * math.pi) + values.square()) * mask).sum((1, 2))
