"""Conversion of checkpoints in the layout of the published VITS code (Kim et al. 2021), which MMS uses too.

`G_100000.pth` is the generator, `D_100000.pth` its discriminator; `config.json` and `vocab.txt` are in the same folder.
Both hold the weights under `model`, and an optimizer state that is not needed. The conversion only renames weights; no
value changes.

`facebook/mms-tts-<code>` on the hub is a voice for inference. The discriminator of its training is in another
repository, in this layout, and is downloaded from there once.
"""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import VitsConfig, VitsModel

from kurdtts_lib.core.cards import render
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import atomic_path, locked, read_json
from kurdtts_lib.core.settings import home
from kurdtts_lib.vits.discriminator import DiscriminatorSettings, VitsDiscriminator
from kurdtts_lib.vits.initialisation import tokenizer_of
from kurdtts_lib.vits.voice import Voice, read_pickle, reading, save_voice
from kurdtts_lib.vits.weight_norm import apply_decoder_weight_norm, renamed_weight_norm

MMS = "facebook/mms-tts"
PUBLISHED_DISCRIMINATOR = DiscriminatorSettings()
"""The published code has these sizes only."""
FLOWS = 4
"""Coupling layers before the decoder, and spline flows of the duration predictor: fixed in the published code."""

# Names of the original (left) and of transformers (right), at any level.
NAMES = {
    "enc_p": "text_encoder",
    "emb": "embed_tokens",
    "conv_q": "q_proj",
    "conv_k": "k_proj",
    "conv_v": "v_proj",
    "conv_o": "out_proj",
    "enc_q": "posterior_encoder",
    "dec": "decoder",
    "ups": "upsampler",
    "dp": "duration_predictor",
    "enc": "wavenet",
    "pre": "conv_pre",
    "convs": "conv_dds",
    "proj": "conv_proj",
    "post": "conv_post",
    "post_pre": "post_conv_pre",
    "post_convs": "post_conv_dds",
    "post_proj": "post_conv_proj",
    "convs_sep": "convs_dilated",
    "convs_1x1": "convs_pointwise",
    "gamma": "weight",
    "beta": "bias",
    "m": "translate",
    "logs": "log_scale",
}
# Then these; \d+ is a layer's index.
LAYERS = {
    r"text_encoder\.conv_proj": "text_encoder.project",
    r"encoder\.attn_layers\.(\d+)": r"encoder.layers.\1.attention",
    r"encoder\.norm_layers_1\.(\d+)": r"encoder.layers.\1.layer_norm",
    r"encoder\.ffn_layers\.(\d+)": r"encoder.layers.\1.feed_forward",
    r"encoder\.norm_layers_2\.(\d+)": r"encoder.layers.\1.final_layer_norm",
}
DETERMINISTIC_DURATIONS = {r"duration_predictor\.conv_proj": "duration_predictor.proj"}


def convert(generator: Path, folder: Path, discriminator: Path | None = None) -> None:
    """Convert the checkpoint `generator`, and `discriminator` if given, to a voice's folder.

    Raises VoiceError as `read_generator` and `read_discriminator` do, KurdTTSError if `folder` holds other files.
    """
    voice = read_generator(generator)
    if discriminator is not None:
        voice.discriminator = read_discriminator(discriminator)
    voice.card = {"name": folder.absolute().name, "converted_from": generator.name}
    save_voice(voice, folder, render("vits/converted.md", **voice.card))


def read_generator(path: Path) -> Voice:
    """The voice in an original `G_*.pth`; `config.json` and `vocab.txt` are read from its folder.

    Raises VoiceError if a file is missing or damaged, if a weight is unexpected, missing or of another shape, or if
    such a voice cannot be trained here: several speakers, or no blanks between the tokens.
    """
    symbols = _read_symbols(path.with_name("vocab.txt"))
    settings, is_uroman = _read_config(path.with_name("config.json"), len(symbols))
    model = VitsModel(settings)
    apply_decoder_weight_norm(model)  # the original's decoder is saved with it; save_voice folds it
    layers = LAYERS if settings.use_stochastic_duration_prediction else {**LAYERS, **DETERMINISTIC_DURATIONS}
    with reading(path, "It must be a generator of the published VITS code, with one speaker."):
        model.load_state_dict(_renamed(_read_weights(path), layers))
    with tempfile.TemporaryDirectory() as folder:
        return Voice(model.eval(), tokenizer_of(symbols, Path(folder), is_uroman))


def read_discriminator(path: Path) -> VitsDiscriminator:
    """The discriminator in an original `D_*.pth`.

    Raises VoiceError if the file is damaged, if it holds a generator (MMS published one language's this way), or if a
    weight is unexpected, missing or of another shape.
    """
    discriminator = VitsDiscriminator(PUBLISHED_DISCRIMINATOR)
    with reading(path, "It must be a discriminator of the published VITS code."):
        discriminator.load_state_dict(_read_weights(path))
    return discriminator


def _read_weights(path: Path) -> dict[str, Tensor]:
    return renamed_weight_norm(read_pickle(path)["model"])


def _renamed(weights: Mapping[str, Tensor], layers: Mapping[str, str]) -> dict[str, Tensor]:
    """The weights by their names in transformers; an unknown name stays."""
    renamed = {}
    for name, value in weights.items():
        name = ".".join(NAMES.get(part, part) for part in name.split("."))
        for old, new in layers.items():
            name = re.sub(old, new, name)
        # The original counts the flips between its flows too.
        name = re.sub(r"flows\.(\d+)", lambda flow: f"flows.{(int(flow[1]) + 1) // 2}", name)
        # A convolution with kernel size 1 is a linear layer: (out, in, 1) -> (out, in).
        renamed[name] = value.squeeze(-1) if re.search(r"\.attention\.\w+_proj\.weight$", name) else value
    return renamed


def _read_symbols(path: Path) -> list[str]:
    """One symbol a line; its index is its token id. The first one is padding and blank too, even if it is a letter."""
    with reading(path, "It lies beside the published checkpoint."):
        symbols = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    twice = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if twice:
        raise VoiceError(f"{path} names {', '.join(map(repr, twice))} twice; each line must be another symbol.")
    return symbols


def _read_config(path: Path, symbols: int) -> tuple[VitsConfig, bool]:
    """The model's configuration, and whether its text is romanised by uroman."""
    with reading(path, "It must be the settings file of the published VITS code."):
        values = read_json(path)
        data = values["data"]
        if not data["add_blank"]:
            raise VoiceError(f"{path}: the voice was trained without blanks between the letters; the course sets them.")
        if data.get("n_speakers", 0) > 1:
            raise VoiceError(f"{path}: the voice holds {data['n_speakers']} speakers; choose a voice with one.")
        settings = _settings(data, values["model"], symbols)
    return settings, str(data.get("training_files", "")).endswith(".uroman")


def _settings(data: Mapping[str, Any], model: Mapping[str, Any], symbols: int) -> VitsConfig:
    """transformers' configuration; what is not set here is fixed in the published code and is transformers' default."""
    return VitsConfig(
        vocab_size=symbols,
        hidden_size=model["hidden_channels"],
        num_hidden_layers=model["n_layers"],
        num_attention_heads=model["n_heads"],
        ffn_dim=model["filter_channels"],
        ffn_kernel_size=model["kernel_size"],
        hidden_dropout=model["p_dropout"],
        attention_dropout=model["p_dropout"],
        activation_dropout=model["p_dropout"],
        layerdrop=0.0,  # the published code never drops a whole layer
        flow_size=model["inter_channels"],
        spectrogram_bins=data["filter_length"] // 2 + 1,
        use_stochastic_duration_prediction=model.get("use_sdp", True),
        upsample_initial_channel=model["upsample_initial_channel"],
        upsample_rates=model["upsample_rates"],
        upsample_kernel_sizes=model["upsample_kernel_sizes"],
        resblock_kernel_sizes=model["resblock_kernel_sizes"],
        resblock_dilation_sizes=model["resblock_dilation_sizes"],
        sampling_rate=data["sampling_rate"],
        prior_encoder_num_flows=FLOWS,
        duration_predictor_num_flows=FLOWS,
    )


# --- MMS's discriminators ---------------------------------------------------------------------------------------------


def mms_code(base_voice: str) -> str | None:
    """The language code of an MMS voice, from its name on the hub; None for any other voice."""
    name = re.fullmatch(rf"{MMS}-([\w-]+)", base_voice)
    return name[1] if name else None


def mms_discriminator(code: str) -> VitsDiscriminator:
    """The discriminator that the MMS voice of the language `code` was trained against.

    The first call downloads it (561 MB, two thirds of it optimizer state) to `models/cache` in the home, converts it to
    `models/cache/mms-discriminator-<code>.safetensors` (187 MB) and deletes the download. An interrupted download is
    kept, so that the next call can resume it. Every later call reads the converted file.

    Raises VoiceError with the reason if it is unavailable: no network, not published, or published with the wrong
    content.
    """
    cached = home() / "models" / "cache" / f"mms-discriminator-{code}.safetensors"
    with locked(cached):  # a concurrent training waits, then finds the file
        if not cached.is_file():
            _fetch(code, cached)
    discriminator = VitsDiscriminator(PUBLISHED_DISCRIMINATOR)
    with reading(cached, "Delete it; it is then fetched again."):
        discriminator.load_state_dict(load_file(cached))
    return discriminator


def _fetch(code: str, cached: Path) -> None:
    """Download and convert; afterwards `cached` is complete and the download deleted."""
    # Not into the hub's own cache, which would keep the optimizer state for good.
    folder = cached.with_name(f"download-{code}")
    with reading(f"MMS's discriminator for {code}"):
        download = hf_hub_download(MMS, f"full_models/{code}/D_100000.pth", local_dir=folder)
    try:
        weights = read_discriminator(Path(download)).state_dict()
        with atomic_path(cached) as temporary:
            save_file(weights, temporary, {"format": "pt"})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
