"""Subtitles with the times of sentences or words."""

from collections.abc import Iterable

from kurdtts_lib.speech.synthesis import SpokenClause


def srt(clauses: Iterable[SpokenClause], words: bool = False) -> str:
    """Subtitles in SubRip format (.srt): one for each sentence, or for each word."""
    rows = _words(clauses) if words else _sentences(clauses)
    return "\n".join(
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{' '.join(text.split())}\n"
        for number, (text, start, end) in enumerate(rows, 1)
    )


def _sentences(clauses: Iterable[SpokenClause]) -> list[tuple[str, float, float]]:
    rows: list[tuple[str, float, float]] = []
    open_ = False
    for clause in clauses:
        if open_:
            text, start, _ = rows.pop()
            rows.append((f"{text} {clause.text}", start, clause.end))
        else:
            rows.append((clause.text, clause.start, clause.end))
        open_ = not clause.ends_sentence
    return rows


def _words(clauses: Iterable[SpokenClause]) -> list[tuple[str, float, float]]:
    return [word for clause in clauses for word in clause.words]


def _clock(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"
