"""Numbers in words, after the reading table."""

import re

from kurdtts_lib.text.language import TABLE, VOWELS
from kurdtts_lib.text.table_checks import RuleName

LARGEST = 10**12
"""Larger numbers are card numbers and the like, and are read digit by digit."""
WORDS = TABLE["numbers"]
THOUSANDS, DECIMAL = re.escape(WORDS["thousands_sign"]), re.escape(WORDS["decimal_sign"])
NUMBER = (
    rf"(?<![0-9])(?<![0-9][.,])(?:[0-9]{{1,3}}(?:[{THOUSANDS} \u00a0\u2009\u202f][0-9]{{3}})+(?:{DECIMAL}[0-9]+)?"
    r"|[0-9]+(?:[,.][0-9]+)?)(?![.,]?[0-9])"
)
"""A number, grouped or not, with or without decimals; not a part of one like 1.2.3."""
GROUPED = re.compile(rf"([0-9]{{1,3}}(?:{THOUSANDS}[0-9]{{3}})+)((?:{DECIMAL}[0-9]+)?)")


def spell(number: int) -> str:
    """`number`, from 0 to `LARGEST`, in words."""
    if number < 20:
        return WORDS["small"][number]
    groups = []
    for scale in [*WORDS["scales"], {"power": 2, **WORDS["hundred"]}]:
        count, number = divmod(number, 10 ** scale["power"])
        if count:
            groups.append(scale["one"] if count == 1 else f"{spell(count)} {scale['word']}")
    if number >= 20:
        groups.append(WORDS["tens"][number // 10 - 2])
        number %= 10
    if number:
        groups.append(WORDS["small"][number])
    return WORDS["joiner"].join(groups)


def digits(text: str) -> str:
    """Each digit of `text` by its name."""
    return " ".join(WORDS["small"][int(digit)] for digit in text if digit.isdecimal())


def add_suffix(words: str, suffix: str | None) -> str:
    """`words` with `suffix` joined to the last one: sî + an is siyan, bîst û yek + ê is bîst û yekê."""
    if not suffix:
        return words
    table = TABLE["suffixes"]
    suffix = suffix.removeprefix(table["glide"])
    if words[-1] in VOWELS and suffix[0] in VOWELS:
        return words[:-1] + table["shortened"].get(words[-1], words[-1]) + table["glide"] + suffix
    return words + suffix


def read(written: str) -> tuple[str, RuleName]:
    """A number that `NUMBER` matched, in words, and the rule by which it was read."""
    compact = re.sub(r"\s", "", written)
    if grouped := GROUPED.fullmatch(compact):
        compact = grouped[1].replace(WORDS["thousands_sign"], "") + grouped[2]
    whole, sign, fraction = re.match(r"([0-9]+)([,.]?)([0-9]*)", compact).groups()  # type: ignore[union-attr]
    # The length first: int() refuses strings of some thousand digits.
    one_by_one = len(whole) > 13 or int(whole) > LARGEST or (len(whole) > 1 and whole[0] == "0")
    words = digits(whole) if one_by_one else spell(int(whole))
    if not sign:
        return words, "digit by digit" if one_by_one else "number"
    rest = fraction.lstrip("0")
    zeros = digits(fraction[: len(fraction) - len(rest)])
    read_rest = spell(int(rest)) if 0 < len(rest) <= 2 else digits(rest)
    return " ".join(filter(None, (words, WORDS["decimal"], zeros, read_rest))), "decimal number"
