"""Packages that some commands need and a plain install does not bring: the extras of pyproject.toml."""

import re

EXTRAS = {  # the extra that brings it, by the name that is imported
    "pandas": "report",
    "matplotlib": "report",
    "jinja2": "report",
    "datasets": "csv",
    "deepspeed": "deepspeed",
    "gguf": "smollm2",
    "snakemake": "workflow",
}


def how_to_install(error: ImportError) -> str:
    """What to tell of an import that failed for want of an extra; "" for any other.

    transformers raises an ImportError without a name, which says the package's name in its text.
    """
    words = [(error.name or "").partition(".")[0]] if error.name else re.findall(r"\w+", str(error).lower())
    package = next((word for word in words if word in EXTRAS), "")
    return f"needs {package}, which is not installed: pip install 'gorp[{EXTRAS[package]}]'" if package else ""
