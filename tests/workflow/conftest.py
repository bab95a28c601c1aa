from pathlib import Path

import pytest
from calls import run
from project import make_project


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def finished(project) -> Path:
    """The project after a real run of both orders."""
    done = run(
        project,
        "results/summary.csv",
        *(f"results/ab/{table}" for table in ("summary.csv", "accuracy.svg")),
        "results/abc/summary.csv",
        "results/abc/audit/gorp/seed0/audit.html",
    )
    assert done.returncode == 0, done.stdout
    return project
