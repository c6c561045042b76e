"""Sizes to test with: every part of a voice, and few weights."""

from pathlib import Path

import numpy as np
import soundfile

from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.vits.discriminator import DiscriminatorSettings

AUDIO = AudioSettings()

# Every part of the full voice in the smallest size that still has heads, layers and halves to mix up.
TINY_CONFIG = {
    "hidden_size": 16,
    "flow_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "ffn_dim": 32,
    "wavenet_kernel_size": 3,
    "posterior_encoder_num_wavenet_layers": 2,
    "prior_encoder_num_wavenet_layers": 2,
    "prior_encoder_num_flows": 2,
    "upsample_initial_channel": 16,
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
    "duration_predictor_filter_channels": 16,
    "duration_predictor_num_flows": 2,
    "depth_separable_num_layers": 2,
    "spectrogram_bins": AUDIO.n_fft // 2 + 1,
    "sampling_rate": AUDIO.sampling_rate,
}
# Changes of that: no dropout.
STILL = {f"{kind}_dropout": 0.0 for kind in ("hidden", "attention", "activation", "duration_predictor", "wavenet")}
TINY_DISCRIMINATOR = DiscriminatorSettings(
    scale_channels=(4, 8, 8, 8, 8, 8), scale_groups=(1, 2, 2, 2, 2, 1), period_channels=(4, 8, 8, 8, 8)
)

# (seconds, text): text positions, blanks included, stay below the clip's frames of 16 ms.
SENTENCES = (
    (1.0, "rojbaş heval"),
    (1.1, "ez diçim malê"),
    (1.2, "jin û jiyan"),
    (1.3, "navê min azad e"),
    (1.4, "em li vir in"),
    (1.6, "binnivîse û bixwîne"),
)


def write_tone(path: Path, seconds: float, pitch: float, text: str) -> Clip:
    """A clip of four harmonics of `pitch` Hz that swell and fade once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * AUDIO.sampling_rate)) / AUDIO.sampling_rate
    tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 5))
    soundfile.write(path, 0.3 * tone * np.sin(np.pi * time / seconds), AUDIO.sampling_rate, subtype="PCM_16")
    return Clip(path, text)
