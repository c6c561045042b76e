"""HTTP endpoints of speech, the list of voices, and the health check."""

import asyncio
import logging

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from kurdtts_lib import __version__
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.service.errors import Failure, ServiceError, documented
from kurdtts_lib.service.schemas import HealthBody, SpeechRequest, TtsRequest, VoiceBody
from kurdtts_lib.service.speech import MEDIA_TYPES
from kurdtts_lib.service.state import Shared
from kurdtts_lib.voices import registry

log = logging.getLogger("kurdtts.service")
router = APIRouter()


async def json_only(request: Request) -> None:
    """Raises ServiceError unless the content type is JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ServiceError(415, "wrong_content_type", "Send JSON, with Content-Type: application/json.")


def _sound(*media_types: str) -> dict:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {"description": "The sound", "content": {media_type: binary for media_type in media_types}}


@router.post(
    "/v1/audio/speech",
    response_class=Response,
    dependencies=[Depends(json_only)],
    responses={200: _sound(*MEDIA_TYPES.values()), **documented(404, 413, 415, 422, 429, 503)},
)
def speech(shared: Shared, request: SpeechRequest) -> Response:
    """Speak a text, in the form of OpenAI's speech service. The form pcm arrives clause by clause."""
    if request.response_format == "pcm":
        chunks = shared.speaker.raw_speech(str(request.voice), request.input, request.speed)
        return StreamingResponse(chunks, media_type=MEDIA_TYPES["pcm"])
    content = shared.speaker.speech(str(request.voice), request.input, request.response_format, request.speed)
    return Response(content, media_type=MEDIA_TYPES[request.response_format])


@router.post(
    "/tts",
    response_class=Response,
    dependencies=[Depends(json_only)],
    responses={200: _sound("audio/wav"), **documented(404, 413, 415, 422, 429, 503)},
)
def tts(shared: Shared, request: TtsRequest) -> Response:
    """Speak a text with the current voice, as WAV."""
    return Response(shared.speaker.speech("current", request.text, "wav", 1.0), media_type="audio/wav")


@router.get("/voices", responses=documented(503))
def voices(shared: Shared) -> list[VoiceBody]:
    """All voices, the newest last."""
    tainted = shared.store.tainted_voices()
    return [
        VoiceBody(
            version=entry.version,
            name=entry.name,
            voice=entry.folder.name,
            current=entry.current,
            licence=entry.card.get("licence"),
            date=entry.card.get("date"),
            parent=entry.card.get("parent"),
            faults=entry.faults,
            tainted=entry.folder.name in tainted,
        )
        for entry in registry.voices()
    ]


@router.get("/health", responses={400: {"model": Failure, "description": "Asks for another host"}})
async def health() -> HealthBody:
    """Whether the service answers, and with which voice. Needs no token."""
    voice, why = await asyncio.to_thread(_current)  # responds even while all other threads wait for the store
    return HealthBody(ok=True, version=__version__, voice=voice, why=why)


def _current() -> tuple[str | None, str | None]:
    """The current voice, or why there is none."""
    try:
        entries = registry.voices()
    except VoiceError as error:
        log.error("a voice: %s", error)
        return None, "The list of voices cannot be read. The service's log says why."
    current = next((entry.folder.name for entry in entries if entry.current), None)
    return current, None if current else registry.why_no_current(entries)
