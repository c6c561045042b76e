"""Text to token ids, by the same function for training and synthesis."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text.changes import LEFT_OUT, character_name
from kurdtts_lib.text.language import LETTERS, MARKS
from kurdtts_lib.text.normalization import normalize, without_marks

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
    return encode_spoken(normalize(text, marks=True).text, tokenizer, text)


def encode_spoken(spoken: str, tokenizer: Vocabulary, written: str) -> list[int]:
    """`encode` for text that is already normalised. written: its source, for the error message."""
    spoken, vocabulary = known_part(spoken, tokenizer), tokenizer.get_vocab()
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


def knows_marks(tokenizer: Vocabulary) -> bool:
    """Whether the voice has tokens for `MARKS`, from which it learns melody and pauses; published MMS voices do not."""
    return tokenizer.get_vocab().keys() >= {*MARKS}


def known_part(spoken: str, tokenizer: Vocabulary) -> str:
    """A spoken form, without its marks if the voice does not know them."""
    return spoken if knows_marks(tokenizer) else without_marks(spoken)


def coverage(texts: Iterable[str]) -> "pandas.DataFrame":
    """Every character that the plain VITS tokenizer of a Kurmanji voice would silently drop, and how it is read here.

    Columns: character, name, count, sentences, what happens, example. Most frequent first.
    """
    import pandas  # takes 0.06 GB, which a training does not need

    rows: dict[str, dict[str, Any]] = {}
    for text in texts:
        if lost := Counter(character for character in text if character.lower() not in LETTERS + " -'"):
            readings = _readings(text)
            for key, count in lost.items():
                new = {"name": character_name(key), "count": 0, "sentences": 0, "what happens": {}, "example": text}
                row = rows.setdefault(key, new)
                row["count"] += count
                row["sentences"] += 1
                row["what happens"] |= dict.fromkeys(readings.get(key, ["between words"]))
    columns = ["name", "count", "sentences", "what happens", "example"]
    table = pandas.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("character").reset_index()
    table["what happens"] = table["what happens"].map("; ".join)
    return table.sort_values("count", ascending=False, ignore_index=True)


def _readings(text: str) -> dict[str, list[str]]:
    """For each character of `text`, the rules that read it, or why the sentence is refused."""
    readings: dict[str, list[str]] = {}
    try:
        result = normalize(text)
        readings |= {character: ["Unicode form"] for character in text if character not in result.written}
        for change in result.changes:
            for character in change.before:
                name = "left out with a warning" if change.rule == LEFT_OUT else change.rule
                readings.setdefault(character, []).append(name)
    except TextError as error:
        refused = error.characters or text
        return {sign: [f"refused: {error.reason}" if sign in refused else "in a refused sentence"] for sign in text}
    return readings
