"""bfloat16 where the processor computes with it: the sound is made in less time, with an error that is measured."""

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
"""The error then has a thousandth of the speech's power. bfloat16 has 8 bits, which give about 40 dB."""
PAIRS = 3
_CHECKING = threading.Lock()
_CHECKED: WeakKeyDictionary[VitsModel, bool] = WeakKeyDictionary()
"""Whether a loaded voice is good in bfloat16."""


@dataclass(frozen=True)
class Bfloat16:
    """What bfloat16 does to a voice on this processor."""

    supported: bool
    """Whether the processor computes with it. Without, it takes longer than float32."""
    snr_db: float
    """Power of the speech in float32 over that of the difference."""
    time_ratio: float
    """Time to make the sound in bfloat16 over that in float32: the median of pairs."""

    @property
    def good(self) -> bool:
        """Whether to speak with it. Not by the time, which is another one each time: the same samples are wanted."""
        return self.supported and self.snr_db >= LEAST_SNR_DB


def has_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16: AVX-512 BF16 or AMX of x86, or those of ARM."""
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def sound_in(precision: torch.dtype) -> torch.autocast:
    """`with sound_in(torch.bfloat16):` around `inference.decode` computes flow and decoder so; float32 changes nothing.

    Only there: rounded durations would be other durations, and the speech would get another rhythm.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16)


def best_precision(model: VitsModel) -> torch.dtype:
    """What to speak with: bfloat16 where it is good, found out once for each voice with all its letters; else float32.

    A voice that is still in training, or on another device, speaks in float32.
    """
    if model.training or model.device.type != "cpu" or not has_bfloat16():
        return torch.float32
    with _CHECKING:
        if model not in _CHECKED:
            _CHECKED[model] = check_bfloat16(model, range(model.config.vocab_size), pairs=1).good
        return torch.bfloat16 if _CHECKED[model] else torch.float32


@torch.inference_mode()
def check_bfloat16(model: VitsModel, ids: Sequence[int], pairs: int = PAIRS) -> Bfloat16:
    """Make the sound of the token ids, without variation, in both precisions in turn.

    model: on the processor, not in training.
    """
    prior = encode_text(model, torch.tensor([list(ids)]))
    durations = predict_durations(model, prior.hidden, model.speaking_rate, torch.zeros(1, 2, len(ids)))
    means, log_stddevs = (expand(values, durations) for values in (prior.means, prior.log_stddevs))
    sounds, ratios = {}, []
    for _ in range(pairs):
        seconds = {}
        for precision in (torch.float32, torch.bfloat16):
            started = time.perf_counter()
            with sound_in(precision):
                sounds[precision] = decode(model, means, log_stddevs, torch.zeros_like(means)).double()
            seconds[precision] = time.perf_counter() - started
        ratios.append(seconds[torch.bfloat16] / seconds[torch.float32])
    exact = sounds[torch.float32]
    error = (exact - sounds[torch.bfloat16]).square().sum()
    snr_db = 10 * torch.log10(exact.square().sum() / error).item()
    return Bfloat16(has_bfloat16(), snr_db, statistics.median(ratios))
