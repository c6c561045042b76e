"""Does a training on corrections correct a word? Twenty words, recorded by the voice's own mouth and by another.

    KURDTTS_HOME=runs/COURSE python benchmarks/corrections.py --folder runs/corrections

Needs the program espeak-ng, which reads everything, and the home of a finished `python start.py`: its first fine-tuned
voice is corrected, with the sample's recordings as replay. Each word is recorded in three sentences and measured in
four others (`feedback/words.py`). `results.csv` in the folder has a row for each word and mouth; what is there is not
run again.
"""

import argparse
import dataclasses
import os
import shutil
from pathlib import Path

import pandas
from clean_speech import Reader, exact, read_aloud
from speakers import READERS

from kurdtts_lib.core.files import write_text
from kurdtts_lib.core.settings import Profile, home, load_profile
from kurdtts_lib.feedback.finetune import FeedbackTraining
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.words import is_fixed, word_changes
from kurdtts_lib.vits.voice import load_voice
from kurdtts_lib.voices import registry

MOUTHS = dict(zip(("own", "another"), READERS, strict=False))
WORDS = {
    "vowel": ["doktor dixtor", "telefon telefûn", "mamoste mamosta", "welat wilat", "bajar bajêr", "gund gond",
              "sêv sîv", "heval hevel", "dikan dukan"],
    "consonant": ["xwarin xarin", "mirov miroz", "kevir kefir", "masî mazî", "pirtûk birtûk"],
    "sound more or less": ["penêr penîrk", "çem çemik", "hesp esp"],
    "name": ["Chopin şopen", "Renault rino", "Peugeot pejo"],
}  # fmt: skip
"""By the kind of the correction: as written, and as said. Some are dialect, some made up to be of their kind."""
RECORDED = ("{} li vir e.", "Ev {} e.", "Min {} dît.")
MEASURED = ("{} li wir e.", "Em {} dibînin.", "Ew {} bû.", "Ka {} çi ye?")


def corrected(word: str, said: str, reader: Reader, profile: Profile) -> dict[str, float | bool]:
    """Train on the recordings of one word, from the current voice, and measure the word."""
    shutil.rmtree(home() / "data" / "feedback", ignore_errors=True)
    store, parent = FeedbackStore(), registry.current()
    rate = profile.audio.sampling_rate
    for frame in RECORDED:
        sound = exact(read_aloud(frame.format(said), reader.options, rate))
        store.accept(store.submit((sound, rate), frame.format(word), consent=True, voice=parent.folder.name).id)
    task = FeedbackTraining(profile, store)
    task.trainer.run()
    voice, step = task.trainer.best_voice()
    sentences = [frame.format(word) for frame in MEASURED]
    changes = word_changes(load_voice(str(parent.folder)), voice, word, said, sentences, profile.audio)
    return {"fixed": is_fixed(changes), **changes.mean().to_dict(), "step": step, "seconds": task.trainer.seconds}


def summary(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Share fixed and mean distances (dB), by mouth and kind."""
    numbers = ["fixed", "to right", "to wrong", "between", "others", "seconds"]
    by_kind, by_mouth = (rows.groupby(by)[numbers].mean() for by in (["mouth", "kind"], ["mouth"]))
    return pandas.concat([by_kind, by_mouth.set_index(pandas.MultiIndex.from_product([by_mouth.index, ["all"]]))])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure whether corrections correct words.")
    parser.add_argument("--folder", type=Path, required=True, help="for results and trainings")
    parser.add_argument("--mouths", default=",".join(MOUTHS))
    parser.add_argument("--steps", type=int, help="in place of the profile's")
    given = parser.parse_args()
    table, course = given.folder / "results.csv", home()
    rows = pandas.read_csv(table).to_dict("records") if table.is_file() else []
    done = {(row["word"], row["mouth"]) for row in rows}
    for name in ("models", "data"):
        if not (given.folder / name).exists():
            shutil.copytree(course / name, given.folder / name)
    os.environ["KURDTTS_HOME"] = str(given.folder.resolve())
    registry.use(1, anyway=True)
    profile = load_profile("sample")
    if given.steps:
        profile = dataclasses.replace(profile, feedback=dataclasses.replace(profile.feedback, steps=given.steps))
    for mouth in given.mouths.split(","):
        for kind, pairs in WORDS.items():
            for word, said in map(str.split, pairs):
                if (word, mouth) not in done:
                    found = corrected(word, said, MOUTHS[mouth], profile)
                    rows.append({"mouth": mouth, "kind": kind, "word": word, "said": said, **found})
                    write_text(table, pandas.DataFrame(rows).to_csv(index=False))
                    print(rows[-1], flush=True)
    print(summary(pandas.DataFrame(rows)).to_string(float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    main()
