"""Text to token ids, one function for training and speaking alike."""

from collections.abc import Mapping

from transformers import VitsTokenizer

from kurdtts_lib.errors import TextError
from kurdtts_lib.text.normalization import normalize

BLANK = 0
"""MMS puts token 0 between all letters. In Kurmanji's vocabulary 0 is also the letter n."""


def unspeakable(text: str, vocabulary: Mapping[str, int]) -> list[str]:
    """Characters of the normalised `text` that are not in `vocabulary`, each once, in order of appearance."""
    return _unknown(normalize(text).text, vocabulary)


def _unknown(spoken: str, vocabulary: Mapping[str, int]) -> list[str]:
    return list(dict.fromkeys(character for character in spoken if character not in vocabulary))


def encode(text: str, tokenizer: VitsTokenizer) -> list[int]:
    """Token ids of the normalised text with a blank before, between and after all letters.

    The tokenizer's own call is not used: it drops unknown characters without a word, and it loses blanks beside
    the letter n, which is its pad token. This equals the interspersing that MMS was trained with.
    Raises TextError if a character is unknown or nothing is left to say.
    """
    vocabulary = tokenizer.get_vocab()
    spoken = normalize(text).text
    if not spoken:
        raise TextError(f"There is nothing to say in {text!r}. Write at least one word.")
    unknown = _unknown(spoken, vocabulary)
    if unknown:
        named = ", ".join(f"{character!r}" for character in unknown[:10])
        raise TextError(
            f"This voice cannot say {named} in {text!r}. Write numbers and abbreviations as words, "
            "in the Kurmanji Latin alphabet."
        )
    ids = [BLANK] * (2 * len(spoken) + 1)
    ids[1::2] = [vocabulary[character] for character in spoken]
    return ids
