"""What a visitor of the repository reads: links lead somewhere, versions and the citation agree."""

import re
import tomllib

import pytest
import yaml

from gorp import __version__
from gorp.data.tasks import BUNDLED

ROOT = BUNDLED.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def links(text):
    prose = re.sub(r"^( {4}|```.*?^```).*?$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [to for to in re.findall(r"\]\(([^)\s]+)\)", prose) if not to.startswith("http")]


def anchors(path):
    """The anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page):
    for to in links(page.read_text(encoding="utf-8")):
        file, _, heading = to.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), to
        assert not heading or heading in anchors(target), to


def test_the_readme_is_short_and_leads_to_every_page():
    assert README.count("\n") < 140
    assert "](docs/accuracy.svg)" in README
    pages = {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} | {"CONTRIBUTING.md", "CHANGELOG.md"}
    assert pages - set(links(README)) == set()


def test_the_figures_in_the_readme_are_those_of_its_plot():
    """The last row of the heat map holds the final scores of the table."""
    cells = re.findall("<!-- (.*?) -->", (ROOT / "docs/accuracy.svg").read_text(encoding="utf-8"))
    drawn = [cell for cell in cells if re.fullmatch(r"\d+\.\d", cell)][-4:]
    row = next(line for line in README.splitlines() if line.startswith("| order1 |"))
    assert re.findall(r"[\d.]+", row.partition("gorp")[2])[-4:] == drawn


def test_version_and_citation_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == __version__
    assert citation["license"] == project["license"]
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    paper = citation["preferred-citation"]
    bibtex = re.sub(r"[{}]", "", README)
    assert paper["doi"] in bibtex and paper["title"] in bibtex
    assert " and ".join(f"{a['family-names']}, {a['given-names']}" for a in paper["authors"]) in bibtex


def test_hooks_and_continuous_integration_call_what_is_there():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    pinned = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    assert [repo["repo"] for repo in hooks] == ["local"]
    for hook in hooks[0]["hooks"]:
        assert f"{hook['entry'].split()[0].removeprefix('.venv/bin/')}==" in pinned
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert any(".ci/run" in step.get("run", "") for job in jobs.values() for step in job["steps"])
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert lowest.removeprefix(">=") in jobs["test"]["strategy"]["matrix"]["python"]
