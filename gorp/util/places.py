"""Where the files lie that come with the package: beside it in a checkout, in its folder `home` once it is installed.

`setup.py` puts them there. Each constant is made from `__file__`, which a code digest leaves out: a place is no result.
"""

from pathlib import Path

from gorp.util.errors import UserError


def home(module: str) -> Path:
    """The folder that holds config.yaml, CL_Benchmark/ and workflow/, from the file of this module."""
    package = Path(module).resolve().parents[1]
    installed = package / "home"
    return installed if installed.is_dir() else package.parent


PACKAGE = Path(__file__).resolve().parents[1]
HOME = home(__file__)
BUNDLED = home(__file__) / "CL_Benchmark"
DEFAULTS = home(__file__) / "config.yaml"
PRESETS = home(__file__) / "workflow/presets"
SCHEMA = home(__file__) / "workflow/schemas/config.schema.yaml"


def how_to_get(path: Path | str) -> str:
    """What to add to the message of a missing file: how to get it, where it is one that comes with the package."""
    if not any(Path(path).is_relative_to(place) for place in (BUNDLED, DEFAULTS, PRESETS, SCHEMA)):
        return ""
    return "; it comes with the package: install that from a whole checkout, with: pip install PATH/TO/CHECKOUT"


def find_preset(preset: Path) -> Path:
    """The file of a preset, given by its path, from here or from HOME, or by the name of a bundled one (`t5-large`).

    Raises UserError if there is none.
    """
    paths = [preset, HOME / preset]
    if preset.name == str(preset):
        paths.append(PRESETS / f"{preset.name.removesuffix('.yaml')}.yaml")
    for path in paths:
        if path.is_file():
            return path
    bundled = ", ".join(sorted(file.stem for file in PRESETS.glob("*.yaml")))
    if not bundled:
        raise UserError(f"{preset}: no such file{how_to_get(PRESETS)}")
    raise UserError(f"{preset}: no such file, and no bundled preset; those are: {bundled}")
