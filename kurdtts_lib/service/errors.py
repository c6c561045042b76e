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
    NotFoundError,
    TakeError,
    TextError,
    TrainingError,
    VoiceError,
)

log = logging.getLogger("kurdtts.service")
RETRY_SECONDS = 5
"""When to try again while another program holds the store: its writes take milliseconds, its backups seconds."""

# The HTTP status and the error code of each exception of the library; the first that fits, so subclasses come first.
KINDS: dict[type[Exception], tuple[int, str]] = {
    TakeError: (422, "unusable_take"),
    AudioError: (415, "undecodable_audio"),
    TextError: (422, "bad_text"),
    NotFoundError: (404, "not_found"),
    FeedbackError: (409, "not_now"),
    TrainingError: (409, "training_runs"),
}
# The error code of each status of FastAPI and Starlette, and a message where theirs is not enough.
CODES = {
    400: ("bad_request", "The request's body cannot be read: it is not whole, or not of its content type."),
    404: ("not_found", ""),
    405: ("wrong_method", ""),
    413: ("too_large", "The body is larger than the service allows (`kurdtts serve --max-mb`)."),
}


class Problem(BaseModel):
    """What happened, for programs and for people."""

    code: str = Field(examples=["bad_text"])
    message: str = Field(examples=["'ر' has no reading in Kurmanji. Write it in Latin letters."])


class Failure(BaseModel):
    """Every answer with a status from 400 up."""

    error: Problem


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": Failure,
        "description": "400: the request cannot be read, or asks for another host. 401: the token is missing or wrong. "
        "403: this web page may not use the service (`--allow-origin`). 404: there is no such thing. 409: not in the "
        "state that things are in. 413: the body is too large. 415: audio that cannot be decoded. "
        "422: a field is missing or wrong, or the content type; the text cannot be said, or the take cannot be used.",
    },
    "5XX": {
        "model": Failure,
        "description": "503: the store or a voice cannot be used now; see Retry-After. 500: see the service's log.",
    },
}
"""Of every endpoint, for the OpenAPI description."""


class ServiceError(HTTPException):
    """An error response. An HTTPException, which FastAPI passes on unchanged if it is raised while a body is read."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.code = code

    def response(self) -> JSONResponse:
        return JSONResponse({"error": {"code": self.code, "message": self.detail}}, self.status_code, self.headers)


def unavailable(code: str, message: str) -> ServiceError:
    """The response (503) to a problem that may be temporary."""
    return ServiceError(503, code, message, {"Retry-After": str(RETRY_SECONDS)})


def add_handlers(app: FastAPI) -> None:
    """Turn every exception into a response."""

    async def respond(request: Request, error: Exception) -> JSONResponse:
        return _as_response(error, request.state.request_id).response()

    for kind in (HTTPException, RequestValidationError, VoiceError, *KINDS, Exception):
        app.add_exception_handler(kind, respond)


def _as_response(error: Exception, id: str) -> ServiceError:
    match error:
        case ServiceError():
            return error
        case HTTPException():
            code, message = CODES.get(error.status_code, ("refused", ""))
            return ServiceError(error.status_code, code, message or str(error.detail), error.headers)
        case RequestValidationError():  # FastAPI's own response repeats the request: texts, names
            places = ((".".join(map(str, each["loc"][1:])) or "body", each["msg"]) for each in error.errors())
            return ServiceError(422, "invalid", "; ".join(f"{place}: {message}" for place, message in places))
        case FeedbackError(__cause__=sqlite3.Error() | OSError()):
            log.error("request %s: the store: %s", id, error)  # names local files, but no client's data
            message = "The store is in use, or cannot be written or read: the service's log says which. Try again soon."
            return unavailable("store_unusable", message)
        case VoiceError():
            log.error("request %s: a voice: %s", id, error)
            return unavailable("voice_unusable", "The voice cannot be loaded. The log says why.")
    for kind, (status, code) in KINDS.items():
        if isinstance(error, kind):
            return ServiceError(status, code, str(error))
    return ServiceError(500, "bug", f"Something went wrong inside the service; its log says more at request {id}.")
