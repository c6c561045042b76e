"""Initial weights and tokenizer: of a new voice without a base voice, and of marks that a base voice lacks."""

import copy
import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.utils import parametrize
from transformers import VitsConfig, VitsModel, VitsTokenizer

from kurdtts_lib.core.files import write_json
from kurdtts_lib.text import LETTERS, MARKS
from kurdtts_lib.text.encoding import BLANK
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.vits.weight_norm import folded_state

DECODER_STD = 0.01
PAD = "<pad>"
EMBEDDING = "text_encoder.embed_tokens.weight"


@torch.no_grad()
def new_model(config: VitsConfig) -> VitsModel:
    """A `VitsModel` with the initial weights of the published VITS.

    transformers' own initialisation gives a decoder whose output is stuck near +1, which training does not correct: the
    mel loss is insensitive to a constant offset. Draws from torch's global generator; seed it first.
    """
    model = VitsModel(config)
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            _set_weight(module, lambda weight: init.kaiming_uniform_(weight, a=5**0.5))
            if module.bias is not None:
                init.zeros_(module.bias)
    for block in [*model.decoder.upsampler, *model.decoder.resblocks.modules(), model.decoder.conv_post]:
        if isinstance(block, nn.Conv1d | nn.ConvTranspose1d):
            _set_weight(block, lambda weight: init.normal_(weight, 0.0, DECODER_STD))
    for flow in model.flow.flows:  # each coupling starts as the identity
        _set_weight(cast(nn.Conv1d, flow.conv_post), init.zeros_)
    return model


def _set_weight(module: nn.Module, initialise: Callable[[Tensor], Tensor]) -> None:
    weight = initialise(torch.empty_like(cast(Tensor, module.weight)))
    # If the weight is parametrized, assigning to it sets the parametrization's own tensors.
    module.weight = weight if parametrize.is_parametrized(module, "weight") else nn.Parameter(weight)


def new_tokenizer(folder: Path) -> VitsTokenizer:
    """A tokenizer that behaves like MMS's for Kurmanji: token 0 is the letter n, the padding and the blank.

    Writes `vocab.json` into `folder`: transformers reads a vocabulary only from a file.
    """
    symbols = ["n", *sorted(set(LETTERS) - {"n"}), " ", "-", "'", "_"]
    return tokenizer_of(symbols, folder, unk_token="<unk>", language="kmr-script_latin", normalize=True)


def tokenizer_of(symbols: Sequence[str], folder: Path, **options: Any) -> VitsTokenizer:
    """Symbols by their token ids; the first is padding and blank too. Writes `vocab.json` into `folder`."""
    write_json(folder / "vocab.json", {symbol: index for index, symbol in enumerate(symbols)})
    return VitsTokenizer(
        str(folder / "vocab.json"),
        pad_token=symbols[0],
        add_blank=True,
        phonemize=False,
        **options,
    )


def with_marks(voice: Voice) -> Voice:
    """A copy of the voice that can learn what `MARKS` do to melody and pauses; at first they are blanks to it.

    The letter that MMS uses as padding and blank (Kurmanji: n) gets a token of its own, which begins as a copy:
    transformers' own tokenizer loses blanks beside the padding, and then yields the token ids of the training.
    """
    old, tokenizer = voice.tokenizer.get_vocab(), voice.tokenizer
    symbols = list(dict.fromkeys([PAD, *sorted(old, key=old.__getitem__), *MARKS]))
    weights = folded_state(voice.model.state_dict())
    weights[EMBEDDING] = weights[EMBEDDING][[old.get(symbol, BLANK) for symbol in symbols]]
    config = copy.deepcopy(voice.model.config)
    config.vocab_size = len(symbols)
    model = VitsModel(config).to(voice.model.device)  # type: ignore[arg-type]
    model.load_state_dict(weights)
    options = {name: getattr(tokenizer, name) for name in ("is_uroman", "unk_token", "language", "normalize")}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tokenizer_of(symbols, Path(folder), **options)
    return dataclasses.replace(voice, model=model.train(voice.model.training), tokenizer=tokenizer)
