"""Request and response bodies of the service. Docstrings and descriptions appear in its OpenAPI description."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

LONGEST_TEXT = 5000
"""Characters to speak at once: about six minutes of speech."""
Short = Annotated[str, StringConstraints(max_length=200)]


class CorrectionBody(BaseModel):
    """A correction, without who gave it."""

    id: str
    state: Literal["submitted", "accepted", "used", "withdrawn"]
    text: str = Field(description="As written; empty after a withdrawal")
    spoken: str = Field(description="As it is said: numbers and abbreviations in words")
    seconds: float
    checks: list[str] = Field(description="What sounds wrong, each in a sentence; the take is kept all the same")
    created: str = Field(description="UTC, ISO 8601")


class SubmittedBody(CorrectionBody):
    repeated: bool = Field(description="The same sound with the same text was there already; it is kept once")


class FindingBody(BaseModel):
    code: str = Field(description="For a page that says it in another language", examples=["too_quiet"])
    message: str = Field(description="What is wrong, and what to do")


class CheckedBody(BaseModel):
    """What was found in a take and its text."""

    seconds: float = Field(description="Length as recorded; 0 if no sound is left in it")
    errors: list[FindingBody] = Field(description="Why it cannot be submitted; empty for a good one")
    warnings: list[FindingBody] = Field(description="What sounds wrong; it can be submitted all the same")


class CurrentVoice(BaseModel):
    voice: str | None = Field(description="The current voice")
    why: str | None = Field(description="Why there is no current voice")


class SentencesBody(CurrentVoice):
    sentences: list[str]


class WithdrawnBody(BaseModel):
    id: str
    state: Literal["withdrawn"]
    voices: list[str] = Field(description="The voices that learned from it; train them again without it")


class JobStartedBody(BaseModel):
    job: str = Field(description="For GET /jobs/{id}")


class JobBody(BaseModel):
    """A training."""

    id: str
    state: Literal["running", "done", "failed"]
    created: str = Field(description="UTC, ISO 8601")
    finished: str | None = None
    step: int = 0
    steps: int | None = Field(None, description="How many there are at most; it stops earlier if nothing gets better")
    message: str = ""
    result: dict | None = Field(
        None,
        description="The new voice: version, folder, faults, figures before and after, and by id why corrections were "
        "left out; null also where the training found nothing better, and then the current voice stays",
    )


class VoiceBody(BaseModel):
    version: int
    name: str
    voice: str = Field(description="The name of its folder: a value of `voice` in /v1/audio/speech")
    speakers: list[str] = Field(description="Of a voice with several; the first one speaks where none is asked for")
    current: bool
    licence: str | None
    date: str | None
    parent: int | None = Field(description="The version that it comes from")
    faults: list[str] = Field(description="Why it may not become the current voice; empty for a good one")
    tainted: bool = Field(description="It learned from a correction that was withdrawn later")


class HealthBody(CurrentVoice):
    ok: bool
    version: str = Field(description="Of kurdtts")


class SpeechRequest(BaseModel):
    """The form of OpenAI's speech service. Other fields are ignored."""

    model: str = Field("kurdtts", description="Ignored: `voice` says it all")
    input: str = Field(description="What to say", examples=["Roj baş"], min_length=1, max_length=LONGEST_TEXT)
    voice: int | str = Field(
        "current",
        description="`current`, a version, or a folder's name of GET /voices; of a voice with several speakers also "
        "with one of them: `current:NAME`",
    )
    response_format: Literal["wav", "flac", "mp3", "opus", "pcm"] = Field(
        "mp3", description="pcm: 16-bit little-endian samples, one channel, 24 kHz, as OpenAI's"
    )
    speed: float = Field(1.0, ge=0.25, le=4.0, allow_inf_nan=False)
