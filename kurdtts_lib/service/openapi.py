"""The OpenAPI description (`/openapi.json`), with what FastAPI cannot infer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

ABOUT = """Corrections of a Kurmanji voice, and its speech. Every failure has one form:
`{"error": {"code": "...", "message": "..."}}`, and every answer an `X-Request-Id`."""


def describe_service(app: FastAPI, with_token: bool) -> None:
    """Add to the description of `app` the token, and where it is not needed."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
            _drop_unused_failures(schema)
            if with_token:
                schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"token": []}]
                schema["paths"]["/health"]["get"]["security"] = []
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign]


def _drop_unused_failures(schema: dict[str, Any]) -> None:
    """Remove FastAPI's own form of a 422 from endpoints with arguments: ours have another form, or no 422."""
    for endpoints in schema["paths"].values():
        for endpoint in endpoints.values():
            if "HTTPValidationError" in str(endpoint["responses"].get("422")):
                del endpoint["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
