"""The loss of the stochastic duration predictor, composed from transformers' own modules. Kim et al. 2021, 2.2.2."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def stochastic_duration_nll(predictor: Any, hidden: Tensor, mask: Tensor, durations: Tensor) -> Tensor:
    """One draw of the negative variational bound on log p(d | c), summed over each text's positions: (batch,).

        -log p(d | c) <= E[log q(u, v | d, c) - log p(d - u, v | c)]   over u, v drawn from q

    d are the durations, whole frames, and c the text. u in (0, 1) makes d continuous (variational dequantization,
    Ho et al. 2019); v gives the flow the second channel that it needs (augmentation, Chen et al. 2020). q is
    `post_flows` from standard normal noise. p is `flows`, which carry (log(d - u), v) to a standard normal.

    predictor: a `VitsStochasticDurationPredictor`. hidden: (batch, channels, positions), the text encoder's, which
    is heard and not taught. mask, durations: (batch, 1, positions); at least one frame at every position inside.
    Call it outside autocast: rounded splines cannot be inverted.

    The module's own training direction is not used, because it is not the inverse of what the module speaks with:
    transformers 5.23 lets the channels trade places after the affine layer too. Published voices were trained
    without that, and speaking leaves out `flows[1]`, which is right only without it. With it, the channel that is
    taught is not the channel that is spoken.
    """
    # Every flow and stack of convolutions masks what it takes in and gives out.
    text = predictor.conv_proj(predictor.conv_dds(predictor.conv_pre(hidden.detach()), mask))
    heard = predictor.post_conv_proj(predictor.post_conv_dds(predictor.post_conv_pre(durations), mask))

    # Drawn on the CPU: the same seed gives the same noise on every device.
    noise = torch.randn(len(durations), 2, durations.shape[2]).to(text)
    drawn, log_determinant = _carry(predictor.post_flows, noise, mask, text + heard)
    logit_u, v = drawn.chunk(2, dim=1)
    log_sigmoid_slope = F.logsigmoid(logit_u) + F.logsigmoid(-logit_u)
    log_q = _standard_normal(noise, mask) - log_determinant - (log_sigmoid_slope * mask).sum((1, 2))

    # The published code's smallest rest of a frame; nearer to 0 the difference is float32's rounding.
    log_rest = torch.log((durations - torch.sigmoid(logit_u)).clamp_min(1e-5)) * mask
    latents, log_determinant = _carry(predictor.flows, torch.cat([log_rest, v], dim=1), mask, text)
    log_p = _standard_normal(latents, mask) + log_determinant - log_rest.sum((1, 2))
    return log_q - log_p


def _carry(flows: nn.ModuleList, values: Tensor, mask: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """values, (batch, 2, positions), carried through the flows, and log |det| of that map, (batch,).

    The channels trade places after each coupling only: see `stochastic_duration_nll`.
    """
    affine, *couplings = flows
    values, log_determinant = affine(values, mask)
    for coupling in couplings:
        values, more = coupling(values, mask, global_conditioning=condition)
        values, log_determinant = values.flip(1), log_determinant + more
    return values, log_determinant


def _standard_normal(values: Tensor, mask: Tensor) -> Tensor:
    """log N(values; 0, 1), summed over channels and positions: (batch,)."""
    return (-0.5 * (math.log(2 * math.pi) + values.square()) * mask).sum((1, 2))
