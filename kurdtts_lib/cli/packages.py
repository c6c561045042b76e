"""Which extra of `pip install kurdtts[...]` installs a missing package."""

EXTRAS = {
    "train": (
        *("accelerate", "datasets", "huggingface_hub", "jinja2", "librosa", "llvmlite", "markupsafe", "matplotlib"),
        *("numba", "onnx", "pandas", "pyarrow", "pystoi", "safetensors", "speechmos", "torch", "transformers"),
    ),
    "service": ("anyio", "fastapi", "pydantic", "python_multipart", "starlette", "uvicorn"),
    "course": ("IPython", "anywidget", "ipywidgets", "nbclient", "nbconvert", "nbformat", "traitlets"),
}
"""The packages that this library imports, by the extra that installs them. All others come with kurdtts itself."""


def extra_of(package: str) -> str | None:
    """The extra that installs `package`; None for one that comes with kurdtts itself, or not at all."""
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def missing_package(error: ModuleNotFoundError) -> str | None:
    """One sentence with the extra to install; None for a package that no extra installs."""
    package = (error.name or "").partition(".")[0]
    extra = extra_of(package)
    return extra and f"This needs the packages of `pip install kurdtts[{extra}]` ({package} is not installed)."
