"""Monotonic alignment search (MAS): which text position each frame is aligned to.

Kim et al. 2020 (Glow-TTS), algorithm 1, used unchanged by VITS.
"""

import math

import numba
import numpy as np
import torch
from torch import Tensor


def prior_log_likelihood(latents: Tensor, prior_means: Tensor, prior_log_stddevs: Tensor) -> Tensor:
    """log N(latents[:, :, frame]; prior[:, :, position]) summed over channels, for every pair.

    latents: (batch, channels, frames). prior_means, prior_log_stddevs: (batch, channels, positions).
    Returns (batch, frames, positions), float32.

    The square is expanded so that the pairs come from two matrix products instead of a
    (batch, channels, frames, positions) tensor.
    """
    latents, prior_means, prior_log_stddevs = latents.float(), prior_means.float(), prior_log_stddevs.float()
    precision = torch.exp(-2 * prior_log_stddevs)
    constant = (-0.5 * math.log(2 * math.pi) - prior_log_stddevs - 0.5 * prior_means.square() * precision).sum(1)
    quadratic = (-0.5 * latents.square()).transpose(1, 2) @ precision
    cross = latents.transpose(1, 2) @ (prior_means * precision)
    return constant.unsqueeze(1) + quadratic + cross


@numba.njit(cache=True, nogil=True)
def _fill_durations(scores: np.ndarray, frames: int, positions: int, durations: np.ndarray) -> None:
    """Best monotonic path through scores[:frames, :positions]; `scores` is overwritten by the path sums."""
    for frame in range(1, frames):
        # Position p is reachable at frame f only if p <= f and the remaining positions fit into the remaining frames.
        first = max(0, positions + frame - frames)
        last = min(positions - 1, frame)
        for position in range(last, first - 1, -1):  # the order is arbitrary: only row `frame - 1` is read
            best = -np.inf if position == frame else scores[frame - 1, position]
            if position > 0 and scores[frame - 1, position - 1] > best:
                best = scores[frame - 1, position - 1]
            scores[frame, position] += best
    position = positions - 1
    for frame in range(frames - 1, -1, -1):
        durations[position] += 1
        if position > 0 and (position == frame or scores[frame - 1, position - 1] > scores[frame - 1, position]):
            position -= 1


def search_durations(log_likelihood: Tensor, frame_lengths: Tensor, text_lengths: Tensor) -> Tensor:
    """Frames per text position on the most likely monotonic, complete path.

    log_likelihood: (batch, frames, positions). frame_lengths, text_lengths: (batch,).
    Returns (batch, positions), int64 on the input's device: at least 1 inside each text, 0 in the padding; each
    row sums to its frame length. No text may have more positions than frames: `ClipReader` lets none pass.
    """
    frames, positions = frame_lengths.tolist(), text_lengths.tolist()
    scores = log_likelihood.detach().float().cpu().numpy().copy()
    durations = np.zeros((scores.shape[0], scores.shape[2]), dtype=np.int64)
    for item in range(scores.shape[0]):
        _fill_durations(scores[item], frames[item], positions[item], durations[item])
    return torch.from_numpy(durations).to(log_likelihood.device)


def expand_by_durations(values: Tensor, durations: Tensor, frames: int) -> Tensor:
    """Repeat values[:, :, p] durations[:, p] times: (batch, channels, positions) -> (batch, channels, frames).

    Frames past the end of a row are zero.
    """
    ends = durations.cumsum(1)
    index = torch.arange(frames, device=values.device)
    position = torch.searchsorted(ends, index.expand(len(ends), -1).contiguous(), right=True)
    inside = (index.unsqueeze(0) < ends[:, -1:]).unsqueeze(1)
    position = position.clamp_max(values.shape[2] - 1).unsqueeze(1).expand(-1, values.shape[1], -1)
    return values.gather(2, position) * inside
