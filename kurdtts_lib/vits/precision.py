"""bfloat16 on processors that support it: faster decoding, with a measured error."""

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from transformers import VitsModel

from kurdtts_lib.vits.inference import decode, encode_text, expand, predict_durations

LEAST_SNR_DB = 30.0
"""The error then has a thousandth of the speech's power. bfloat16's 8 significant bits give about 40 dB."""
PAIRS = 3
_CHECKING = threading.Lock()
_CHECKED: WeakKeyDictionary[VitsModel, bool] = WeakKeyDictionary()
"""Whether a loaded voice is accurate enough in bfloat16."""


@dataclass(frozen=True)
class Bfloat16:
    """Accuracy and speed of a voice in bfloat16 on this processor."""

    supported: bool
    """Whether the processor has bfloat16 instructions. Without them it is slower than float32."""
    snr_db: float
    """Power of the float32 speech over the power of the difference, in dB."""
    time_ratio: float
    """Decoding time in bfloat16 over that in float32: the median of pairs."""

    @property
    def good(self) -> bool:
        """Whether to use it. Independent of the time, which differs between runs: speech must be reproducible."""
        return self.supported and self.snr_db >= LEAST_SNR_DB


def has_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16: AVX-512 BF16 or AMX of x86, or those of ARM."""
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def decoder_autocast(precision: torch.dtype) -> torch.autocast:
    """`with decoder_autocast(torch.bfloat16):` around `inference.decode`: flow and decoder in bfloat16, or in float32.

    Not around the duration predictor: rounding changes durations, and with them the rhythm.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16)


def best_precision(model: VitsModel) -> torch.dtype:
    """bfloat16 where it is accurate enough, which is tested once per voice on all its tokens; otherwise float32.

    Always float32 for a voice that is in training or on another device than the CPU.
    """
    if model.training or model.device.type != "cpu" or not has_bfloat16():
        return torch.float32
    with _CHECKING:
        if model not in _CHECKED:
            _CHECKED[model] = check_bfloat16(model, range(model.config.vocab_size), pairs=1).good
        return torch.bfloat16 if _CHECKED[model] else torch.float32


@torch.inference_mode()
def check_bfloat16(model: VitsModel, ids: Sequence[int], pairs: int = PAIRS) -> Bfloat16:
    """Decode the token ids without noise in both precisions, alternately, `pairs` times.

    model: on the CPU, in evaluation mode.
    """
    prior = encode_text(model, torch.tensor([list(ids)]))
    durations = predict_durations(model, prior.hidden, model.speaking_rate, torch.zeros(1, 2, len(ids)))
    means, log_stddevs = (expand(values, durations) for values in (prior.means, prior.log_stddevs))
    waveforms, ratios = {}, []
    for _ in range(pairs):
        seconds = {}
        for precision in (torch.float32, torch.bfloat16):
            started = time.perf_counter()
            with decoder_autocast(precision):
                waveforms[precision] = decode(model, means, log_stddevs, torch.zeros_like(means)).double()
            seconds[precision] = time.perf_counter() - started
        ratios.append(seconds[torch.bfloat16] / seconds[torch.float32])
    exact = waveforms[torch.float32]
    error = (exact - waveforms[torch.bfloat16]).square().sum()
    snr_db = 10 * torch.log10(exact.square().sum() / error).item()
    return Bfloat16(has_bfloat16(), snr_db, statistics.median(ratios))
