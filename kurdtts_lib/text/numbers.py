"""Numbers in words, after a language's table."""

import re

from kurdtts_lib.text.language import Language
from kurdtts_lib.text.table_checks import RuleName

LARGEST = 10**12
"""Larger numbers are card numbers and the like, and are read digit by digit."""


def spell(number: int, language: Language) -> str:
    """`number`, from 0 to 10**12, in words. Raises ValueError outside this range."""
    if not 0 <= number <= LARGEST:
        raise ValueError(f"{number} is not from 0 to {LARGEST}")
    table = language.table("numbers")
    if number < len(table["small"]):
        return table["small"][number]
    groups = []
    for scale in table["scales"]:
        count, number = divmod(number, 10 ** scale["power"])
        if count:
            groups.append(scale["one"] if count == 1 else f"{spell(count, language)} {scale['word']}")
    return table["joiner"].join(groups + _below_thousand(number, table))


def _below_thousand(number: int, table: dict) -> list[str]:
    hundreds, rest = divmod(number, 100)
    groups = []
    if hundreds:
        hundred = table["hundred"]
        groups.append(hundred["one"] if hundreds == 1 else f"{table['small'][hundreds]} {hundred['word']}")
    if rest >= len(table["small"]):
        first = len(table["small"]) // 10  # the tens begin where the small numbers end
        groups.append(table["tens"][rest // 10 - first])
        rest %= 10
    if rest:
        groups.append(table["small"][rest])
    return groups


def digits(text: str, language: Language) -> str:
    """Each digit of `text` by its name."""
    return " ".join(language.table("numbers")["small"][int(digit)] for digit in text if digit.isdecimal())


def add_suffix(words: str, suffix: str | None, language: Language) -> str:
    """`words` with `suffix` joined to the last one: sî + an is siyan, bîst û yek + ê is bîst û yekê."""
    if not suffix:
        return words
    table = language.table("suffixes")
    glide = table.get("glide", "")
    if glide and suffix.startswith(glide):
        suffix = suffix.removeprefix(glide)
    if glide and words[-1] in language.vowels and suffix[0] in language.vowels:
        return words[:-1] + table.get("shortened", {}).get(words[-1], words[-1]) + glide + suffix
    return words + suffix


def number_pattern(language: Language) -> str:
    """A regular expression for a number, grouped or not, with or without decimals; not a part of one like 1.2.3."""
    table = language.table("numbers")
    thousands = "[" + re.escape(table.get("thousands_sign", "") + " \u00a0\u2009\u202f") + "]"
    grouped = rf"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+(?:{re.escape(table.get('decimal_sign', ','))}[0-9]+)?"
    return rf"(?<![0-9])(?<![0-9][.,])(?:{grouped}|[0-9]+(?:[,.][0-9]+)?)(?![.,]?[0-9])"


def read(written: str, language: Language) -> tuple[str, RuleName]:
    """A number that `number_pattern` matched, in words, and the rule by which it was read."""
    table = language.table("numbers")
    decimal = table.get("decimal_sign", "")
    thousands = table.get("thousands_sign", "")
    compact = re.sub(r"\s", "", written)
    grouped = re.fullmatch(
        rf"([0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+)((?:{re.escape(decimal)}[0-9]+)?)", compact
    )
    if grouped and thousands:
        compact = grouped[1].replace(thousands, "") + grouped[2]
    whole, sign, fraction = re.match(r"([0-9]+)([,.]?)([0-9]*)", compact).groups()  # type: ignore[union-attr]
    # The length first: int() refuses strings of some thousand digits.
    one_by_one = len(whole) > 13 or int(whole) > LARGEST or (len(whole) > 1 and whole[0] == "0")
    words = digits(whole, language) if one_by_one else spell(int(whole), language)
    if not sign:
        return words, "digit by digit" if one_by_one else "number"
    rest = fraction.lstrip("0")
    zeros = digits(fraction[: len(fraction) - len(rest)], language)
    read_rest = spell(int(rest), language) if 0 < len(rest) <= 2 else digits(rest, language)
    return " ".join(filter(None, (words, table["decimal"], zeros, read_rest))), "decimal number"
