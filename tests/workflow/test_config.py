"""A user's config files and values over config.yaml: their orders, their types, a key that appears twice."""

import re

import yaml
from calls import REPOSITORY, jobs, planned, run

OWN = "run: own\nbenchmark: data\nmodel: ./model\norders:\n  mine:\n    one: [amazon]\n    lost: [amazon, dbpedia]\n"


def test_values_of_the_command_line(project):
    values = [
        "seeds=3",
        "methods=gorp",
        "training={epochs: 2, learning_rate: 1e-2}",
        "resources={train: {processes: 2}}",
    ]
    done = run(project, "-np", "results/ab/summary.csv", "--config", *values)
    assert done.returncode == 0, done.stdout
    commands = re.findall("(.*) gorp train (.*)", done.stdout)
    assert len(commands) == 2
    for launcher, options in commands:
        assert launcher.endswith("torchrun --standalone --nproc-per-node 2 -m")
        assert {"--seed", "3", "epochs=2", "learning_rate=0.01", "batch_size=4"} <= set(options.split())


def test_orders_of_ones_own_are_all_that_the_summary_asks_for(project, tmp_path):
    """The benchmark lacks most tasks of config.yaml's orders, and one of an own order."""
    folder = tmp_path
    for name in ("Snakefile", "workflow", "config.yaml"):
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ("data", "model"):
        (folder / name).symlink_to(project / name)
    (folder / "own.yaml").write_text(OWN)
    done = run(folder, "-n", "--configfile", "own.yaml")
    assert done.returncode == 0, done.stdout
    assert [text for text in planned(done.stdout) if "Train" in text] == ["Train amazon with gorp, seed 0"]
    assert jobs(done.stdout)["aggregate"] == jobs(done.stdout)["summarize"] == 1
    lost = "the benchmark data has no task 'dbpedia'; known are: amazon, agnews, yahoo"
    assert done.stdout.count("Skipped: ") == 1
    assert f"Skipped: lost; {lost}" in done.stdout
    for order in ("lost", "order1"):
        done = run(folder, "-n", f"results/{order}/summary.csv", "--configfile", "own.yaml")
        assert done.returncode != 0
        assert f"orders: {order}: {lost}" in done.stdout
    (folder / "own.yaml").write_text(OWN + "seeds: [1]\nrun: again\n")
    done = run(folder, "-n", "results/one/summary.csv", "--configfile", "own.yaml")
    assert done.returncode != 0
    assert "config: own.yaml: line 9: the key 'run' appears twice, first on line 1; keep one" in done.stdout
    assert "Traceback" not in done.stdout


def test_as_a_module_the_outer_config_is_read_as_strictly(project, tmp_path):
    """As snakedeploy writes it: the rules keep their names, and the config is the outer workflow's own."""
    config = yaml.safe_load((project / "config.yaml").read_text())
    config |= {"benchmark": str(project / "data"), "model": str(project / "model"), "seeds": "7"}
    (tmp_path / "outer.yaml").write_text(yaml.safe_dump({"gorp": config, "other": 1}))
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(
        f'''configfile: "outer.yaml"
module gorp:
    snakefile: "{REPOSITORY / "workflow/Snakefile"}"
    config: config["gorp"]
use rule * from gorp
'''
    )
    done = run(tmp_path, "-n", "results/ab/summary.csv")
    assert done.returncode == 0, done.stdout
    assert "Train amazon with gorp, seed 7" in planned(done.stdout)
    with (tmp_path / "outer.yaml").open("a") as file:
        file.write("other: 2\n")
    done = run(tmp_path, "-n", "results/ab/summary.csv")
    assert "config: outer.yaml: line " in done.stdout
    assert "the key 'other' appears twice" in done.stdout
