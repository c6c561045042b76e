"""Text to token ids, by the same function for training and synthesis."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text.language import LETTERS
from kurdtts_lib.text.normalization import LEFT_OUT, character_name, normalize

if TYPE_CHECKING:
    import pandas

BLANK = 0
"""MMS puts token 0 between all characters. In Kurmanji's vocabulary 0 is also the letter n."""


class Vocabulary(Protocol):
    """The part of a tokenizer that encoding needs: a `VitsTokenizer`, or the one of an exported voice."""

    def get_vocab(self) -> dict[str, int]:
        """The token id of each character."""


def encode(text: str, tokenizer: Vocabulary) -> list[int]:
    """Token ids of the normalised text with a blank before, between and after all characters.

    The tokenizer's own call is not used: it silently drops unknown characters, and it loses blanks beside
    the letter n, which is its pad token. This equals the interspersing that MMS was trained with.
    Raises TextError if a part of the text has no reading, if the voice lacks a character, or if nothing is left to say.
    """
    return encode_spoken(normalize(text).text, tokenizer, text)


def encode_spoken(spoken: str, tokenizer: Vocabulary, written: str) -> list[int]:
    """`encode` for text that is already normalised. written: its source, for the error message."""
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
    """Every character that a plain VITS tokenizer would silently drop, and how it is read here.

    tokenizer: the voice's; None: one with Kurmanji's letters, space, hyphen and apostrophe.
    Columns: character, name, count, sentences, what happens, example. Most frequent first.
    """
    import pandas  # takes 0.06 GB, which a training does not need

    known = set(tokenizer.get_vocab() if tokenizer else LETTERS + " -'")
    rows: dict[str, dict] = {}
    for text in texts:
        lost = [character for character in text if character.lower() not in known]
        if not lost:
            continue
        readings = _readings(text)
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
            row["what happens"] |= dict.fromkeys(readings.get(character, ["between words"]))
    table = [row | {"what happens": "; ".join(row["what happens"])} for row in rows.values()]
    columns = ["character", "name", "count", "sentences", "what happens", "example"]
    return pandas.DataFrame(table, columns=columns).sort_values("count", ascending=False, ignore_index=True)


def _readings(text: str) -> dict[str, list[str]]:
    """For each character of `text`, the rules that read it, or why the sentence is refused."""
    try:
        changes = normalize(text).changes
    except TextError as error:
        unreadable = error.characters or text
        return {
            character: [f"refused: {error.reason}" if character in unreadable else "in a refused sentence"]
            for character in text
        }
    readings: dict[str, list[str]] = {}
    for change in changes:
        rule = "left out with a warning" if change.rule == LEFT_OUT else change.rule
        for character in change.before:
            readings.setdefault(character, []).append(rule)
    return readings
