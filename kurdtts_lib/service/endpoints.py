"""The HTTP endpoints."""

import asyncio
import json
import string
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse

from kurdtts_lib import __version__
from kurdtts_lib.feedback.database import Correction
from kurdtts_lib.feedback.takes import LONGEST_SECONDS, Finding, check_take, take_of
from kurdtts_lib.service import collect, schemas
from kurdtts_lib.service.errors import ServiceError
from kurdtts_lib.service.speech import MEDIA_TYPES, current_voice, raw_speech, speech_file
from kurdtts_lib.service.state import Shared
from kurdtts_lib.speech import warnings_of
from kurdtts_lib.voices import registry

router, page = APIRouter(), APIRouter()
"""All endpoints; those of the page for contributors, which is there only if asked for."""
MOST_WARNINGS = 5
"""In a header, whose length servers between may limit to 8 kB."""


@router.post(
    "/feedback",
    status_code=201,
    response_model=schemas.SubmittedBody,
    responses={200: {"model": schemas.SubmittedBody, "description": "It was there already"}},
)
def submit(
    shared: Shared,
    response: Response,
    audio: Annotated[UploadFile, File(description="WAV, FLAC, MP3 or OGG; 60 s at most. Its file name is not used")],
    text: Annotated[str, Form(description="What is said in it", min_length=1)],
    consent: Annotated[bool, Form(description="The speaker agrees that voices learn from it; needed")] = False,
    voice: Annotated[schemas.Short, Form(description="The voice that said it wrong")] = "",
    contributor: Annotated[schemas.Short, Form(description="Who speaks; never given back")] = "",
) -> Correction:
    """Submit a recording of how a text is said right. Once the answer is here, it is safe on the disk."""
    if not consent:
        message = "Consent is needed: the speaker must agree that voices learn from it (consent=true)."
        raise ServiceError(422, "no_consent", message)
    with shared.checking:  # read only here: waiting uploads are on disk, not in memory
        content = audio.file.read()
        correction = shared.store.submit(content, text, contributor=contributor, consent=consent, voice=voice)
    if correction.repeated:
        response.status_code = 200
    response.headers["Location"] = f"/feedback/{correction.id}"
    return correction


# The response models leave out who spoke.


@router.get("/feedback/{id}", response_model=schemas.CorrectionBody)
def show(shared: Shared, id: str) -> Correction:
    """A correction as it is now."""
    return shared.store.get(id)


@router.post("/feedback/train", status_code=202)
def train(shared: Shared) -> schemas.JobStartedBody:
    """Let the current voice learn the accepted corrections: one training at a time, in its own process."""
    return schemas.JobStartedBody(job=shared.jobs.start())


@router.post("/feedback/{id}/accept", response_model=schemas.CorrectionBody)
def accept(shared: Shared, id: str) -> Correction:
    """Let voices learn from a correction."""
    return shared.store.accept(id)


@router.delete("/feedback/{id}")
def withdraw(shared: Shared, id: str) -> schemas.WithdrawnBody:
    """Remove a correction's sound, text and contributor. May be repeated."""
    return schemas.WithdrawnBody(id=id, state="withdrawn", voices=shared.store.withdraw(id))


@router.get("/jobs/{id}")
def job(shared: Shared, id: str) -> schemas.JobBody:
    """How far a training is."""
    return shared.jobs.get(id)


@router.delete("/jobs/{id}", status_code=202)
def stop(shared: Shared, id: str) -> schemas.JobBody:
    """Ask a training to stop after its step. It keeps its checkpoint, and the next training goes on from there."""
    return shared.jobs.stop(id)


def _warnings(text: str) -> dict[str, str]:
    """The header `Speech-Warnings`, if any: a percent-encoded JSON list of what was left out or read by a guess."""
    warnings = warnings_of(text)
    if len(warnings) > MOST_WARNINGS:
        warnings[MOST_WARNINGS:] = [f"{len(warnings) - MOST_WARNINGS} more"]
    return {"Speech-Warnings": quote(json.dumps(warnings, ensure_ascii=False))} if warnings else {}


BINARY = {"schema": {"type": "string", "format": "binary"}}
SOUND = {"description": "The sound", "content": dict.fromkeys(MEDIA_TYPES.values(), BINARY)}


@router.post("/v1/audio/speech", response_class=Response, responses={200: SOUND})
def speech(request: schemas.SpeechRequest) -> Response:
    """Speak a text, in the form of OpenAI's speech service. The form pcm arrives clause by clause."""
    media_type = MEDIA_TYPES[request.response_format]
    if request.response_format == "pcm":
        chunks = raw_speech(str(request.voice), request.input, request.speed)
        return StreamingResponse(chunks, media_type=media_type, headers=_warnings(request.input))
    content = speech_file(str(request.voice), request.input, request.response_format, request.speed)
    return Response(content, media_type=media_type, headers=_warnings(request.input))


@router.get("/voices")
def voices(shared: Shared) -> list[schemas.VoiceBody]:
    """All voices, the newest last."""
    tainted = shared.store.tainted_voices()
    return [
        schemas.VoiceBody(
            version=entry.version,
            name=entry.name,
            voice=entry.folder.name,
            current=entry.current,
            faults=entry.faults,
            tainted=entry.folder.name in tainted,
            **{name: getattr(entry.card, name) for name in ("licence", "date", "parent", "speakers")},
        )
        for entry in registry.voices()
    ]


@router.get("/health")
async def health() -> schemas.HealthBody:
    """Whether the service answers, and with which voice. Needs no token."""
    current = await asyncio.to_thread(current_voice)  # responds even while all other threads wait for the store
    return schemas.HealthBody(ok=True, version=__version__, **current)


@page.get("/collect", include_in_schema=False)
def show_page(shared: Shared) -> Response:
    """The page, with the limits of the service filled in."""
    template = string.Template((collect.OWN / "collect.html").read_text(encoding="utf-8"))
    limits = {"longest_seconds": f"{LONGEST_SECONDS:g}", "most_bytes": shared.settings.most_bytes}
    return HTMLResponse(template.substitute(limits), headers=collect.HEADERS)


@page.get("/collect/sentences")
def sentences(shared: Shared) -> schemas.SentencesBody:
    """Sentences to read aloud, those with the fewest takes first, and the voice that can be heard."""
    chosen = collect.fewest_first(shared.settings.sentences, shared.store.corrections())
    return schemas.SentencesBody(sentences=chosen, **current_voice())


@page.post("/collect/check")
def check(
    shared: Shared,
    audio: Annotated[UploadFile, File(description="As for /feedback")],
    text: Annotated[str, Form(description="What is said in it", min_length=1)],
) -> schemas.CheckedBody:
    """Check a take against its text; nothing of it is kept."""
    with shared.checking:
        checks = check_take(take_of(audio.file.read()), text)
    return schemas.CheckedBody(seconds=checks.seconds, errors=_bodies(checks.errors), warnings=_bodies(checks.warnings))


def _bodies(findings: list[Finding]) -> list[schemas.FindingBody]:
    return [schemas.FindingBody(code=finding.code, message=finding) for finding in findings]


@page.get("/collect/{name}", include_in_schema=False)
def show_file(name: str) -> Response:
    """A file of the page."""
    path = collect.FILES.get(name)
    if path is None:
        raise ServiceError(404, "not_found", "The page has no such file.")
    return FileResponse(path, media_type=collect.TYPES[path.suffix], headers=collect.HEADERS)
