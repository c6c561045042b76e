"""The store of answers and the files that come back: everything once, nothing that cannot be."""

import concurrent.futures
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from listening import NOW, answer_all, given, sent, sharp, small_test

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.listening.design import AnswerKey
from kurdtts_lib.evaluation.listening.store import ListeningStore, SubmittedAnswer, import_answers

WORTH = sharp({"voice-a": 5, "voice-b": 2})


@pytest.fixture(scope="module")
def key() -> AnswerKey:
    return small_test().key


@pytest.fixture
def code(key: AnswerKey) -> str:
    return next(iter(key.plans))


@pytest.fixture
def store(tmp_path: Path, key: AnswerKey) -> ListeningStore:
    store = ListeningStore(tmp_path / "listening")
    store.keep(key)
    return store


def test_half_a_test_is_taken_and_the_rest_later_and_nothing_twice(
    store: ListeningStore, key: AnswerKey, code: str, tmp_path: Path
) -> None:
    old = sent(tmp_path, key, code, WORTH, 3, headphones=[1] * 6)  # as pages of version 0.1.0 wrote it
    assert import_answers(store, old) == f"{code}: 3 of 10 answers, 3 of them new (test {key.test})"
    again = ListeningStore(store.folder)  # as another program
    for new in (7, 0):
        assert f"10 of 10 answers, {new} of them new" in import_answers(again, sent(tmp_path, key, code, WORTH))
    assert again.tests() == [key.test] and again.key() == again.key(key.test) == key
    kept = [tuple(row) for row in again.answers(key.test).itertuples(index=False)]
    assert kept == [(code, *vars(trial).values(), WORTH(trial)) for trial in key.plan(code)]


def test_another_answer_or_moment_is_another_listener(store: ListeningStore, key: AnswerKey, code: str) -> None:
    item = key.plan(code)[0].item
    assert store.add(key.test, code, [SubmittedAnswer(item, 4, 1, NOW)]) == 1
    for other in (SubmittedAnswer(item, 5, 1, NOW), SubmittedAnswer(item, 4, 1, "2026-05-02T12:00:00+00:00")):
        with pytest.raises(ListeningError, match="two listeners used it"):
            store.add(key.test, code, [other])
    assert store.answers(key.test)["answer"].tolist() == [4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": "x"}, "no item 'x'"),
        ({"answer": 0}, "from 1 to 5, not 0"),
        ({"answer": 6}, "from 1 to 5, not 6"),
        ({"answer": True}, "not True"),
        ({"answer": 4.5}, "not 4.5"),
        ({"plays": 0}, "must be heard once"),
        ({"plays": 10**9}, "cannot be"),
        ({"time": 7}, "no time such as"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_with_it_all_that_came_along(
    store: ListeningStore, key: AnswerKey, code: str, change: dict[str, Any], message: str
) -> None:
    good, other = list(given(key, code, WORTH))[:2]
    with pytest.raises(ListeningError, match=message):
        store.add(key.test, code, [good, dataclasses.replace(other, **change)])
    assert store.answers(key.test).empty


def test_many_listeners_at_a_time_lose_nothing(store: ListeningStore, key: AnswerKey) -> None:
    def listen(code: str) -> int:
        own = ListeningStore(store.folder)
        return sum(own.add(key.test, code, [each]) for each in given(key, code, WORTH))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(listen, key.plans)) == [10] * 4
    assert len(store.answers(key.test)) == 40


def test_a_damaged_file_of_the_store_is_told(store: ListeningStore, key: AnswerKey, code: str) -> None:
    answer_all(store, key, code, WORTH)
    (store.folder / key.test / f"answers-{code}.json").write_bytes(b"{")
    with pytest.raises(ListeningError, match=f"answers-{code}.json is damaged"):
        store.answers(key.test)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "kurdtts-listening-answers-9"}, "another version"),
        ({"test": "0123456789ab"}, "no listening test '0123456789ab' here"),
        ({"test": None}, "cannot be read as a listener's file"),
        ({"code": "AAAA"}, "no code 'AAAA'"),
        ({"code": []}, "cannot be read as a listener's file"),
        ({"code": "A" * 10_000}, "no code 'A{99}. "),
        ({"answers": 7}, "cannot be read as a listener's file"),
        ({"answers": [{"item": "x"}]}, "'answer', 'plays', and 'time'"),
        ({"answers": [{"item": "x", "answer": 1, "plays": 1, "time": NOW}]}, "no item 'x'"),
    ],
)
def test_a_foreign_file_is_refused_by_name(
    store: ListeningStore, key: AnswerKey, code: str, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = sent(tmp_path, key, code, WORTH, **changes)
    with pytest.raises(ListeningError, match=message) as error:
        import_answers(store, path)
    assert str(path) in str(error.value)
    assert store.answers(key.test).empty


def test_a_missing_or_damaged_file_is_refused_by_name(store: ListeningStore, tmp_path: Path) -> None:
    for content in (None, b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000):
        if content is not None:
            (tmp_path / "answers.json").write_bytes(content)
        with pytest.raises(ListeningError, match=r"answers\.json"):
            import_answers(store, tmp_path / "answers.json")
