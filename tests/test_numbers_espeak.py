"""Our number words against those of another program: espeak-ng's Kurdish voice, which has a table of its own.

It reads our words and the same number in digits. Both must sound alike, but for the differences explained here.
"""

import random
import re
import shutil
import subprocess
from typing import NamedTuple

import pytest

from kurdtts_lib.text.numbers import spell

ESPEAK = shutil.which("espeak-ng")
NUMBERS = sorted({*range(200), *range(0, 10_000, 100), *random.Random(4).sample(range(10_000), 200)})
STRESS_AND_SPACES = re.compile(r"[ˈˌ\s]")

pytestmark = pytest.mark.skipif(
    ESPEAK is None, reason="the program espeak-ng is not installed: nothing to compare with"
)


class Explained(NamedTuple):
    digits: str
    """A pattern for what espeak-ng says for the digits."""
    words: str
    """What it says for our word in that place."""
    why: str


EXPLAINED = (
    Explained(r"danzdɛ$", "dazdɛ", "12: danzdeh; ours is dazdeh. Both are accepted."),
    Explained(r"panzdɛ$", "pazdɛ", "15: panzdeh; ours is pazdeh. Both are accepted."),
    Explained(r"ʃanzdɛ$", "ʃazdɛ", "16: şanzdeh; ours is şazdeh. Both are accepted."),
    Explained(r"hɪvdɛh$", "hɛvdɛh", "17: hivdeh; ours is hevdeh, as it is written in our sources."),
    Explained(r"hɪʒdɛh$", "hɛʒdɛh", "18: hijdeh; ours is hejdeh, as it is written in our sources."),
    Explained(r"dɛ$", "dɛh", "11 to 16: its table leaves out the last h, but not in 10 and 17 to 19."),
    Explained(r"^sɪfr$", "sɪfɪr", "0: sifr; ours is sifir. The second i is hardly heard."),
    Explained(r"dʒar", "tʃar", "4: a slip in its table, where c stands for ç. In 14 it says çardeh, as we do."),
    Explained(r"hɛjʃt", "hɛʃt", "8: heyşt, another form; ours is heşt, as it is written in our sources."),
    Explained(r"heʃte", "hɛʃte", "80: hêştê, another form; ours is heştê, as it is written in our sources."),
    Explained(r"bɪst", "bist", "20: a short i; ours is bîst, with the long î that is written in our sources."),
)


def sounds(lines: list[str]) -> list[str]:
    """The phonemes of each line, by one process."""
    assert ESPEAK is not None
    finished = subprocess.run(
        [ESPEAK, "-v", "ku", "-q", "--ipa", "--stdin"],
        input="\n\n".join(lines) + "\n",  # an empty line between, or it would join them to one sentence
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=600,
    )
    phonemes = finished.stdout.splitlines()
    assert len(phonemes) == len(lines), "espeak-ng did not answer line by line"
    return [STRESS_AND_SPACES.sub("", line) for line in phonemes]


@pytest.fixture(scope="module")
def heard() -> list[tuple[int, str, str]]:
    """(number, phonemes of its digits, phonemes of our words)."""
    return list(zip(NUMBERS, sounds(list(map(str, NUMBERS))), sounds(list(map(spell, NUMBERS))), strict=True))


def test_espeak_reads_our_words_as_it_reads_the_digits(heard: list[tuple[int, str, str]]) -> None:
    unexplained = []
    for number, digits, words in heard:
        expected = digits
        for row in EXPLAINED:
            expected = re.sub(row.digits, row.words, expected)
        if expected != words:
            unexplained.append(f"{number}: espeak-ng says {digits}, and {words} for our words")
    assert not unexplained, "\n".join([f"{len(unexplained)} unexplained differences:", *unexplained[:20]])


def test_no_explanation_is_stale(heard: list[tuple[int, str, str]]) -> None:
    for row in EXPLAINED:
        said = [words for _, digits, words in heard if re.search(row.digits, digits)]
        assert said, f"espeak-ng no longer says {row.digits}: remove the explanation"
        assert not all(re.search(row.digits, words) for words in said), f"we say {row.digits}, too: remove it"
