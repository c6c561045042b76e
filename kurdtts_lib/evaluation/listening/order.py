"""Presentation orders balanced over listeners, so that neither position nor side favours a system."""

import itertools

import numpy as np

TRIES = 300
"""Random orders that are tried to avoid the same sentence twice in succession."""


def order(
    units: int, sentences: int, anchors: list[int], listener: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """One listener's items as (unit, sentence), in presentation order. A unit is a system, or a pair of systems.

    Each block of `units` items contains each unit once, and over `units` consecutive listeners each unit is once at
    each position (a cyclic Latin square, shifted by one for each listener and block). The order of sentences is random.
    anchors: the index of each anchor's sentence; anchors become units -1, -2 ... at random positions, and the balance
    does not count them. Of at most `TRIES` random orders the first without a repeated sentence in succession is used,
    or else the one with the fewest repetitions.
    """
    best: list[tuple[int, int]] = []
    fewest = np.inf
    for _ in range(TRIES):
        permutation, shift = rng.permutation(sentences), rng.permutation(max(units, sentences))[:units]
        items = []
        for run in range(sentences):
            row = (np.arange(units) + listener + run) % units
            items += [(int(unit), int(permutation[(run + shift[unit]) % sentences])) for unit in row]
        for number, sentence in enumerate(anchors, 1):
            items.insert(int(rng.integers(len(items) + 1)), (-number, sentence))
        repeats = sum(first[1] == second[1] for first, second in itertools.pairwise(items))
        if repeats < fewest:
            best, fewest = items, repeats
        if repeats == 0:
            break
    return best


def variants(items: int, count: int, listeners: int, rng: np.random.Generator) -> np.ndarray:
    """Which of `count` variants of each item (sides, and which system X is) a listener hears: (listeners, items).

    Over `count` consecutive listeners every item has each variant once; for one listener the numbers of items per
    variant differ by at most one.
    """
    rows = []
    for listener in range(listeners):
        if listener % count == 0:
            start = rng.permutation(np.arange(items) % count)
        rows.append((start + listener) % count)
    return np.array(rows).reshape(listeners, items)
