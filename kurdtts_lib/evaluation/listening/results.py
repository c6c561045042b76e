"""Results of a listening test, with and without inattentive listeners, and their statistical significance."""

import datetime
import itertools
from dataclasses import dataclass
from typing import Any

import pandas

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.confidence import FEWEST, rating_interval
from kurdtts_lib.evaluation.listening.design import HIDDEN_REFERENCE, LOW_ANCHOR, AnswerKey
from kurdtts_lib.evaluation.listening.store import ListeningStore

SIGNIFICANCE = 0.05
"""Family-wise error rate: the probability of reporting a difference that listeners do not hear, over all pairs."""
METHOD = """\
Intervals hold for other listeners and other sentences (Clark 1973, min F'). Those of differences are wider where more
than one pair is compared, so that all together are wrong one time in twenty (Bonferroni)."""


@dataclass(frozen=True)
class Summary:
    """The results of a group of listeners."""

    codes: list[str]
    ratings: pandas.DataFrame
    """(code and sentence, systems): the answers, NaN where there is none."""
    table: pandas.DataFrame
    """One row per system: MOS with its 95 % confidence interval."""
    verdicts: list[str]
    """For each pair of systems a sentence on whether the difference is significant."""

    def __str__(self) -> str:
        if not self.codes:
            return "Nobody is left."
        table = self.table.to_string(na_rep="unknown", float_format="{:.2f}".format)
        return "\n".join([table, *self.verdicts])


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
        head = f"Listening test {key.test}, {len(key.sentences)} sentences: {', '.join(key.systems)}."
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
    if answers.empty:
        raise ListeningError(f"Nobody has answered the listening test {key.test} yet. Import the listeners' files.")
    rows = [
        {"code": code, "answers": len(own), "of": len(key.plan(code)), "anchors": _anchors(own)}
        for code, own in answers.groupby("code", sort=False)
    ]
    listeners = pandas.DataFrame(rows).set_index("code")
    attentive = answers[answers["code"].map(listeners["anchors"]) == "passed"]
    return Results(key, listeners, summarize(key, answers), summarize(key, attentive))


def opinion(store: ListeningStore, test: str | None, system: str) -> dict[str, Any]:
    """The MOS of a system by the attentive listeners, for a card. Raises ListeningError if it has no interval."""
    found = results(store, test)
    key, attentive = found.key, found.attentive.codes
    if system not in key.systems:
        raise ListeningError(
            f"The listening test {key.test} gives {system} no opinion score: it has {', '.join(key.systems)}."
        )
    ratings = found.attentive.ratings[system].dropna()
    score = rating_interval(ratings)
    if score.low is None:
        raise ListeningError(
            f"The opinion score of {system} has no interval, so it goes on no card: {len(attentive)} listeners passed "
            f"the hidden anchors, and {FEWEST} are needed at least, with {FEWEST} sentences and different answers."
        )
    listeners, sentences = (len(set(ratings.index.get_level_values(level))) for level in ("code", "sentence"))
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


def _anchors(answers: pandas.DataFrame) -> str:
    rated = answers.pivot(index="sentence", columns="system", values="answer")
    gaps = rated.reindex(columns=[LOW_ANCHOR, HIDDEN_REFERENCE]).diff(axis=1)[HIDDEN_REFERENCE].dropna()
    return "not reached" if gaps.empty else "passed" if (gaps > 0).all() else "failed"


def summarize(key: AnswerKey, answers: pandas.DataFrame) -> Summary:
    """The results of these answers, without anchors. Several pairs share `SIGNIFICANCE` (Bonferroni)."""
    ratings = answers.pivot(index=["code", "sentence"], columns="system", values="answer").reindex(columns=key.systems)
    found = pandas.DataFrame([rating_interval(ratings[system].dropna()) for system in key.systems], key.systems)
    table = found[["mean", "low", "high"]].astype(float).rename(columns={"mean": "MOS"}).assign(ratings=found["n"])
    pairs = list(itertools.combinations(key.systems, 2))
    verdicts = [
        _verdict(first, second, (ratings[first] - ratings[second]).dropna(), SIGNIFICANCE / len(pairs))
        for first, second in pairs
    ]
    return Summary(list(answers["code"].unique()), ratings, table, verdicts)


def _verdict(first: str, second: str, differences: pandas.Series, error: float) -> str:
    """differences: `first` minus `second`, by code and sentence, where a listener rated both."""
    if differences.empty:
        return f"Nobody has compared {first} and {second} yet."
    listeners, sentences = map(len, differences.index.remove_unused_levels().levels)
    text = f"With {listeners} listener{'s' * (listeners > 1)} and {sentences} sentence{'s' * (sentences > 1)}"
    found = rating_interval(differences, 1 - error)
    measured = f"the difference of their MOS is {found.mean:+.2f}"
    if found.low is None or found.high is None:
        why = "all answers are alike" if min(listeners, sentences) >= FEWEST else "these are too few"
        return f"{text}, {measured} between {first} and {second}; {why} to know what others would say."
    measured += f" ({1 - error:.1%} interval {found.low:+.2f} to {found.high:+.2f})"
    if not found.differs:
        return f"{text}, {first} and {second} cannot be told apart: {measured}."
    better, worse = (first, second) if found.low > 0 else (second, first)
    return f"{text}, listeners prefer {better} to {worse}: {measured}."
