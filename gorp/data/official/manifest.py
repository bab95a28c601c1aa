"""The official benchmark: the files that its manifest pins, and the folder that `gorp fetch` brings them to.

The manifest, CL_Benchmark/official.json, names a public repository, a commit, and the git blob id of each file. So the
tasks are known before anything is fetched, and what is fetched is known to be what was published.
This module imports the standard library only, so that the workflow can use it while it builds its graph.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gorp.data.tasks import BUNDLED, OFFICIAL, Task
from gorp.util.errors import UserError
from gorp.util.files import read_json

MANIFEST = BUNDLED / "official.json"
INSTRUCTIONS = "instructions"  # stands among the data sets for the file that holds the instruction of each group


@dataclass(frozen=True)
class Manifest:
    """Where the official files are, and the git blob id of each by its path in the repository."""

    repository: str
    commit: str
    files: dict[str, str]

    @property
    def url(self) -> str:
        """The address above the files, at the pinned commit."""
        return f"{self.repository.replace('//github.com/', '//raw.githubusercontent.com/')}/{self.commit}"

    def units(self) -> dict[str, dict[str, str]]:
        """What is fetched together, a data set or the instructions: {unit: {path below the benchmark folder: blob id}}.

        The benchmark folder has the form of any other: GROUP/DATASET/*.json, instruction_config.json beside the groups.
        """
        units: dict[str, dict[str, str]] = {}
        for path, blob in self.files.items():
            place = place_of(path)
            unit = place.split("/")[1] if "/" in place else INSTRUCTIONS
            units.setdefault(unit, {})[place] = blob
        return units

    def source_paths(self, place: str) -> tuple[str, ...]:
        """Where a source may have a file: as in the repository, or as in a benchmark folder, there or by itself."""
        path = next(path for path in self.files if place_of(path) == place)
        return tuple(dict.fromkeys((path, f"CL_Benchmark/{place}", place)))


def place_of(path: str) -> str:
    """The path of a file below a benchmark folder, from its path in the repository."""
    return path.partition("/")[2]


def read_manifest() -> Manifest:
    """The manifest of the official benchmark."""
    return Manifest(**read_json(MANIFEST))


def official_tasks() -> dict[str, Task]:
    """The tasks of the official benchmark by name, fetched or not."""
    places = [Path(place) for unit in read_manifest().units().values() for place in unit]
    folders = sorted({place.parent for place in places if len(place.parts) == 3})
    return {folder.name: Task(folder.name, folder.parent.name, OFFICIAL / folder) for folder in folders}


def check_fetched(task: Task) -> None:
    """Raises UserError unless the files of an official task, and the instructions, are there and as published."""
    units = read_manifest().units()
    for unit in (task.name, INSTRUCTIONS):
        for place, blob in units[unit].items():
            file = OFFICIAL / place
            if not file.is_file():
                raise UserError(f"{file}: not fetched yet; run: gorp fetch --task {task.name} {INSTRUCTIONS}")
            if (found := blob_id(file)) != blob:
                raise UserError(
                    f"{file}: not the official file: its git blob id is {found}, expected {blob};"
                    f" fetch it again with: gorp fetch --task {unit}"
                )


def blob_id(path: Path) -> str:
    """The id that git gives to a file: hexadecimal SHA-1 over `blob SIZE`, a zero byte, and its bytes."""
    with path.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def how_to_bring() -> str:
    """What to do where there is no network, as lines for a message."""
    manifest = read_manifest()
    return (
        "Where there is a network:\n"
        f"  git clone {manifest.repository} O-LoRA && git -C O-LoRA checkout {manifest.commit}\n"
        "then copy the folder here and name it: official_source: path/to/O-LoRA in the config of the workflow,"
        " or gorp fetch --source path/to/O-LoRA; the address of a mirror works as well."
    )
