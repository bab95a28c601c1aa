"""A lock goes only where nobody can hold it."""

import json
import subprocess
import sys

import pytest

from gorp.util import snakemake_lock
from gorp.util.snakemake_lock import LOCKS, RUNS, note_run, remove_stale_lock


@pytest.fixture(autouse=True)
def locked(tmp_path, monkeypatch):
    """A working directory with a lock of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    LOCKS.mkdir(parents=True)
    lock = LOCKS / "0.input.lock"
    lock.write_text("results/x\n")
    return lock


def note(**changes):
    """A note of this process, changed."""
    note_run()
    (path,) = RUNS.glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_of_a_dead_run_it_goes_with_the_note(locked):
    path = note(started=1.0)  # another process has its number now
    assert "was killed: its lock was removed" in remove_stale_lock()
    assert not locked.exists() and not path.exists()


def test_of_a_run_that_lives_it_stays(locked):
    note()
    assert remove_stale_lock() is None
    assert locked.exists()


def test_without_a_note_it_stays(locked):
    assert remove_stale_lock() is None
    assert locked.exists()


@pytest.mark.parametrize(("changes", "said"), [({"host": "other"}, "a run on other"), ({"executor": "slurm"}, "slurm")])
def test_where_something_may_still_work_it_stays_and_what_to_do_is_said(locked, changes, said):
    note(started=1.0, **changes)
    message = remove_stale_lock()
    assert said in message and "snakemake --unlock" in message
    assert locked.exists()


def test_a_job_that_was_left_behind_holds_it(locked, tmp_path):
    note(started=1.0)
    script = tmp_path / "gorp"
    script.write_text("import sys; print(flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        assert f"process {job.pid}, a job that a stopped run left behind" in remove_stale_lock()
        job.stdin.close()
    assert locked.exists()
    assert "removed" in remove_stale_lock()


def test_a_note_that_is_cut_off_does_not_count(locked):
    path = note()
    path.write_text("{")
    assert remove_stale_lock() is None
    assert locked.exists() and not path.exists()


def test_without_a_lock_notes_of_dead_runs_go(locked):
    locked.unlink()
    path = note(started=1.0)
    assert remove_stale_lock() is None
    assert not path.exists()
    path = note()
    assert remove_stale_lock() is None
    assert path.exists(), "this run's own"


def test_a_folder_that_is_read_only_is_no_reason_to_stop(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(snakemake_lock, "write_json", refuse)
    note_run()
