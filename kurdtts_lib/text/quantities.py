"""Reading rules of quantities: percent, units, money, fractions, degrees, arithmetic, ranges, ordinals, signs."""

import re
import unicodedata

from kurdtts_lib.text.language import CAPITALS, LETTERS, TABLE, alternatives, lower
from kurdtts_lib.text.numbers import NUMBER, QUANTITY, RANGE, WORDS, add_suffix, one_by_one, quantity, read, spell
from kurdtts_lib.text.rules import FRACTIONS, SUFFIX, Doubt, Reading, before, reads, row, rows

MINUS = "(?P<minus>−)?"
SIGNED_QUANTITY = rf"{MINUS}(?P<number>{QUANTITY})"


def _signed(match: re.Match[str]) -> str:
    """The words of a quantity, with its sign."""
    return (f"{WORDS['minus']} " if match["minus"] else "") + quantity(match["number"])


PERCENT = f"(?P<sign>{alternatives(TABLE['percent'])})"


@reads(
    rf"{MINUS}(?<!\d){PERCENT}(?:(?<!\d[ \u00a0].)[ \u00a0])?(?P<number>{QUANTITY}){SUFFIX}",  # not of 5% 10, 5 % 10
    rf"{SIGNED_QUANTITY}[ \u00a0]?{PERCENT}{SUFFIX}",
)
def _percent(match: re.Match[str]) -> Reading:
    words = TABLE["percent"][match["sign"]].format(number=_signed(match)).split(" ")
    said = lower(before(match, 12)).split()[-2:]  # ji %71, ji sedî %71: not twice
    repeated = next((count for count in (2, 1) if said[-count:] == words[:count]), 0)
    return add_suffix(" ".join(words[repeated:]), match["suffix"]), "percent"


UNIT = rf"(?:{alternatives(TABLE['units'])})(?:[{''.join(TABLE['unit_powers'])}](?!\d))?"


def measure(sign: str) -> str:
    """A currency, or a unit with its power and the unit after its `/`, in words."""
    if sign in TABLE["currency"]:
        return TABLE["currency"][sign]
    units, (unit, _, per) = TABLE["units"], sign.partition("/")
    words = units[unit] if unit in units else f"{units[unit[:-1]]} {TABLE['unit_powers'][unit[-1]]}"
    return f"{words} {per_unit(per)}" if per else words


def per_unit(sign: str) -> str:
    """The words for `/` and a unit after it."""
    table = TABLE["compounds"]
    return table["per"].format(unit=add_suffix(measure(sign), table["suffix"]))


CURRENCY = alternatives(TABLE["currency"])
ONES = "".join(FRACTIONS)


@reads(
    rf"{MINUS}(?<![\d/.,])(?:(?P<whole>\d{{1,3}})(?: (?=\d+/)| ?(?=[{ONES}])))?"
    rf"(?:(?P<part>\d{{1,3}}/\d{{1,3}})|(?P<one>[{ONES}]))(?![\d/])"
    rf"(?:[ \u00a0]?(?P<sign>{CURRENCY}|{UNIT})(?!\w))?{SUFFIX}"
)
def _fraction(match: re.Match[str]) -> Reading | None:
    written = FRACTIONS.get(match["one"] or "") or match["part"]
    words = _part(*map(int, written.split("/")))
    if words is None:
        return None
    if match["whole"]:
        words = spell(int(match["whole"])) + WORDS["joiner"] + words
    parts = [WORDS["minus"] if match["minus"] else "", words, measure(match["sign"]) if match["sign"] else ""]
    return add_suffix(" ".join(filter(None, parts)), match["suffix"]), "fraction"


def _part(count: int, whole: int) -> str | None:
    table = TABLE["fractions"]
    if not 0 < count < whole <= 100:
        return None  # 24/7 is not a fraction
    part = table["part"].format(whole=add_suffix(spell(whole), table["whole_suffix"]), count=spell(count))
    return table["named"].get(f"{count}/{whole}", part)


_MINUTES = r"[0-5]?\d(?:[.,]\d+)?"


@reads(
    rf"(?P<degree>{NUMBER})° ?(?:(?P<minute>{_MINUTES})' ?)?(?:(?P<second>{_MINUTES})(?:''|[\"”″]) ?)?"
    rf"(?P<direction>{alternatives(TABLE['directions'])})?(?!\w)",
    r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>[0-5]\d):(?P<second>[0-5]\d)(?![\d:])",
    r"(?<![\w.,])(?P<minute>\d{1,3})'(?P<second>[0-5]?\d)(?:''|[\"”″])(?P<hundredths>\d\d?)?(?!\w)",
    r"(?<![\w.,])(?P<second>[0-5]?\d)(?:''|[\"”″])(?P<hundredths>\d\d?)(?!\w)",
)
def _degrees(match: re.Match[str]) -> Reading | None:
    found, table = match.groupdict(), TABLE["degrees"]
    parts = [f"{read(found[name])[0]} {word}" for name, word in table.items() if found.get(name)]
    if len(parts) == 1 and not found.get("direction") and not found.get("hundredths"):
        return None  # a temperature
    words = WORDS["joiner"].join(parts)
    after_them = spell(int(found["hundredths"])) if found.get("hundredths") else ""
    after_them += TABLE["directions"].get(found.get("direction"), "")
    return f"{words} {after_them}".strip(), "degrees" if "degree" in found else "time"


@reads(rows("places"), needs="code")
def _place(match: re.Match[str]) -> Reading:
    return row("places", match), "symbol"


@reads(rows("doubtful"), needs="code")
def _doubtful(match: re.Match[str]) -> Reading:
    words = row("doubtful", match) or one_by_one(match.group())
    raise Doubt(match.group(), (words, "symbol") if words.strip() else None)


def _measured(signs: str) -> tuple[str, str]:
    """Patterns for a quantity before one of `signs`: alone, or with a suffix attached (5 kmyan)."""
    number = rf"{SIGNED_QUANTITY}(?:,[-–])?[ \u00a0]?(?P<sign>{signs})"
    return rf"{number}(?![\w²³]|/(?![0-9]))(?:\.(?=[{LETTERS}]))?{SUFFIX}", rf"{number}{SUFFIX}(?![\w/])"


@reads(
    *_measured(CURRENCY),
    rf"{MINUS}(?<!\w)(?P<sign>{CURRENCY})[ \u00a0]?(?P<number>{QUANTITY}){SUFFIX}",
    *_measured(f"{UNIT}(?:/{UNIT})?"),
)
def _measure(match: re.Match[str]) -> Reading | None:
    if match["sign"] == TABLE["times"]["minute"] and re.fullmatch(r"\d{4}", match["number"]):
        return None  # di 2014 min ew dît: a year, and "I"
    words = f"{_signed(match)} {measure(match['sign'])}"
    return add_suffix(words, match["suffix"]), "currency" if match["sign"] in TABLE["currency"] else "unit"


@reads(rf"(?P<number>{NUMBER})(?:″|(?P<quote>\"|''))(?!\w)")
def _inches(match: re.Match[str]) -> Reading | None:
    if match["quote"] and before(match, 300).count(match["quote"]) % 2:
        return None  # it closes a quotation
    words = f"{read(match['number'])[0]} {TABLE['degrees']['inch']}"
    if match["quote"] and match["number"].isdecimal():
        raise Doubt(match.group(), (words, "unit"))
    return words, "unit"


@reads(rf"/(?P<per>{UNIT})(?!\w)|(?<!\w)(?P<unit>(?:{UNIT})(?:/{UNIT})?)(?![\w/])", needs="sign")
def _unit_alone(match: re.Match[str]) -> Reading | None:
    unit = match["per"] or match["unit"]
    if unit.rstrip(".").isalpha() and (len(unit) == 1 or not match["per"]):
        return None  # a word, or read by its letters
    return (per_unit(unit) if match["per"] else measure(unit)), "unit"


@reads(rows("spelled"), needs="code")
def _spelled(match: re.Match[str]) -> Reading:
    return one_by_one(match.group()), row("spelled", match)


@reads(r"(?<![\w.,])(?P<base>\d{1,2})(?:\^(?P<plain>-?\d{1,3})|(?P<raised>⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))(?!\w)")
def _power(match: re.Match[str]) -> Reading:
    power = match["plain"] or unicodedata.normalize("NFKC", match["raised"])
    minus = f"{WORDS['minus']} " if power[0] in "-−" else ""
    words = f"{spell(int(match['base']))} {TABLE['degrees']['power']} {minus}{spell(int(power.strip('-−')))}"
    return words, "power"


@reads(rf"(?<![-–—])(?P<range>{RANGE}){SUFFIX}")
def _range(match: re.Match[str]) -> Reading:
    return add_suffix(quantity(match["range"]), match["suffix"]), "range"


ORDINAL = rf"(?<![\w.,])(?P<number>[0-9]{{1,4}})\.(?=\s[{LETTERS}])"
"""`5.` in the middle of a sentence: a lowercase letter follows, or a capital and `di`, `li` ... stand before it."""
_AFTER = rf"(?<!\w)(?P<word>(?i:{alternatives(TABLE['ordinals']['after'])}) )"
ORDINAL_NAME = rf"{_AFTER}(?P<number>[0-9]{{1,2}})\.(?=\s(?:[{CAPITALS}]|[0-9]+[-–:][0-9]))"


@reads(ORDINAL, ORDINAL_NAME)
def _ordinal(match: re.Match[str]) -> Reading:
    following = lower(match.string[match.end() + 1 : match.end() + 12])
    of_month = following.startswith(tuple(month[:-1] for month in TABLE["dates"]["months"]))
    suffix = TABLE["dates"]["day"] if of_month else TABLE["suffixes"]["ordinal"]
    return lower(match.groupdict().get("word", "")) + add_suffix(read(match["number"])[0], suffix), "ordinal"


@reads(rf"{MINUS}(?P<number>{NUMBER}){SUFFIX}")
def _number(match: re.Match[str]) -> Reading:
    rule = "negative number" if match["minus"] else read(match["number"])[1]
    return add_suffix(_signed(match), match["suffix"]), rule


SIGNS = TABLE["symbols"] | {sign: words for sign, words in TABLE["currency"].items() if not sign.isalpha()}


@reads(alternatives(SIGNS), needs="sign")
def _sign(match: re.Match[str]) -> Reading:
    return SIGNS[match.group()], "symbol" if match.group() in TABLE["symbols"] else "currency"
