"""Time to normalise 50,000 sentences, on one core.

    python benchmarks/text_front_end.py                        the sample's sentences, and the tests' hard ones
    python benchmarks/text_front_end.py --sentences FILE.txt   a sentence a line, for example Common Voice's

Sentences are repeated until there are 50,000; nothing is cached between them. The time of refused sentences counts too;
their number is printed. Then: the growth of the time for eight times the text, for texts that are likely worst cases.
"""

import argparse
import csv
import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import normalize, split

REPOSITORY = Path(__file__).resolve().parent.parent
SENTENCES = 50_000
REPEATS = 5
REPEATED = ("1", "a", "a-", "a.", "1.234.", "-", "'", "PKK", "1/2 ", "baş, ", "e\u0302", "Dr. ", "@")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=Path, help="UTF-8, a sentence a line")
    options = parser.parse_args()
    if options.sentences:
        measure(options.sentences.name, options.sentences.read_text(encoding="utf-8").splitlines())
    else:
        measure("the sample's sentences", _column(REPOSITORY / "recipes" / "sample_sentences.tsv", "sentence"))
        measure("the tests' hard sentences", _column(REPOSITORY / "tests" / "kurmanji_readings.tsv", "written"))
        measure_growth()


def _column(table: Path, name: str) -> list[str]:
    with table.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def measure(name: str, sentences: Sequence[str]) -> None:
    """Print median time and spread. `sentences`: at least one."""
    texts = list(itertools.islice(itertools.cycle(sentences), SENTENCES))
    _normalize_all(texts[:1000])  # compiles the patterns
    runs = [_normalize_all(texts) for _ in range(REPEATS)]
    seconds = [run[0] for run in runs]
    print(
        f"{name}: {len(set(sentences))} different, {runs[0][1]} of {SENTENCES} refused: "
        f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
    )


def measure_growth() -> None:
    """Print the growth of time from 8,000 to 64,000 characters: about 8 if it is linear, 64 if it is quadratic."""
    for part in REPEATED:
        few, many = (_long_text(part, length) for length in (8_000, 64_000))
        print(f"{part!r} repeated: {many / few:.1f} times longer for 8 times the text ({many:.3f} s)")


def _long_text(part: str, length: int) -> float:
    """The shortest of three times to split and normalise one text, in seconds."""
    text = "a " + part * (length // len(part))
    seconds = []
    for _ in range(3):
        seconds.append(_normalize_all([text])[0])
        started = time.perf_counter()
        split(text)
        seconds[-1] += time.perf_counter() - started
    return min(seconds)


def _normalize_all(texts: Sequence[str]) -> tuple[float, int]:
    refused = 0
    started = time.perf_counter()
    for text in texts:
        try:
            normalize(text)
        except TextError:
            refused += 1
    return time.perf_counter() - started, refused


if __name__ == "__main__":
    main()
