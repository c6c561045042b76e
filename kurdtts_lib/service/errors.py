"""Error responses, all of the form {"error": {"code": ..., "message": ...}}; those of validation quote no input."""

import logging
import sqlite3
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from kurdtts_lib.core.errors import (
    AudioError,
    FeedbackError,
    KurdTTSError,
    TakeError,
    TextError,
    TrainingError,
    VoiceError,
)

log = logging.getLogger("kurdtts.service")
RETRY_SECONDS = 5
"""When to try again while another program holds the store: its writes take milliseconds, its backups seconds."""

# The HTTP status and the error code of each exception of the library.
KINDS: dict[type[KurdTTSError], tuple[int, str]] = {
    AudioError: (415, "undecodable_audio"),
    TextError: (422, "bad_text"),
    TakeError: (422, "unusable_take"),
    FeedbackError: (409, "not_now"),
    TrainingError: (409, "training_impossible"),
}
CODES = {400: "bad_request", 404: "not_found", 405: "wrong_method"}


class Problem(BaseModel):
    """What happened, for programs and for people."""

    code: str = Field(examples=["bad_text"])
    message: str = Field(examples=["'ر' has no reading in Kurmanji. Write it in Latin letters."])


class Failure(BaseModel):
    """Every answer with a status from 400 up."""

    error: Problem


DESCRIPTIONS = {
    400: "The request cannot be read, or asks for another host",
    401: "The token is missing or wrong",
    403: "This web page may not use the service (`--allow-origin`)",
    404: "There is no such thing",
    409: "Not in the state that things are in",
    413: "The body is too large",
    415: "Wrong content type, or audio that cannot be decoded",
    422: "A field is missing or has a wrong value, the text cannot be said, or the take cannot be used",
    429: "Too many requests; see Retry-After",
    503: "The store or a voice cannot be used now; see Retry-After",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """An endpoint's error responses for its OpenAPI description; those common to all endpoints are added."""
    return {
        status: {"model": Failure, "description": DESCRIPTIONS[status]} for status in sorted({400, 401, 403, *statuses})
    }


class ServiceError(HTTPException):
    """An error response. An HTTPException, which FastAPI passes on unchanged if it is raised while a body is read."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.code = code


def answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def unavailable(code: str, message: str) -> ServiceError:
    """The response (503) to a problem that may be temporary."""
    return ServiceError(503, code, message, {"Retry-After": str(RETRY_SECONDS)})


def add_handlers(app: FastAPI) -> None:
    """Register the handlers that turn exceptions into responses."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(KurdTTSError, _library_error)
    app.add_exception_handler(Exception, _bug)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, ServiceError):
        return answer(error.status_code, error.code, str(error.detail), error.headers)
    code = CODES.get(error.status_code, "refused")
    messages = {400: "The request's body cannot be read: it is not whole, or not of its content type."}
    return answer(error.status_code, code, messages.get(error.status_code, str(error.detail)), error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Replaces FastAPI's response, which repeats the request: texts and names must not reach the logs of others."""
    assert isinstance(error, RequestValidationError)
    found = (f"{'.'.join(str(part) for part in each['loc'][1:]) or 'body'}: {each['msg']}" for each in error.errors())
    return answer(422, "invalid", "; ".join(found))


async def _library_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KurdTTSError)
    id = request.state.request_id
    cause = error.__cause__
    if isinstance(error, FeedbackError) and isinstance(cause, sqlite3.Error | OSError):
        log.error("request %s: the store: %s", id, error)  # names local files, but no client's data
        return await _refused(request, _store_problem(cause))
    if isinstance(error, VoiceError):
        log.error("request %s: a voice: %s", id, error)
        return await _refused(request, unavailable("voice_unusable", "The voice cannot be loaded. The log says why."))
    kind = next((kind for kind in type(error).__mro__ if kind in KINDS), None)
    if kind is None:
        log.error("request %s: %s", id, type(error).__name__)
        return answer(500, "failed", f"The service cannot do this now; its log says more at request {id}.")
    return answer(*KINDS[kind], str(error))


def _store_problem(cause: sqlite3.Error | OSError) -> ServiceError:
    busy = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    if getattr(cause, "sqlite_errorcode", 0) & 0xFF in busy:
        return unavailable("store_locked", "Another program uses the store. Nothing was changed; try again soon.")
    return unavailable("store_unusable", "The store cannot be written or read. The service's log says why.")


async def _bug(request: Request, _: Exception) -> JSONResponse:
    id = request.state.request_id
    return answer(500, "bug", f"Something went wrong inside the service; its log says more at request {id}.")
