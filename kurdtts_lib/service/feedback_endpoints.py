"""HTTP endpoints of corrections: submit, show, accept, withdraw, train."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from python_multipart.multipart import parse_options_header

from kurdtts_lib.core.errors import NotFoundError
from kurdtts_lib.feedback.records import Correction
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service.errors import ServiceError, documented
from kurdtts_lib.service.schemas import CorrectionBody, JobBody, JobStartedBody, Short, SubmittedBody, WithdrawnBody
from kurdtts_lib.service.state import Shared

router = APIRouter()


async def multipart_only(request: Request) -> None:
    """Raises ServiceError unless the body is multipart/form-data, complete up to its last boundary."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind.lower() != b"multipart/form-data":
        message = "Send the take as multipart/form-data, with the fields audio, text and consent."
        raise ServiceError(415, "wrong_content_type", message)
    # The parser silently drops a truncated field, such as the contributor's name.
    if b"--" + options.get(b"boundary", b"") + b"--" not in request.state.body_tail:
        raise ServiceError(400, "cut_off", "The upload is not whole: its last boundary is missing. Send it again.")


@router.post(
    "/feedback",
    status_code=201,
    response_model=SubmittedBody,
    dependencies=[Depends(multipart_only)],
    responses={
        200: {"model": SubmittedBody, "description": "It was there already"},
        **documented(413, 415, 422, 429, 503),
    },
)
def submit(
    shared: Shared,
    response: Response,
    audio: Annotated[UploadFile, File(description="WAV, FLAC, MP3 or OGG; 60 s at most. Its file name is not used")],
    text: Annotated[str, Form(description="What is said in it", min_length=1)],
    consent: Annotated[bool, Form(description="The speaker agrees that voices learn from it; needed")] = False,
    voice: Annotated[Short, Form(description="The voice that said it wrong")] = "",
    contributor: Annotated[Short, Form(description="Who speaks; never given back")] = "",
) -> SubmittedBody:
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
    return SubmittedBody(**_public(correction), repeated=correction.repeated)


@router.get("/feedback/{id}", responses=documented(404, 503))
def show(shared: Shared, id: str) -> CorrectionBody:
    """A correction as it is now."""
    return CorrectionBody(**_public(_find(shared.store, id)))


@router.post("/feedback/train", status_code=202, responses=documented(409, 429, 503))
def train(shared: Shared) -> JobStartedBody:
    """Let the current voice learn the accepted corrections: one training at a time, in its own process."""
    return JobStartedBody(job=shared.jobs.start())


@router.post("/feedback/{id}/accept", responses=documented(404, 409, 429, 503))
def accept(shared: Shared, id: str) -> CorrectionBody:
    """Let voices learn from a correction."""
    _find(shared.store, id)
    return CorrectionBody(**_public(shared.store.accept(id)))


@router.delete("/feedback/{id}", responses=documented(404, 503))
def withdraw(shared: Shared, id: str) -> WithdrawnBody:
    """Remove a correction's sound, text and contributor. May be repeated."""
    _find(shared.store, id)
    return WithdrawnBody(id=id, state="withdrawn", voices=shared.store.withdraw(id, "over HTTP"))


@router.get("/jobs/{id}", responses=documented(404, 503))
def job(shared: Shared, id: str) -> JobBody:
    """How far a training is."""
    return shared.jobs.get(id)


@router.delete("/jobs/{id}", status_code=202, responses=documented(404, 409, 503))
def stop(shared: Shared, id: str) -> JobBody:
    """Ask a training to stop after its step. It keeps its checkpoint, and the next training goes on from there."""
    return shared.jobs.stop(id)


def _find(store: FeedbackStore, id: str) -> Correction:
    try:
        return store.get(id)
    except NotFoundError as error:
        raise ServiceError(404, "not_found", "There is no correction with this id.") from error


def _public(correction: Correction) -> dict:
    return {name: getattr(correction, name) for name in CorrectionBody.model_fields}
