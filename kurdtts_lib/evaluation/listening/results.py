"""Results of a listening test, with and without inattentive listeners, and their statistical significance."""

import datetime
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.confidence import FEWEST
from kurdtts_lib.evaluation.listening.design import HIDDEN_REFERENCE, LOW_ANCHOR, AnswerKey
from kurdtts_lib.evaluation.listening.statistics import Ratings, alpha, interval
from kurdtts_lib.evaluation.listening.store import Answer, ListeningStore

SIGNIFICANCE = 0.05
"""Family-wise error rate: the probability of reporting a difference that listeners do not hear, over all pairs."""
METHOD = """\
Intervals hold for other listeners and other sentences (Clark 1973, min F'). Those of differences are wider where more
than one pair is compared, so that all together are wrong one time in twenty (Bonferroni)."""


@dataclass(frozen=True)
class Summary:
    """The results of a group of listeners."""

    codes: list[str]
    table: pandas.DataFrame
    """mos: one row per system; cmos: one row per pair. With 95 % confidence intervals."""
    agreement: float
    """Krippendorff's alpha of the ratings; NaN if undefined."""
    verdicts: list[str]
    """For each pair of systems a sentence on whether the difference is significant."""

    def __str__(self) -> str:
        if not self.codes:
            return "Nobody is left."
        agreement = f"Agreement (Krippendorff's alpha): {self.agreement:.2f}"
        table = self.table.to_string(na_rep="unknown", float_format="{:.2f}".format)
        return "\n".join([table, *([] if np.isnan(self.agreement) else [agreement]), *self.verdicts])


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
        key, anchors = self.key, self.listeners["anchors"].tolist()
        head = f"Listening test {key.test} ({key.kind}), {len(key.sentences)} sentences: {', '.join(key.systems)}."
        failed, rest = anchors.count("failed"), anchors.count("not reached")
        parts = [
            "\n".join(filter(None, [head, key.note])),
            self.listeners.to_string(),
            f"All {len(anchors)} listeners:\n{self.everybody}",
            f"Without {failed} who failed the hidden anchors and {rest} who did not reach them:\n{self.attentive}",
            METHOD,
        ]
        return "\n\n".join(parts)


def results(store: ListeningStore, test: str | None = None) -> Results:
    """The results of `test`, by default the newest. Raises ListeningError if it has no answers yet."""
    key = store.key(test)
    answers = store.answers(key.test)
    if not answers:
        raise ListeningError(f"Nobody has answered the listening test {key.test} yet. Import the listeners' files.")
    by_listener = {code: list(own) for code, own in itertools.groupby(answers, lambda answer: answer.code)}
    rows = [
        {"code": code, "answers": len(own), "of": len(key.plan(code)), "anchors": _anchors(key.kind, own)}
        for code, own in by_listener.items()
    ]
    listeners = pandas.DataFrame(rows).set_index("code")
    attentive = [row["code"] for row in rows if row["anchors"] == "passed"]
    return Results(key, listeners, summarize(key, answers, list(by_listener)), summarize(key, answers, attentive))


def opinion(store: ListeningStore, test: str | None, system: str) -> dict[str, Any]:
    """The MOS of a system by the attentive listeners, for a card. Raises ListeningError if it has no interval."""
    found = results(store, test)
    key, attentive = found.key, found.attentive.codes
    if key.kind != "mos" or system not in key.systems:
        raise ListeningError(
            f"The listening test {key.test} ({key.kind}) gives {system} no opinion score: that takes a test of the "
            f"kind mos, and this one has {', '.join(key.systems)}."
        )
    ratings = _ratings([answer for answer in store.answers(key.test) if answer.code in attentive], system)
    score = interval(ratings)
    if score.low is None:
        raise ListeningError(
            f"The opinion score of {system} has no interval, so it goes on no card: {len(attentive)} listeners passed "
            f"the hidden anchors, and {FEWEST} are needed at least, with {FEWEST} sentences and different answers."
        )
    listeners, sentences = (len({place[axis] for place in ratings}) for axis in (0, 1))
    return {
        "mos": score.mean,
        "low": score.low,
        "high": score.high,
        "listeners": listeners,
        "left_out": len(found.listeners) - len(attentive),
        "sentences": sentences,
        "test": key.test,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _anchors(kind: str, answers: Sequence[Answer]) -> str:
    """Whether a listener put each low anchor below its hidden reference: passed, failed or not reached.

    With two pairs, random answers pass one time in six.
    """
    scores = _scores(kind, answers, HIDDEN_REFERENCE, LOW_ANCHOR).values()
    return "not reached" if not scores else "passed" if min(scores) > 0 else "failed"


def summarize(key: AnswerKey, answers: Sequence[Answer], codes: list[str]) -> Summary:
    """The results of these listeners, without anchors. Several pairs share `SIGNIFICANCE` (Bonferroni)."""
    own = [answer for answer in answers if answer.code in codes]
    pairs = {pair: _scores(key.kind, own, *pair) for pair in itertools.combinations(key.systems, 2)}
    verdicts = [_verdict(key.kind, *pair, scores, SIGNIFICANCE / len(pairs)) for pair, scores in pairs.items()]
    if key.kind == "mos":
        rated = {system: _ratings(own, system) for system in key.systems}
    else:
        rated = {" over ".join(pair): scores for pair, scores in pairs.items()}
    found = pandas.DataFrame([interval(ratings) for ratings in rated.values()], list(rated))
    table = found[["mean", "low", "high"]].astype(float).rename(columns={"mean": key.kind.upper()})
    agreement = alpha(((name, text), value) for name in rated for (_, text), value in rated[name].items())
    return Summary(codes, table.assign(ratings=found["n"]), agreement, verdicts)


def _ratings(answers: Sequence[Answer], system: str) -> Ratings:
    return {(code, trial.sentence): value for code, trial, value, _ in answers if trial.heard == [system]}


def _scores(kind: str, answers: Sequence[Answer], first: str, second: str) -> Ratings:
    """By how much `first` was rated better, where a listener rated both."""
    if kind == "mos":
        ratings, others = _ratings(answers, first), _ratings(answers, second)
        return {place: ratings[place] - others[place] for place in ratings if place in others}
    return {
        (code, trial.sentence): -value if trial.heard[0] == first else value
        for code, trial, value, _ in answers
        if set(trial.heard) == {first, second}
    }


def _verdict(kind: str, first: str, second: str, scores: Ratings, error: float) -> str:
    if not scores:
        return f"Nobody has compared {first} and {second} yet."
    listeners, sentences = (len({place[axis] for place in scores}) for axis in (0, 1))
    text = f"With {listeners} listener{'s' * (listeners > 1)} and {sentences} sentence{'s' * (sentences > 1)}"
    found = interval(scores, 1 - error)
    measured = f"the {'CMOS' if kind == 'cmos' else 'difference of their MOS'} is {found.mean:+.2f}"
    if found.low is None:
        why = "all answers are alike" if min(listeners, sentences) >= FEWEST else "these are too few"
        return f"{text}, {measured} between {first} and {second}; {why} to know what others would say."
    measured += f" ({1 - error:.1%} interval {found.low:+.2f} to {found.high:+.2f})"
    if not found.differs:
        return f"{text}, {first} and {second} cannot be told apart: {measured}."
    better, worse = (first, second) if found.low > 0 else (second, first)
    return f"{text}, listeners prefer {better} to {worse}: {measured}."
