"""Learning curves: the table of an order and its figure, from hand-made evaluations."""

import pandas as pd
import pytest

from gorp.cli import main
from gorp.report.learning_curves import curves_figure, read_curves
from gorp.report.writing import save_figure
from gorp.util.errors import UserError

HEADER = "step,task,rows,exact_match,rouge1,rougeL,loss"
TABLES = {
    "b/learning/evaluations.csv": ["0,b,5,10,0,1,2.5", "4,b,5,{b},0,1,0.5"],
    "b/a/learning/evaluations.csv": ["0,b,5,80,0,1,1", "0,a,5,20,0,25,2", "4,b,5,60,0,1,1.5", "4,a,5,90,0,95,1"],
}


@pytest.fixture
def stages(tmp_path):
    """Two seeds, in which task b ends at 70 and 90."""
    for seed, end in ((0, 70), (1, 90)):
        for name, lines in TABLES.items():
            path = tmp_path / f"gorp/seed{seed}" / name
            path.parent.mkdir(parents=True)
            path.write_text("\n".join([HEADER, *lines]).format(b=end) + "\n")
    return tmp_path


def test_the_command(stages, tmp_path):
    order = ["--order", "o", "--tasks", "b", "a", "--scores", "a=rougeL", "--runs", "gorp/seed0", "gorp/seed1"]
    assert main(["curves", *order, "--stages", str(stages), "--output", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out/learning.csv")
    assert list(table) == ["method", "seed", "stage", "trained", *HEADER.split(",")]
    assert table[["seed", "stage", "trained", "step", "task", "exact_match"]].values.tolist()[6:] == [
        [1, 1, "b", 0, "b", 10],
        [1, 1, "b", 4, "b", 90],
        [1, 2, "a", 0, "b", 80],
        [1, 2, "a", 0, "a", 20],
        [1, 2, "a", 4, "b", 60],
        [1, 2, "a", 4, "a", 90],
    ]
    assert (tmp_path / "out/learning.svg").read_text().startswith("<?xml")


def test_the_figure(stages, tmp_path):
    """Means over seeds of each task's own score and loss; earlier tasks apart; the same bytes each time."""
    curves = read_curves(["b", "a"], {("gorp", seed): stages / f"gorp/seed{seed}" for seed in (0, 1)})
    figure = curves_figure(curves, "o", {"a": "rougeL"})
    upper_b, upper_a, lower_b, lower_a = figure.axes
    lines = {axes: [list(line.get_ydata()) for line in axes.lines] for axes in figure.axes}
    assert lines == {
        upper_b: [[10, 80]],
        upper_a: [[25, 95], [80, 60]],
        lower_b: [[2.5, 0.5]],
        lower_a: [[2, 1], [1, 1.5]],
    }
    assert [axes.get_title(loc="left") for axes in (upper_b, upper_a)] == ["1  b", "2  a"]
    assert [axes.get_ylabel() for axes in (upper_b, upper_a)] == ["exact match (%)", "ROUGE-L (%)"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["gorp", "gorp, earlier tasks"]
    for name in ("one.svg", "two.svg"):
        save_figure(curves_figure(curves, "o", {"a": "rougeL"}), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_what_is_no_table_is_named(stages):
    folder = stages / "gorp/seed0"
    table = folder / "b/a/learning/evaluations.csv"
    for content, message in (("a,b\n1,2\n", "no column step"), ("", "No columns"), (None, "No such file")):
        table.unlink() if content is None else table.write_text(content)
        with pytest.raises(UserError, match=rf"a/learning/evaluations\.csv: not a table of evaluations: .*{message}"):
            read_curves(["b", "a"], {("gorp", 0): folder})
