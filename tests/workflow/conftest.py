import shutil
from pathlib import Path

import pytest
from calls import run
from filelock import FileLock
from project import make_project

SLOW_FIXTURES = {"finished", "outer", "slow"}  # which run jobs


def pytest_collection_modifyitems(items):
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Path:
    """A project after a real run of both orders: run by the first of the test processes that asks, copied by each."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(f"{shared}.lock"):
        if not (shared / "done").is_file():
            shared.mkdir()
            make_project(shared)
            done = run(
                shared,
                "results/summary.csv",
                *(f"results/ab/{table}" for table in ("summary.csv", "accuracy.svg")),
                "results/abc/summary.csv",
                "results/abc/audit/gorp/seed0/audit.html",
            )
            assert done.returncode == 0, done.stdout
            (shared / "done").touch()
    own = tmp_path_factory.mktemp("own") / "finished"
    shutil.copytree(shared, own, symlinks=True)
    return own
