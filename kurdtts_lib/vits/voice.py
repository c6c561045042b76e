"""A voice on disk: a plain transformers VITS folder that also holds its discriminator and its card."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm
from transformers import VitsModel, VitsTokenizer
from transformers.utils import logging as transformers_logging

from kurdtts_lib.audio.io import write_wav
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import atomic_folder, check_own, read_folder, read_json, write_json, write_text
from kurdtts_lib.vits.discriminator import DiscriminatorSettings, VitsDiscriminator
from kurdtts_lib.vits.utterance import Utterance

DISCRIMINATOR_WEIGHTS = "discriminator.safetensors"
DISCRIMINATOR_CONFIG = "discriminator.json"
CARD = "voice.json"
ON_THE_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")

WEIGHT_NORM_NAMES = ("parametrizations.weight.original0", "parametrizations.weight.original1")
"""Magnitude and direction of a weight under torch's weight norm."""
NOT_A_VOICE = (
    OSError,
    ValueError,
    TypeError,
    SafetensorError,
    StrictDataclassError,  # a value of the wrong type in config.json
    UnpicklingError,  # this and the next two: a damaged pytorch_model.bin
    EOFError,
    RuntimeError,
)
"""What transformers raises for a folder or a name that is not a complete voice."""


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

    def utterances(
        self, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float, exact: bool = False
    ) -> Iterator[Utterance]:
        """`generation.speak_ids` in the `best_precision` for this voice on this machine. exact: in float32."""
        from kurdtts_lib.vits import generation

        precision = torch.float32 if exact else generation.best_precision(self.model)
        return generation.speak_ids(self, clauses, seed, speed, noise_scale, precision)


def load_voice(source: str | Path) -> Voice:
    """Load a voice from a folder or, by its name OWNER/NAME, from the hub; other names need the registry.

    The weights may be in `model.safetensors` or `pytorch_model.bin`, and weight norm may have its old names
    (`weight_g`, `weight_v`) or its new ones (`parametrizations.weight.original0`, `original1`); where transformers
    expects a plain weight, as in the decoder, it is folded.
    Raises VoiceError if the voice cannot be loaded, if a weight is missing or unexpected, or if the voice holds several
    speakers, which cannot be trained here.
    """
    return read_folder(Path(source), lambda place: _load(str(source if place == Path(source) else place)))


def _load(name: str) -> Voice:
    folder = Path(name)
    if not folder.is_dir() and not ON_THE_HUB.fullmatch(name):
        raise VoiceError(f"There is no such folder: {name}. Give a voice's folder, or OWNER/NAME on the hub.")
    try:
        with _quiet(bars=not folder.is_dir()):  # local files load in half a second
            model = _load_model(name)
            tokenizer = VitsTokenizer.from_pretrained(name)
    except NOT_A_VOICE as error:
        raise VoiceError(
            f"The voice {name!r} cannot be loaded: {error} Check the folder, or the network if it is on the hub."
        ) from error
    if model.config.num_speakers > 1:
        raise VoiceError(f"{name} holds {model.config.num_speakers} speakers; choose a voice with one.")
    try:
        card = read_json(folder / CARD) if (folder / CARD).is_file() else {}
    except ValueError as error:
        raise VoiceError(f"{folder / CARD} cannot be read: {error}") from error
    return Voice(model.eval(), tokenizer, _load_discriminator(folder), card)


@contextlib.contextmanager
def _quiet(bars: bool) -> Iterator[None]:
    """Silence transformers' table of wrong weights, which are checked here; without `bars`, its progress bars too."""
    verbosity, had_bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    if not bars:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bars:
            transformers_logging.enable_progress_bar()


def _load_model(name: str) -> VitsModel:
    model, report = _from_pretrained(VitsModel, name)
    split = _split_layers(report)
    if not split:
        _check_weights(name, report)
        return model
    # Some layers were saved with weight norm. A model that has weight norm there too can read them.
    split_model, report = _from_pretrained(_with_weight_norm(split), name)
    _check_weights(name, report)
    for layer in split:
        parametrize.remove_parametrizations(split_model.get_submodule(layer), "weight")
    model.load_state_dict(split_model.state_dict())
    return model


def _from_pretrained(model_class: type[VitsModel], name: str) -> tuple[VitsModel, dict]:
    loaded: Any = model_class.from_pretrained(name, output_loading_info=True, ignore_mismatched_sizes=True)
    model, report = loaded
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.float().clone()  # not memory-mapped: Windows could not replace an open file
    return model, report


def _split_layers(report: dict) -> list[str]:
    """Layers whose weight was saved as magnitude and direction where `VitsModel` has a plain weight.

    transformers has changed these to their new names by then.
    """
    unexpected = {str(key) for key in report["unexpected_keys"]}
    layers = (str(key).removesuffix(".weight") for key in report["missing_keys"])
    return sorted(layer for layer in layers if unexpected >= {f"{layer}.{name}" for name in WEIGHT_NORM_NAMES})


def _with_weight_norm(layers: list[str]) -> type[VitsModel]:
    """A `VitsModel` with weight norm on these layers too."""

    class SplitVits(VitsModel):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            for layer in layers:
                weight_norm(self.get_submodule(layer))

    return SplitVits


def _check_weights(name: str, report: dict) -> None:
    # transformers only warns about a missing weight and initialises it at random: the voice would babble.
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        keys = sorted(str(key) for key in report.get(kind, ()))
        if keys:
            raise VoiceError(f"{name} has {kind.replace('_', ' ')}: {', '.join(keys[:5])}. Its file is not whole.")


def _load_discriminator(folder: Path) -> VitsDiscriminator | None:
    if not (folder / DISCRIMINATOR_WEIGHTS).is_file():
        return None
    try:
        discriminator = VitsDiscriminator(DiscriminatorSettings.from_dict(read_json(folder / DISCRIMINATOR_CONFIG)))
        discriminator.load_state_dict(load_file(folder / DISCRIMINATOR_WEIGHTS))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise VoiceError(f"{folder / DISCRIMINATOR_WEIGHTS} does not fit its settings: {error}") from error
    return discriminator.float()


def save_voice(
    voice: Voice,
    folder: Path,
    readme: str,
    samples: Mapping[str, np.ndarray] | None = None,
    texts: Mapping[str, str] | None = None,
    half_precision: bool = False,
) -> None:
    """Write `voice` so that plain `VitsModel.from_pretrained` reads it; the folder is written completely or not at all.

    samples: waveforms by file name, (samples,), written under `samples/`. texts: other text files, by name.
    half_precision: store the weights as float16 (half the size); they are loaded as float32.
    """
    check_own(folder, CARD)
    dtype = torch.float16 if half_precision else torch.float32
    with atomic_folder(folder) as temporary:
        # Not by save_pretrained: the decoder's weight norm must be folded (see folded_state).
        _save_weights(folded_state(voice.model), temporary / "model.safetensors", dtype)
        config = {**voice.model.config.to_dict(), "architectures": ["VitsModel"], "dtype": "float32"}
        config.pop("_name_or_path", None)  # a folder of this computer, and voices are given away
        write_json(temporary / "config.json", config)
        voice.tokenizer.save_pretrained(temporary)
        if voice.discriminator is not None:
            _save_weights(voice.discriminator.state_dict(), temporary / DISCRIMINATOR_WEIGHTS, dtype)
            write_json(temporary / DISCRIMINATOR_CONFIG, voice.discriminator.describe())
        write_json(temporary / CARD, voice.card)
        write_text(temporary / "README.md", readme)
        for name, text in (texts or {}).items():
            write_text(temporary / name, text)
        for name, waveform in (samples or {}).items():
            write_wav(temporary / "samples" / name, waveform, voice.model.config.sampling_rate)


def _save_weights(state: Mapping[str, Tensor], target: Path, dtype: torch.dtype) -> None:
    stored = {name: value.detach().to("cpu", dtype).contiguous() for name, value in state.items()}
    save_file(stored, target, {"format": "pt"})


def apply_decoder_weight_norm(model: VitsModel) -> None:
    """Split the decoder's weights into magnitude and direction for training, as in the published VITS."""
    if not parametrize.is_parametrized(model.decoder.upsampler[0]):
        model.decoder.apply_weight_norm()


def voice_with(weights: Mapping[str, Any], like: Voice) -> Voice:
    """A new voice of the same sizes as `like`, with the `weights` of a checkpoint."""
    assert like.discriminator is not None
    model, discriminator = VitsModel(like.model.config), VitsDiscriminator(like.discriminator.settings)
    apply_decoder_weight_norm(model)
    model.load_state_dict(weights["generator"])
    discriminator.load_state_dict(weights["discriminator"])
    model.to(like.model.device)  # type: ignore[arg-type]
    return Voice(model.eval(), like.tokenizer, discriminator.to(like.model.device), dict(like.card))


def folded_state(model: VitsModel) -> dict[str, Tensor]:
    """The state that `VitsModel.from_pretrained` expects: the decoder's weight norm folded into plain weights.

    transformers builds the flow and the posterior encoder with weight norm and the decoder without. A state with the
    decoder's weight norm unfolded would be loaded as a randomly initialised decoder.
    """
    state = model.state_dict()
    for name, module in model.decoder.named_modules(prefix="decoder"):
        if parametrize.is_parametrized(module, "weight"):
            for part in WEIGHT_NORM_NAMES:
                del state[f"{name}.{part}"]
            state[f"{name}.weight"] = cast(Tensor, module.weight).detach()
    return state
