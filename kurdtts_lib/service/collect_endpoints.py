"""HTTP endpoints of the page for contributors, besides those for submitting and speaking."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile

from kurdtts_lib.feedback.checks import Finding, check_kept
from kurdtts_lib.feedback.takes import encode_take
from kurdtts_lib.service import collect
from kurdtts_lib.service.errors import ServiceError, documented
from kurdtts_lib.service.feedback_endpoints import multipart_only
from kurdtts_lib.service.schemas import CheckedBody, FindingBody, SentencesBody
from kurdtts_lib.service.state import Shared
from kurdtts_lib.voices import registry

router = APIRouter()


@router.get("/collect", include_in_schema=False)
def show_page(request: Request) -> Response:
    """The page."""
    return _response(collect.page(request.app.state.most_bytes))


@router.get("/collect/sentences", responses=documented(503))
def sentences(shared: Shared, request: Request) -> SentencesBody:
    """Sentences to read aloud, those with the fewest takes first, and the voice that can be heard."""
    entries = registry.voices()
    current = next((entry.folder.name for entry in entries if entry.current), None)
    return SentencesBody(
        sentences=collect.fewest_first(request.app.state.sentences, shared.store.corrections()),
        voice=current,
        why=None if current else registry.why_no_current(entries),
    )


@router.post("/collect/check", dependencies=[Depends(multipart_only)], responses=documented(413, 415, 422, 429))
def check(
    shared: Shared,
    audio: Annotated[UploadFile, File(description="As for /feedback")],
    text: Annotated[str, Form(description="What is said in it", min_length=1)],
) -> CheckedBody:
    """Check a take against its text; nothing of it is kept."""
    with shared.checking:
        checks = check_kept(encode_take(audio.file.read()), text)
    return CheckedBody(seconds=checks.seconds, errors=_bodies(checks.errors), warnings=_bodies(checks.warnings))


@router.get("/collect/{name}", include_in_schema=False)
def show_file(name: str) -> Response:
    """A file of the page."""
    path = collect.FILES.get(name)
    if path is None:
        raise ServiceError(404, "not_found", "The page has no such file.")
    return _response(collect.file_of(path))


def _response(file: collect.File) -> Response:
    return Response(file.content, media_type=file.media_type, headers=collect.HEADERS)


def _bodies(findings: list[Finding]) -> list[FindingBody]:
    return [FindingBody(code=finding.code, message=finding) for finding in findings]
