"""Numbers in words, after the reading table."""

import re

from kurdtts_lib.text.language import TABLE, VOWELS, alternatives, lower
from kurdtts_lib.text.table_checks import RuleName

LARGEST = 10**12
"""Larger numbers are card numbers and the like, and are read digit by digit."""
WORDS = TABLE["numbers"]
_MARKS = re.escape(WORDS["thousands_sign"]), re.escape(WORDS["decimal_sign"])
_GROUPS = [
    rf"[1-9][0-9]{{0,2}}(?:[{mark} \u00a0\u2009\u202f][0-9]{{3}})+(?:{other}[0-9]+)?"
    for mark, other in (_MARKS, _MARKS[::-1])
]
NUMBER = rf"(?<![0-9])(?<![0-9][.,])(?:{'|'.join(_GROUPS)}|[0-9]+(?:[,.][0-9]+)?)(?![.,]?[0-9])"
"""A number, grouped by points, commas or spaces or not, with or without decimals; not a part of one like 1.2.3."""
GROUPED = re.compile(
    "|".join(rf"([1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+)((?:{other}[0-9]+)?)" for mark, other in (_MARKS, _MARKS[::-1]))
)
SCALE = (
    rf"(?:(?: (?:{alternatives([row['word'] for row in WORDS['scales']])})|{'|'.join(WORDS['short_scales'])})(?!\w))"
)
RANGE = rf"{NUMBER}(?:[-–—]| [-–—] ){NUMBER}(?![-–—])"
QUANTITY = rf"(?:{RANGE}|{NUMBER}){SCALE}*(?:(?<=[a-z]) {WORDS['joiner'].strip()} {NUMBER}{SCALE}+)?"
"""A number or a range, perhaps with words like `hezar` after it."""

_NAMES = {**TABLE["names"], **dict(zip("0123456789", WORDS["small"], strict=False))}


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


def one_by_one(text: str) -> str:
    """Each digit and letter of `text` by its name."""
    return " ".join(_NAMES[character] for character in lower(text) if character in _NAMES)


def add_suffix(words: str, suffix: str | None) -> str:
    """`words` with `suffix` joined to the last one: sî + an is siyan, bîst û yek + ê is bîst û yekê."""
    if not suffix:
        return words
    table = TABLE["suffixes"]
    suffix = lower(suffix).removeprefix(table["glide"])
    if words[-1] in VOWELS and suffix[0] in VOWELS:
        return words[:-1] + table["shortened"].get(words[-1], words[-1]) + table["glide"] + suffix
    return words + suffix


def quantity(written: str) -> str:
    """What `QUANTITY` matched, in words."""
    for short, scale in WORDS["short_scales"].items():
        written = re.sub(rf"{short}(?!\w)", f" {scale}", written)
    words = re.sub(NUMBER, lambda number: read(number.group())[0], written)
    return " ".join(re.sub("[-–—]", " ", words).split())


def read(written: str) -> tuple[str, RuleName]:
    """A number that `NUMBER` matched, in words, and the rule by which it was read."""
    compact = re.sub(r"\s", "", written)
    if grouped := GROUPED.fullmatch(compact):
        whole, rest = (grouped[1], grouped[2]) if grouped[1] else (grouped[3], grouped[4])
        compact = re.sub("[.,]", "", whole) + rest
    whole, sign, fraction = re.match(r"([0-9]+)([,.]?)([0-9]*)", compact).groups()  # type: ignore[union-attr]
    # The length first: int() refuses strings of some thousand digits.
    is_code = len(whole) > 13 or int(whole) > LARGEST or (len(whole) > 1 and whole[0] == "0")
    is_code |= written.isdecimal() and len(written) > 7 and not written.endswith("000")
    words = one_by_one(whole) if is_code else spell(int(whole))
    if not sign or fraction == "00":
        return words, "digit by digit" if is_code else "number"
    rest = fraction.lstrip("0")
    zeros = one_by_one(fraction[: len(fraction) - len(rest)])
    read_rest = spell(int(rest)) if 0 < len(rest) <= 2 else one_by_one(rest)
    return " ".join(filter(None, (words, WORDS["decimal"], zeros, read_rest))), "decimal number"
