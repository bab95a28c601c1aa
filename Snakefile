# GORP continual-learning benchmark: preprocess -> train -> predict -> score -> aggregate.
#
#   snakemake --cores 2 results/order1/summary.csv

from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


if Path("config.yaml").is_file():  # else, from another folder, that beside this file holds

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/learning.smk"


localrules:
    all,
    score,
    aggregate,
    curves,
    audit,
    summarize,
    show,


rule all:
    default_target: True
    input:
        "results/summary.csv",
        "results/summary.html",
        expand("results/{order}/{file}", order=TABLED, file=TABLES),
        expand("results/{order}/{file}", order=TABLED, file=LEARNING if CURVES["every"] else []),
        expand("results/{order}/audit/{run}/audit.html", order=TABLED, run=order_runs()),
