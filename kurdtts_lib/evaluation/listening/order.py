"""In which order each listener hears what, so that neither place nor side favours a system."""

import itertools

import numpy as np

TRIES = 300
"""Random orders that are drawn to find one without the same sentence twice in succession."""


def order(
    units: int, sentences: int, anchors: list[int], listener: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """One listener's items as (unit, sentence), in the order of hearing. A unit is a system, or a pair of systems.

    In every run of `units` items each unit stands once, and over `units` listeners in succession each unit stands
    once at each place (a cyclic Latin square, turned by one for the next listener and for the next run). Which
    sentence comes when is drawn.
    anchors: the sentence of each anchor; they become units -1, -2 ... and are put in anywhere; places are balanced
    without counting them. No sentence follows itself, if one of 300 draws has this; else the best of them.
    """
    best: list[tuple[int, int]] = []
    fewest = np.inf
    for _ in range(TRIES):
        drawn, shift = rng.permutation(sentences), rng.permutation(max(units, sentences))[:units]
        items = []
        for run in range(sentences):
            row = (np.arange(units) + listener + run) % units
            items += [(int(unit), int(drawn[(run + shift[unit]) % sentences])) for unit in row]
        for number, sentence in enumerate(anchors, 1):
            items.insert(int(rng.integers(len(items) + 1)), (-number, sentence))
        repeats = sum(first[1] == second[1] for first, second in itertools.pairwise(items))
        if repeats < fewest:
            best, fewest = items, repeats
        if repeats == 0:
            break
    return best


def variants(items: int, kinds: int, listeners: int, rng: np.random.Generator) -> np.ndarray:
    """Which of `kinds` forms each listener hears of each item, (listeners, items): sides, and what X is.

    Over each `kinds` listeners in succession every item has each form once; for one listener each form comes equally
    often, to one.
    """
    rows = []
    for listener in range(listeners):
        if listener % kinds == 0:
            start = rng.permutation(np.arange(items) % kinds)
        rows.append((start + listener) % kinds)
    return np.array(rows).reshape(listeners, items)
