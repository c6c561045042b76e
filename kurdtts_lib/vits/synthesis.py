"""Speaking."""

import numpy as np
import torch

from kurdtts_lib.text import encode
from kurdtts_lib.vits.voice import Voice


@torch.inference_mode()
def speak(voice: Voice, text: str, seed: int = 1) -> np.ndarray:
    """The waveform of `text`: (samples,), float32 in [-1, 1], at `voice.model.config.sampling_rate` Hz.

    The same seed gives the same samples; the caller's random state is left as it was.
    Raises TextError for text that the voice cannot say.
    """
    ids = torch.tensor([encode(text, voice.tokenizer)], device=voice.model.device)
    was_training = voice.model.training
    voice.model.eval()
    devices = [voice.model.device] if voice.model.device.type == "cuda" else []
    numpy_state = np.random.get_state()  # transformers' text encoder draws from it even where it drops no layer
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            waveform = voice.model(input_ids=ids, attention_mask=torch.ones_like(ids)).waveform[0]
    finally:
        np.random.set_state(numpy_state)
        voice.model.train(was_training)
    return waveform.float().cpu().numpy()
