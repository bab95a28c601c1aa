"""Puts the files that lie beside the package in a checkout into a wheel: see gorp/util/places.py."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BESIDE = ("config.yaml", "CL_Benchmark", "workflow")
NOT_NEEDED = shutil.ignore_patterns("*.py", "grammars", "__pycache__")  # what writes the bundled benchmark


class BuildWithFiles(build_py):
    """An editable install finds them where they lie."""

    def run(self):
        if self.editable_mode:
            return super().run()
        shutil.rmtree(self.build_lib, ignore_errors=True)  # an older build may hold modules that are gone
        super().run()
        home = Path(self.build_lib, "gorp/home")
        home.mkdir(parents=True)
        for name in BESIDE:
            if Path(name).is_dir():
                shutil.copytree(name, home / name, ignore=NOT_NEEDED)
            else:
                shutil.copy(name, home / name)


setup(cmdclass={"build_py": BuildWithFiles})
