"""Token ids of marks that a base voice lacks, and their initial weights."""

import copy
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import VitsModel, VitsTokenizer

from kurdtts_lib.core.files import write_json
from kurdtts_lib.text import MARKS
from kurdtts_lib.text.encoding import BLANK
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.vits.weight_norm import folded_state

PAD = "<pad>"
EMBEDDING = "text_encoder.embed_tokens.weight"


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
    model = VitsModel(config).to(voice.model.device)
    model.load_state_dict(weights)
    options = {name: getattr(tokenizer, name) for name in ("is_uroman", "unk_token", "language", "normalize")}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tokenizer_of(symbols, Path(folder), **options)
    return dataclasses.replace(voice, model=model.train(voice.model.training), tokenizer=tokenizer)
