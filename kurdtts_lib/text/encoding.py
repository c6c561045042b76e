"""Text to token ids, one function for training and speaking alike."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text.normalization import LEFT_OUT, LETTERS, character_name, normalize

if TYPE_CHECKING:
    import pandas

BLANK = 0
"""MMS puts token 0 between all letters. In Kurmanji's vocabulary 0 is also the letter n."""


class Vocabulary(Protocol):
    """What a text needs to know of a voice. A `VitsTokenizer` is one; an exported voice has another."""

    def get_vocab(self) -> dict[str, int]:
        """The id of each letter."""


def encode(text: str, tokenizer: Vocabulary) -> list[int]:
    """Token ids of the normalised text with a blank before, between and after all letters.

    The tokenizer's own call is not used: it drops unknown characters without a word, and it loses blanks beside
    the letter n, which is its pad token. This equals the interspersing that MMS was trained with.
    Raises TextError if a part of the text has no reading, if the voice lacks a letter, or if nothing is left to say.
    """
    return encode_spoken(normalize(text).text, tokenizer, text)


def encode_spoken(spoken: str, tokenizer: Vocabulary, written: str) -> list[int]:
    """`encode` for text that is normalised already. written: what it comes from, for the error."""
    vocabulary = tokenizer.get_vocab()
    unknown = list(dict.fromkeys(character for character in spoken if character not in vocabulary))
    if unknown:
        named = ", ".join(map(repr, unknown))
        raise TextError(
            f"This voice has no letter {named} for {written!r}. Choose a voice of this language, or write other words.",
            characters="".join(unknown),
        )
    ids = [BLANK] * (2 * len(spoken) + 1)
    ids[1::2] = [vocabulary[character] for character in spoken]
    return ids


def coverage(texts: Iterable[str], tokenizer: Vocabulary | None = None) -> "pandas.DataFrame":
    """Every character that a plain VITS tokenizer would drop without a word, and what happens to it here.

    tokenizer: the voice's; None: one that knows Kurmanji's letters, space, hyphen and apostrophe.
    Columns: character, name, count, sentences, what happens, example. The most frequent first.
    """
    import pandas  # 0.06 GB, which a training, that only encodes, does not need

    known = set(tokenizer.get_vocab() if tokenizer else LETTERS + " -'")
    rows: dict[str, dict] = {}
    for text in texts:
        lost = [character for character in text if character.lower() not in known]
        if not lost:
            continue
        fates = _fates(text)
        for character in dict.fromkeys(lost):
            row = rows.setdefault(
                character,
                {
                    "character": character,
                    "name": character_name(character),
                    "count": 0,
                    "sentences": 0,
                    "what happens": {},
                    "example": text,
                },
            )
            row["count"] += lost.count(character)
            row["sentences"] += 1
            row["what happens"] |= dict.fromkeys(fates.get(character, ["between words"]))
    table = [row | {"what happens": "; ".join(row["what happens"])} for row in rows.values()]
    columns = ["character", "name", "count", "sentences", "what happens", "example"]
    return pandas.DataFrame(table, columns=columns).sort_values("count", ascending=False, ignore_index=True)


def _fates(text: str) -> dict[str, list[str]]:
    """For the characters of `text`, the rules that read them, or why the sentence is refused."""
    try:
        changes = normalize(text).changes
    except TextError as error:
        culprits = error.characters or text
        return {
            character: [f"refused: {error.reason}" if character in culprits else "in a refused sentence"]
            for character in text
        }
    fates: dict[str, list[str]] = {}
    for change in changes:
        rule = "left out with a warning" if change.rule == LEFT_OUT else change.rule
        for character in change.before:
            fates.setdefault(character, []).append(rule)
    return fates
