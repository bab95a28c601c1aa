"""The tables as a page."""

from html.parser import HTMLParser

import pandas as pd

from gorp.report.order_page import order_tables, write_page


class Cells(HTMLParser):
    """The text of every table row of a page."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1].append(data)


def test_a_page_holds_its_tables_and_escapes_what_users_named(tmp_path):
    table = pd.DataFrame({"run": ["<b>", "gorp"], "AA": [85.75, float("nan")], "rows": [200, 7]})
    write_page(tmp_path / "page.html", "a & b", {"Scores <1>": table})
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>a &amp; b</h1>" in text and "<h2>Scores &lt;1&gt;</h2>" in text and "<b>" not in text
    assert "http" not in text  # nothing is fetched
    cells = Cells()
    cells.feed(text)
    assert cells.rows == [["run", "AA", "rows"], ["<b>", "85.8", "200"], ["gorp", "–", "7"]]
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_the_tables_of_an_order_have_the_stages_across():
    summary = pd.DataFrame(
        {"order": "o", "method": ["gorp"], "seed": [3], "model": "m", "benchmark": "x", "AA": [50.0], "final_b": [1.0]}
    )
    matrix = pd.DataFrame(
        [
            ("gorp", 3, 0, "", "b", 10.0, 1.0, "exact_match"),
            ("gorp", 3, 0, "", "a", 2.0, 20.0, "rougeL"),
            ("gorp", 3, 1, "b", "b", 30.0, 3.0, "exact_match"),
            ("gorp", 3, 2, "a", "b", 40.0, 4.0, "exact_match"),
            ("gorp", 3, 2, "a", "a", 5.0, 50.0, "rougeL"),
        ],
        columns=["method", "seed", "stage", "trained", "task", "exact_match", "rougeL", "score"],
    )
    tables = order_tables(summary, matrix)
    where = "Score of each task after each stage (exact match; ROUGE-L of a): gorp, seed 3"
    assert list(tables) == ["Metrics", where]
    metrics, scores = tables.values()
    assert metrics.to_dict("records") == [{"run": "gorp, seed 3", "AA": 50.0}]
    assert list(scores) == ["task", "0 zero-shot", "1 b", "2 a"]
    assert scores.fillna(-1).values.tolist() == [["b", 10.0, 30.0, 40.0], ["a", 20.0, -1, 50.0]]
