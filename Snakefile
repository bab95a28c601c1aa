# GORP continual-learning benchmark: preprocess -> train -> predict -> score -> aggregate.
#
#   snakemake --cores 2 results/order1/summary.csv

from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/aggregate.smk"


localrules:
    all,
    score,
    aggregate,
    summarize,
    show,


rule all:
    default_target: True
    input:
        "results/summary.csv",
        "results/summary.html",
        expand("results/{order}/{file}", order=ORDERS, file=TABLES),
