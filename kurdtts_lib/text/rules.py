"""Reading rules of numbers and signs; `short_forms` has those of words. The words are in the reading table."""

import datetime
import re
from collections.abc import Callable
from typing import Any

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text.language import CAPITALS, LETTERS, TABLE, alternatives
from kurdtts_lib.text.numbers import SCALE, add_suffix, spell
from kurdtts_lib.text.table_checks import RuleName

Reading = tuple[str, RuleName]
"""The spoken words, and the name of the rule."""
Reader = Callable[[re.Match[str]], Reading | None]
"""None leaves the match to the rules after it."""
SEVERAL = "can be read in more than one way. Write it as you would say it."


class Doubt(TextError):
    """`written` has no certain reading. `instead`: what reading aloud says; None leaves it to the rules after it."""

    def __init__(
        self, written: str, instead: Reading | None, reason: TextReason = TextReason.AMBIGUOUS, why: str = SEVERAL
    ) -> None:
        super().__init__(f"{written.strip()!r} {why}", reason, written.strip())
        self.instead = instead


FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
ENDING = rf"(?:{TABLE['suffixes']['glide']})?(?:{alternatives(TABLE['suffixes']['endings'])})"
SUFFIX = rf"(?:(?:['-]?(?P<suffix>{ENDING}|(?!A\b)(?i:{ENDING})))(?!\w))?"
"""In capitals, too; but 12A is no ending."""
NEEDS = {
    "digit": re.compile(f"[0-9{''.join(FRACTIONS)}]"),
    "sign": re.compile(r"[^\w\s.,!?'-]|[²³]|[^\x00-\u036f]"),
    "code": re.compile(f"[0-9≥≤<>~∼§·*²³]|[{CAPITALS}](?![{LETTERS}])"),
    "point": re.compile(rf"\.\s?[,;:{LETTERS}0-9]"),
    "capital": re.compile(f"[{CAPITALS}]{{2}}|[{CAPITALS}](?![{LETTERS}])"),
}
"""Without a match of this a rule is not tried."""
RULES: list[tuple[re.Pattern[str], Reader, str]] = []
"""Where a rule applies, how it reads a match, and its key in `NEEDS`, if any. The more specific ones first."""


def reads(*patterns: str, needs: str = "digit") -> Callable[[Reader], Reader]:
    """Make a function the rule that reads each match of `patterns`. Raises `Doubt` if there is no certain reading."""

    def append(reader: Reader) -> Reader:
        RULES.extend((re.compile(pattern), reader, needs) for pattern in patterns)
        return reader

    return append


def before(match: re.Match[str], length: int = 40) -> str:
    """The text before a match, at most `length` characters of it."""
    return match.string[max(0, match.start() - length) : match.start()]


PARTS = {
    **TABLE["parts"],
    "MEASURED": alternatives([*TABLE["currency"], *TABLE["units"], *TABLE["percent"]]),
    "SCALE": SCALE,
    "ENDING": ENDING,
}
"""Patterns that others of the reading table contain by name: `<TIME>`."""


def expanded(pattern: str) -> str:
    for name, part in PARTS.items():
        pattern = pattern.replace(f"<{name}>", f"(?:{part})")
    return pattern


MEANINGS = [(re.compile(expanded(row)), str.maketrans(signs)) for row, signs in TABLE["meanings"].items()]


def distinct(plain: str) -> str:
    """A folded text, of the same length, in which a sign with several meanings has become one of its own for each."""
    for pattern, signs in MEANINGS:
        plain = pattern.sub(lambda match: match.group().translate(signs), plain)  # noqa: B023 - called at once
    return plain


def rows(section: str) -> str:
    """A pattern for all rows of a section of patterns; the number of the group that matches is that of the row."""
    return "|".join(f"({expanded(pattern)})" for pattern in TABLE[section])


def row(section: str, match: re.Match[str]) -> Any:
    """What the table says on the right of the row that matches."""
    return list(TABLE[section].values())[(match.lastindex or 1) - 1]


DATE = (
    r"(?<![\d.,])(?:(?P<first>\d{1,2})\.? ?[-–] ?)?(?P<day>\d{1,2})(?P<sign> ?/ ?|\. ?|-)(?P<month>\d{1,2})(?P=sign)"
    r"(?P<year>\d{4}|(?<=/)\d\d|(?<=\d\d\.\d\d\.)\d\d)(?![\d])"
)


@reads(DATE + SUFFIX, rf"(?<!\d)(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d){SUFFIX}")
def _date(match: re.Match[str]) -> Reading:
    table, found = TABLE["dates"], match.groupdict()
    day, month, year = int(found["day"]), int(found["month"]), int(found["year"])
    if len(found["year"]) == 2:
        year += 2000 if year < table["pivot"] else 1900
    try:
        datetime.date(year, month, day)
    except ValueError as error:
        why = f"has no reading: no such day ({error}). Correct it, or use words."
        raise Doubt(match.group(), None, TextReason.DATE, why) from error
    days = " ".join(spell(int(one)) for one in (found.get("first"), day) if one is not None)
    spoken_year = add_suffix(spell(year), match["suffix"] or table["year"])
    return f"{add_suffix(days, table['day'])} {table['months'][month - 1]} {spoken_year}", "date"


@reads(rf"(?<![\d:])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?!:?\d){SUFFIX}")
def _time(match: re.Match[str]) -> Reading:
    words, minute = spell(int(match["hour"])), int(match["minute"])
    if minute:
        words += TABLE["numbers"]["joiner"] + (TABLE["times"]["half"] if minute == 30 else spell(minute))
    return add_suffix(words, match["suffix"]), "time"
