"""Results of a listening test, with and without inattentive listeners, and their statistical significance."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.confidence import FEWEST, Estimate
from kurdtts_lib.evaluation.listening.design import HIDDEN_REFERENCE, LOW_ANCHOR, AnswerKey
from kurdtts_lib.evaluation.listening.statistics import Rating, alpha, interval, share
from kurdtts_lib.evaluation.listening.store import Answer, ListeningStore

SIGNIFICANCE = 0.05
"""Family-wise error rate: the probability of reporting a difference that listeners do not hear, over all pairs."""
RATED = """\
Intervals hold for other listeners and other sentences (Clark 1973, min F'). Those of differences are wider where more
than one pair is compared, so that all together are wrong one time in twenty (Bonferroni)."""
METHOD = {"mos": RATED, "cmos": RATED, "abx": "Intervals and p are exact (Clopper and Pearson 1934; binomial test)."}
ANCHOR_RESULTS = {True: "passed", False: "failed", None: "not reached"}


@dataclass(frozen=True)
class Summary:
    """The results of a group of listeners."""

    codes: list[str]
    table: pandas.DataFrame
    """mos: one row per system; cmos, abx: one row per pair. With 95 % confidence intervals."""
    agreement: float
    """Krippendorff's alpha of the ratings; NaN if undefined, and for abx, where X differs between listeners."""
    verdicts: list[str]
    """For each pair of systems a sentence on whether the difference is significant."""


@dataclass(frozen=True)
class Results:
    """All results of one test."""

    key: AnswerKey
    listeners: pandas.DataFrame
    """One row per code with answers: their number, of how many, the anchors."""
    everybody: Summary
    attentive: Summary
    """Only listeners who rated every low anchor below its hidden reference."""

    def __str__(self) -> str:
        key, failed = self.key, int((self.listeners["anchors"] == "failed").sum())
        head = f"Listening test {key.test} ({key.kind}), {len(key.sentences)} sentences: {', '.join(key.systems)}."
        lines = [head, *filter(None, [key.note]), "", self.listeners.to_string(), ""]
        lines += [f"All {len(self.everybody.codes)} listeners:", *_lines(self.everybody), ""]
        rest = len(self.everybody.codes) - len(self.attentive.codes) - failed
        without = f"Without {failed} who failed the hidden anchors and {rest} who did not reach them:"
        return "\n".join([*lines, without, *_lines(self.attentive), "", METHOD[key.kind]])


def results(store: ListeningStore, test: str | None = None) -> Results:
    """The results of `test`, by default the newest. Raises ListeningError if it has no answers yet."""
    key = store.key(test)
    answers = store.answers(key.test)
    if not answers:
        raise ListeningError(f"Nobody has answered the listening test {key.test} yet. Import the listeners' files.")
    codes = list(dict.fromkeys(answer.code for answer in answers))
    passed = {code: passes([answer for answer in answers if answer.code == code], key.kind) for code in codes}
    rows = [
        {
            "code": code,
            "answers": sum(answer.code == code for answer in answers),
            "of": len(key.plan(code)),
            "anchors": ANCHOR_RESULTS[passed[code]],
        }
        for code in codes
    ]
    attentive = [code for code in codes if passed[code]]
    table = pandas.DataFrame(rows).set_index("code")
    return Results(key, table, summarize(key, answers, codes), summarize(key, answers, attentive))


def passes(answers: Sequence[Answer], kind: str) -> bool | None:
    """Whether one listener put each low anchor below its hidden reference; None without an answered pair.

    With two pairs, random answers pass one time in six (mos, cmos) or in four (abx).
    """
    anchors = [answer for answer in answers if _is_anchor(answer)]
    if kind == "abx":
        right = [_is_right(answer) for answer in anchors]
    else:
        right = [rating.value > 0 for rating in _compared(kind, anchors, HIDDEN_REFERENCE, LOW_ANCHOR)]
    return all(right) if right else None


def summarize(key: AnswerKey, answers: Sequence[Answer], codes: Sequence[str]) -> Summary:
    """The results of these listeners, without anchors."""
    heard = [answer for answer in answers if answer.code in codes and not _is_anchor(answer)]
    return (_abx if key.kind == "abx" else _rated)(key, heard, list(codes))


def _rated(key: AnswerKey, answers: list[Answer], codes: list[str]) -> Summary:
    """mos and cmos. Each pair's interval has the Bonferroni-corrected confidence level."""
    pairs = list(itertools.combinations(key.systems, 2))
    level = 1 - SIGNIFICANCE / len(pairs)
    of_pairs = {pair: _compared(key.kind, answers, *pair) for pair in pairs}
    if key.kind == "mos":
        rows = {system: _row("MOS", interval(_ratings(answers, system))) for system in key.systems}
        agreement = alpha((answer.trial.item, answer.answer) for answer in answers)
    else:
        rows = {" over ".join(pair): _row("CMOS", interval(ratings)) for pair, ratings in of_pairs.items()}
        agreement = alpha((answer.trial.item, _preference(answer, min(answer.trial.heard))) for answer in answers)
    measure = "the difference of their MOS is" if key.kind == "mos" else "the CMOS is"
    verdicts = [_verdict(*pair, ratings, level, measure) for pair, ratings in of_pairs.items()]
    return Summary(codes, pandas.DataFrame.from_dict(rows, orient="index"), agreement, verdicts)


def _ratings(answers: list[Answer], system: str) -> list[Rating]:
    own = [answer for answer in answers if answer.trial.heard == [system]]
    return [Rating(answer.code, answer.trial.sentence, answer.answer) for answer in own]


def _compared(kind: str, answers: list[Answer], first: str, second: str) -> list[Rating]:
    """By how much the first system was rated better. mos: where a listener rated both of them in one sentence."""
    if kind == "cmos":
        own = [answer for answer in answers if set(answer.trial.heard) == {first, second}]
        return [Rating(answer.code, answer.trial.sentence, _preference(answer, first)) for answer in own]
    other = {rating[:2]: rating.value for rating in _ratings(answers, second)}
    both = [rating for rating in _ratings(answers, first) if rating[:2] in other]
    return [rating._replace(value=rating.value - other[rating[:2]]) for rating in both]


def _abx(key: AnswerKey, answers: list[Answer], codes: list[str]) -> Summary:
    rows: dict[str, dict[str, float]] = {}
    verdicts = []
    pairs = list(itertools.combinations(key.systems, 2))
    for first, second in pairs:
        right = [_is_right(answer) for answer in answers if set(answer.trial.heard) == {first, second}]
        row = rows[f"{first}, {second}"] = {"right": sum(right), "answers": len(right)}
        if not right:
            verdicts.append(f"Nobody has compared {first} and {second} yet.")
            continue
        low, high, p_value = share(sum(right), len(right))
        row |= {"share": sum(right) / len(right), "low": low, "high": high, "p": p_value}
        real = p_value < SIGNIFICANCE / len(pairs)
        verdicts.append(
            f"With {_count(len(codes), 'listener')}, {first} and {second} {'can' if real else 'cannot'} be told "
            f"apart: {sum(right)} of {len(right)} answers were right; guessing would be as good with a probability "
            f"of {p_value:.2g}."
        )
    return Summary(codes, pandas.DataFrame.from_dict(rows, orient="index"), float("nan"), verdicts)


def _is_anchor(answer: Answer) -> bool:
    return answer.trial.heard[0] in (LOW_ANCHOR, HIDDEN_REFERENCE)


def _preference(answer: Answer, system: str) -> int:
    """How much better `system` was rated than the other one, -3 to 3."""
    return answer.answer if answer.trial.heard[1] == system else -answer.answer


def _is_right(answer: Answer) -> bool:
    return answer.trial.heard[answer.answer] == answer.trial.heard[2]


def _row(name: str, found: Estimate) -> dict[str, float]:
    values = {name: found.mean, "low": found.low, "high": found.high}
    return {key: np.nan if value is None else value for key, value in values.items()} | {"ratings": found.n}


def _verdict(first: str, second: str, ratings: list[Rating], level: float, measure: str) -> str:
    found = interval(ratings, level)
    counts = len({rating.listener for rating in ratings}), len({rating.sentence for rating in ratings})
    with_ = f"With {_count(counts[0], 'listener')} and {_count(counts[1], 'sentence')}"
    if found.mean is None:
        return f"Nobody has compared {first} and {second} yet."
    if found.low is None or found.high is None:
        why = "all answers are alike" if min(counts) >= FEWEST else "these are too few"
        return (
            f"{with_}, {measure} {found.mean:+.2f} between {first} and {second}; {why} to know what others would say."
        )
    range_ = f"{measure} {found.mean:+.2f} ({level:.1%} interval {found.low:+.2f} to {found.high:+.2f})"
    if not found.differs:
        return f"{with_}, {first} and {second} cannot be told apart: {range_}."
    better, worse = (first, second) if found.mean > 0 else (second, first)
    return f"{with_}, listeners prefer {better} to {worse}: {range_}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _lines(summary: Summary) -> list[str]:
    if not summary.codes:
        return ["Nobody is left."]
    agreement = [] if np.isnan(summary.agreement) else [f"Agreement (Krippendorff's alpha): {summary.agreement:.2f}"]
    table = summary.table.to_string(na_rep="unknown", float_format="{:.2f}".format, formatters={"p": "{:.2g}".format})
    return [table, *agreement, *summary.verdicts]
