"""A voice on disk: a plain transformers VITS folder that also holds its discriminator and its card."""

import contextlib
import dataclasses
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import VitsConfig, VitsModel, VitsTokenizer
from transformers.utils import cached_file

from kurdtts_lib.audio.io import write_wav
from kurdtts_lib.core.errors import KurdTTSError, VoiceError
from kurdtts_lib.core.files import atomic_folder, check_own, read_json, write_json, write_text
from kurdtts_lib.vits import generation
from kurdtts_lib.vits.discriminator import DiscriminatorSettings, VitsDiscriminator
from kurdtts_lib.vits.speakers import fold_speakers, speaker_ids
from kurdtts_lib.vits.utterance import Utterance
from kurdtts_lib.vits.weight_norm import apply_decoder_weight_norm, folded_state

DISCRIMINATOR_WEIGHTS = "discriminator.safetensors"
DISCRIMINATOR_CONFIG = "discriminator.json"
CARD = "voice.json"
ON_THE_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
SPEAKERS = re.compile(r"(?P<voice>.+):(?P<speakers>[^:/\\]+)", re.DOTALL)
"""Not a Windows path: behind its colon comes a slash."""


@dataclass
class Voice:
    """Everything for synthesis and for further training."""

    model: VitsModel
    tokenizer: VitsTokenizer
    discriminator: VitsDiscriminator | None = None
    """The one the voice was trained with; None if it was not published with the voice."""
    card: dict = field(default_factory=dict)
    """Where the voice comes from, its licence and its metrics."""

    @property
    def sampling_rate(self) -> int:
        """Hertz."""
        return self.model.config.sampling_rate

    @property
    def speakers(self) -> list[str]:
        """Names of its speakers; empty for a voice with one."""
        return [*speaker_ids(self.model)]

    def speaking_as(self, *speakers: str) -> "Voice":
        """The voice of one of its speakers, or of equal parts of several; a voice with one speaker as it is.

        Raises VoiceError for a name that is not one of `speakers`, and for a voice of several without a name.
        """
        if not self.speakers:
            return self
        return dataclasses.replace(self, model=fold_speakers(self.model, speakers))

    def utterances(
        self, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float, exact: bool = False
    ) -> Iterator[Utterance]:
        """`generation.speak_ids` in the `best_precision` for this voice on this machine. exact: in float32."""
        precision = torch.float32 if exact else generation.best_precision(self.model)
        return generation.speak_ids(self.model, clauses, seed, speed, noise_scale, precision)


def load_voice(source: str | Path) -> Voice:
    """Load a voice that speaks with one speaker, as `load_unfolded` does. Of several it is the first one, or those that
    are named behind the source: `FOLDER:berfin`, or `FOLDER:berfin+azad` for equal parts of two.
    """
    place, names = split_speakers(source)
    voice = load_unfolded(place)
    return voice.speaking_as(*(names or voice.speakers[:1]))


def split_speakers(source: str | Path) -> tuple[str, list[str]]:
    """`VOICE:berfin+azad` -> (`VOICE`, [`berfin`, `azad`]); without speakers the list is empty."""
    match = SPEAKERS.fullmatch(str(source))
    return (match["voice"], match["speakers"].split("+")) if match else (str(source), [])


def load_unfolded(source: str | Path) -> Voice:
    """Load a voice with all its speakers from a folder or, by its name OWNER/NAME, from the hub; other names need the
    registry.

    The weights may be in `model.safetensors` or `pytorch_model.bin`, under the names of old and new versions of torch,
    and with weight norm where transformers expects a plain weight, as in the decoder: it is folded.
    Raises VoiceError if the voice cannot be loaded, or if a weight is missing or unexpected.
    """
    name = str(source)
    folder = Path(name)
    if not folder.is_dir() and not ON_THE_HUB.fullmatch(name):
        raise VoiceError(f"There is no such folder: {name}. Give a voice's folder, or OWNER/NAME on the hub.")
    with reading(f"The voice {name!r}", "Check the folder, or the network if it is on the hub."):
        config = VitsConfig.from_json_file(cached_file(name, "config.json"))
        tokenizer = VitsTokenizer.from_pretrained(name)
        model = VitsModel(config)
        # Not by its from_pretrained, which only warns of a missing weight and draws it at random: a voice would babble.
        model.load_state_dict(folded_state(_read_weights(name)))
    card, discriminator = {}, None
    if (folder / CARD).is_file():
        with reading(folder / CARD):
            card = read_json(folder / CARD)
    if (folder / DISCRIMINATOR_WEIGHTS).is_file():
        with reading(folder / DISCRIMINATOR_WEIGHTS, f"It must fit {DISCRIMINATOR_CONFIG}."):
            sizes = {name: tuple(value) for name, value in read_json(folder / DISCRIMINATOR_CONFIG).items()}
            discriminator = VitsDiscriminator(DiscriminatorSettings(**sizes))
            discriminator.load_state_dict(load_file(folder / DISCRIMINATOR_WEIGHTS))
    return Voice(model.eval(), tokenizer, discriminator, card)


@contextlib.contextmanager
def reading(source: str | Path, advice: str = "") -> Iterator[None]:
    """Whatever other libraries raise for a missing, damaged or foreign file becomes a VoiceError that names it."""
    try:
        yield
    except KurdTTSError:
        raise
    except Exception as error:
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 500)  # torch's names every weight, a line each
        raise VoiceError(f"{source} cannot be loaded ({reason}). {advice}".rstrip()) from error


def _read_weights(name: str) -> dict[str, Tensor]:
    try:
        path = cached_file(name, "model.safetensors")
    except OSError:  # there is none
        return read_pickle(cached_file(name, "pytorch_model.bin"))
    return load_file(path)


def read_pickle(path: Any) -> Any:
    """What torch saved in a file: tensors and plain values only, since no code in it is executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # its message advises to let the file execute code
        raise VoiceError(f"{path} is damaged, or holds more than weights. Download it again.") from error


def save_voice(
    voice: Voice,
    folder: Path,
    readme: str,
    samples: Mapping[str, np.ndarray] | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write `voice` so that plain `VitsModel.from_pretrained` reads it; the folder is written completely or not at all.

    samples: waveforms by file name, (samples,), written under `samples/`. texts: other text files, by name. Weights are
    stored in the precision that they have, and loaded as float32.
    """
    check_own(folder, CARD)
    with atomic_folder(folder) as temporary:
        # Not by save_pretrained: the decoder's weight norm must be folded (see folded_state).
        _save_weights(folded_state(voice.model.state_dict()), temporary / "model.safetensors")
        config = {**voice.model.config.to_dict(), "architectures": ["VitsModel"], "dtype": "float32"}
        config.pop("_name_or_path", None)  # a folder of this computer, and voices are given away
        write_json(temporary / "config.json", config)
        voice.tokenizer.save_pretrained(temporary)
        if voice.discriminator is not None:
            _save_weights(voice.discriminator.state_dict(), temporary / DISCRIMINATOR_WEIGHTS)
            write_json(temporary / DISCRIMINATOR_CONFIG, dataclasses.asdict(voice.discriminator.settings))
        write_json(temporary / CARD, voice.card)
        write_text(temporary / "README.md", readme)
        for name, text in (texts or {}).items():
            write_text(temporary / name, text)
        for name, waveform in (samples or {}).items():
            write_wav(temporary / "samples" / name, waveform, voice.model.config.sampling_rate)


def _save_weights(state: Mapping[str, Tensor], target: Path) -> None:
    stored = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    save_file(stored, target, {"format": "pt"})


def voice_with(weights: Mapping[str, Any], like: Voice) -> Voice:
    """A new voice of the same sizes as `like`, with the `weights` of a checkpoint."""
    assert like.discriminator is not None
    model, discriminator = VitsModel(like.model.config), VitsDiscriminator(like.discriminator.settings)
    apply_decoder_weight_norm(model)
    model.load_state_dict(weights["generator"])
    discriminator.load_state_dict(weights["discriminator"])
    model.to(like.model.device)
    return Voice(model.eval(), like.tokenizer, discriminator.to(like.model.device), dict(like.card))
