"""Initial weights and tokenizer of a voice without a base voice: for recipes and tests."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.utils import parametrize
from transformers import VitsConfig, VitsModel, VitsTokenizer

from kurdtts_lib.text import LETTERS
from kurdtts_lib.vits.marks import tokenizer_of

DECODER_STD = 0.01


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
