"""Conversion of checkpoints in the layout of the published VITS code (Kim et al. 2021), which MMS uses too.

`G_100000.pth` is the generator, `D_100000.pth` its discriminator; `config.json` and `vocab.txt` are in the same folder.
Both hold the weights under `model`, and an optimizer state that is not needed. The conversion only renames weights; no
value changes.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import VitsConfig, VitsModel

from kurdtts_lib.core.cards import render
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.vits.discriminator import DiscriminatorSettings, VitsDiscriminator
from kurdtts_lib.vits.initialisation import tokenizer_of
from kurdtts_lib.vits.voice import WEIGHT_NORM_NAMES, Voice, apply_decoder_weight_norm, save_voice

CONFIG = "config.json"
VOCABULARY = "vocab.txt"
PUBLISHED_DISCRIMINATOR = DiscriminatorSettings()
"""The published code has these sizes only."""
FLOWS = 4
"""Coupling layers before the decoder, and spline flows of the duration predictor: fixed in the published code."""

# Layer names of the original (left) and of transformers (right). N is an index; * is the rest of the name.
LAYERS = {
    "enc_p.emb.*": "text_encoder.embed_tokens.*",
    "enc_p.encoder.attn_layers.N.conv_q.*": "text_encoder.encoder.layers.N.attention.q_proj.*",
    "enc_p.encoder.attn_layers.N.conv_k.*": "text_encoder.encoder.layers.N.attention.k_proj.*",
    "enc_p.encoder.attn_layers.N.conv_v.*": "text_encoder.encoder.layers.N.attention.v_proj.*",
    "enc_p.encoder.attn_layers.N.conv_o.*": "text_encoder.encoder.layers.N.attention.out_proj.*",
    "enc_p.encoder.attn_layers.N.emb_rel_*": "text_encoder.encoder.layers.N.attention.emb_rel_*",
    "enc_p.encoder.norm_layers_1.N.*": "text_encoder.encoder.layers.N.layer_norm.*",
    "enc_p.encoder.ffn_layers.N.*": "text_encoder.encoder.layers.N.feed_forward.*",
    "enc_p.encoder.norm_layers_2.N.*": "text_encoder.encoder.layers.N.final_layer_norm.*",
    "enc_p.proj.*": "text_encoder.project.*",
    "enc_q.pre.*": "posterior_encoder.conv_pre.*",
    "enc_q.enc.*": "posterior_encoder.wavenet.*",
    "enc_q.proj.*": "posterior_encoder.conv_proj.*",
    "dec.conv_pre.*": "decoder.conv_pre.*",
    "dec.ups.N.*": "decoder.upsampler.N.*",
    "dec.resblocks.N.*": "decoder.resblocks.N.*",
    "dec.conv_post.*": "decoder.conv_post.*",
}
# The original counts the flips between its flows as layers, so its flows have even indices only.
LAYERS |= {
    f"flow.flows.{2 * n}.{old}.*": f"flow.flows.{n}.{new}.*"
    for n in range(FLOWS)
    for old, new in (("pre", "conv_pre"), ("enc", "wavenet"), ("post", "conv_post"))
}

DETERMINISTIC_DURATIONS = {
    f"dp.{layer}.*": f"duration_predictor.{layer}.*" for layer in ("conv_1", "norm_1", "conv_2", "norm_2", "proj")
}
STOCHASTIC_DURATIONS = {
    "dp.pre.*": "duration_predictor.conv_pre.*",
    "dp.convs.*": "duration_predictor.conv_dds.*",
    "dp.proj.*": "duration_predictor.conv_proj.*",
    "dp.post_pre.*": "duration_predictor.post_conv_pre.*",
    "dp.post_convs.*": "duration_predictor.post_conv_dds.*",
    "dp.post_proj.*": "duration_predictor.post_conv_proj.*",
    "dp.flows.0.*": "duration_predictor.flows.0.*",
    "dp.post_flows.0.*": "duration_predictor.post_flows.0.*",
}
STOCHASTIC_DURATIONS |= {
    f"dp.{flows}.{2 * n - 1}.{old}.*": f"duration_predictor.{flows}.{n}.{new}.*"
    for flows in ("flows", "post_flows")
    for n in range(1, FLOWS + 1)
    for old, new in (("pre", "conv_pre"), ("convs", "conv_dds"), ("proj", "conv_proj"))
}

# Names within a layer, at any level.
INNER_NAMES = {
    "weight_g": WEIGHT_NORM_NAMES[0],
    "weight_v": WEIGHT_NORM_NAMES[1],
    "gamma": "weight",
    "beta": "bias",
    "m": "translate",
    "logs": "log_scale",
    "convs_sep": "convs_dilated",
    "convs_1x1": "convs_pointwise",
}
# Prefixes of a generator's weights; a discriminator has none of them.
GENERATOR_PREFIXES = ("enc_p.", "enc_q.", "flow.", "dp.", "dec.")


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
    symbols = _read_symbols(path.with_name(VOCABULARY))
    settings, is_uroman = _read_config(path.with_name(CONFIG), len(symbols))
    model = VitsModel(settings)
    apply_decoder_weight_norm(model)  # the original's decoder is saved with it; save_voice folds it
    durations = STOCHASTIC_DURATIONS if settings.use_stochastic_duration_prediction else DETERMINISTIC_DURATIONS
    _fill(model, _renamed(_read_weights(path), {**LAYERS, **durations}, path), path)
    with tempfile.TemporaryDirectory() as folder:
        return Voice(model.eval(), tokenizer_of(symbols, Path(folder), is_uroman))


def read_discriminator(path: Path) -> VitsDiscriminator:
    """The discriminator in an original `D_*.pth`.

    Raises VoiceError if the file is damaged, if it holds a generator (MMS published one language's this way), or if a
    weight is unexpected, missing or of another shape.
    """
    weights = _read_weights(path)
    foreign = [name for name in weights if name.startswith(GENERATOR_PREFIXES)]
    if foreign:
        raise VoiceError(
            f"{path.name} holds a generator's weights ({foreign[0]} and {len(foreign) - 1} more), not a "
            "discriminator's: it was published with the wrong content."
        )
    discriminator = VitsDiscriminator(PUBLISHED_DISCRIMINATOR)
    _fill(discriminator, {_renamed_inner(name): value for name, value in weights.items()}, path)
    return discriminator


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The weights under `model`, as float32. No code in the file is executed: only tensors and plain values load."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, UnpicklingError) as error:
        # torch's own message suggests weights_only=False, which could execute code from an untrusted file.
        reason = error.strerror if isinstance(error, OSError) else "it is damaged, or holds more than weights"
        raise VoiceError(f"{path} cannot be read: {reason}. Download it again.") from error
    weights = content.get("model") if isinstance(content, dict) else None
    if not (isinstance(weights, dict) and all(isinstance(value, Tensor) for value in weights.values())):
        raise VoiceError(f"{path} holds no weights under 'model'; it is no checkpoint of the published VITS code.")
    return {name: value.float() for name, value in weights.items()}


def _renamed(weights: Mapping[str, Tensor], layers: Mapping[str, str], path: Path) -> dict[str, Tensor]:
    renamed, unknown = {}, []
    patterns = {re.escape(old).replace("N", r"(\d+)").replace(r"\*", "(.+)"): new for old, new in layers.items()}
    for name, value in weights.items():
        found = [(match, new) for pattern, new in patterns.items() if (match := re.fullmatch(pattern, name))]
        if not found:
            unknown.append(name)
            continue
        (match, new), *_ = found
        *index, rest = match.groups()
        target = new.replace("N", "".join(index)).replace("*", _renamed_inner(rest))
        # A convolution with kernel size 1 is a linear layer: (out, in, 1) -> (out, in).
        renamed[target] = value.squeeze(-1) if re.search(r"\.attention\.\w+_proj\.weight$", target) else value
    if unknown:
        raise VoiceError(f"{path.name} has weights that a VITS voice with one speaker lacks: {_first(unknown)}.")
    return renamed


def _renamed_inner(name: str) -> str:
    return ".".join(INNER_NAMES.get(inner, inner) for inner in name.split("."))


def _fill(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load `weights`, which must be exactly those of `module`."""
    try:
        missing, unexpected = module.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # a wrong shape, which torch names
        raise VoiceError(f"{path.name} does not fit: {' '.join(str(error).split())}") from error
    for problem, names in (("lacks", missing), ("has too many", unexpected)):
        if names:
            raise VoiceError(f"{path.name} {problem} weights: {_first(names)}.")


def _first(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _read_symbols(path: Path) -> list[str]:
    """One symbol a line; its index is its token id. The first one is padding and blank too, even if it is a letter."""
    try:
        symbols = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise VoiceError(f"{path} cannot be read: {error}. It lies beside the published checkpoint.") from error
    if len(set(symbols)) < len(symbols):
        twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        raise VoiceError(f"{path} names {', '.join(map(repr, twice))} twice; each line must be another symbol.")
    return symbols


def _read_config(path: Path, symbols: int) -> tuple[VitsConfig, bool]:
    """The model's configuration, and whether its text is romanised by uroman."""
    try:
        values = read_json(path)
        data, model = values["data"], values["model"]
        _check_kind(path, data, model)
        settings = _settings(data, model, symbols)
    except KeyError as error:
        raise VoiceError(f"{path} lacks {error}; it is no settings file of the published VITS code.") from error
    except (OSError, ValueError, TypeError, StrictDataclassError) as error:
        raise VoiceError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return settings, str(data.get("training_files", "")).endswith(".uroman")


def _check_kind(path: Path, data: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    if not data["add_blank"]:
        raise VoiceError(f"{path}: the voice was trained without blanks between the letters; the course sets them.")
    if str(model["resblock"]) != "1":
        raise VoiceError(f"{path}: resblock {model['resblock']!r} is not known to transformers; it knows '1'.")
    if data.get("n_speakers", 0) > 1:
        raise VoiceError(f"{path}: the voice holds {data['n_speakers']} speakers; choose a voice with one.")


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
