# Tables and figures: of an order, and of all of them.

TABLED = [order for orders in ORDERS.wanted.values() for order in orders]  # those that the tables of all ask for


rule aggregate:
    input:
        order_files,
    output:
        page=report(
            f"{RUN}/{{order}}/summary.html",
            caption="../report/summary.rst",
            category="Orders",
            subcategory="{order}",
            labels={"order": "{order}", "what": "tables"},
        ),
        summary=report(
            f"{RUN}/{{order}}/summary.csv",
            caption="../report/summary.rst",
            category="Orders",
            subcategory="{order}",
            labels={"order": "{order}", "what": "metrics (CSV)"},
        ),
        matrix=report(
            f"{RUN}/{{order}}/matrix.csv",
            caption="../report/matrix.rst",
            category="Orders",
            subcategory="{order}",
            labels={"order": "{order}", "what": "scores by stage (CSV)"},
        ),
        groups=report(
            f"{RUN}/{{order}}/groups.csv",
            caption="../report/groups.rst",
            category="Orders",
            subcategory="{order}",
            labels={"order": "{order}", "what": "scores by group"},
        ),
        figure=report(
            f"{RUN}/{{order}}/accuracy.svg",
            caption="../report/accuracy.rst",
            category="Orders",
            subcategory="{order}",
            labels={"order": "{order}", "what": "accuracy"},
        ),
    log:
        f"{RUN}/logs/aggregate/{{order}}.log",
    benchmark:
        f"{RUN}/benchmarks/aggregate/{{order}}.tsv"
    conda:
        "../envs/gorp.yaml"
    resources:
        stages=lambda w: placed(f"{RUN}/stages/{SUITES[w.order]}"),
        zero_shot=placed(f"{RUN}/zero-shot"),
        folder=lambda w: placed(f"{RUN}/{w.order}"),
    params:
        tasks=lambda w: ORDERS[w.order],
        scores=lambda w: [f"{task}={TASKS[task].score}" for task in ORDERS[w.order] if TASKS[task].score],
        runs=order_runs(),
        model=config["model"] if config["model"] in MADE else MODEL,
        benchmark=tidy(config["benchmark"]),
        evaluate=config["evaluate"],
        code=step_code("aggregate"),
    message:
        "Aggregate {wildcards.order}"
    shell:
        "gorp aggregate --order {wildcards.order} --tasks {params.tasks} --scores {params.scores} --runs {params.runs} --stages {resources.stages:q}"
        " --zero-shot {resources.zero_shot:q} --model {params.model:q} --benchmark {params.benchmark:q}"
        " --evaluate {params.evaluate} --output {resources.folder:q} 2>&1 | tee {log:q}"


rule summarize:
    input:
        [f"{RUN}/{order}/summary.csv" for order in TABLED],
    output:
        page=report(
            f"{RUN}/summary.html",
            caption="../report/overview.rst",
            category="All orders",
            labels={"what": "means over orders and seeds"},
        ),
        table=report(
            f"{RUN}/summary.csv",
            caption="../report/overview.rst",
            category="All orders",
            labels={"what": "means over orders and seeds (CSV)"},
        ),
    log:
        f"{RUN}/logs/summarize.log",
    benchmark:
        f"{RUN}/benchmarks/summarize.tsv"
    conda:
        "../envs/gorp.yaml"
    resources:
        published=str(HOME / "workflow/published.yaml"),
    params:
        published=DIGESTS.rows(HOME / "workflow/published.yaml"),
        suites=[
            f"--suite {suite} " + " ".join(placed(f"{RUN}/{order}/summary.csv") for order in orders)
            for suite, orders in ORDERS.wanted.items()
        ],
        code=step_code("summarize"),
    message:
        "Summarize all orders"
    shell:
        "gorp summarize {params.suites} --published {resources.published:q} --output {output.table:q} 2>&1 | tee {log:q}"


# results/ shows the run of the config; each run keeps its own tables under results/RUN/
rule show:
    input:
        f"{RUN}/{{table}}",
    output:
        "results/{table}",
    log:
        f"{RUN}/logs/show/{{table}}.log",
    benchmark:
        f"{RUN}/benchmarks/show/{{table}}.tsv"
    wildcard_constraints:
        table=f"({'|'.join(ORDERS)})/({'|'.join((*TABLES, *LEARNING, AUDIT))})|summary.(csv|html)",
    conda:
        "../envs/gorp.yaml"
    message:
        "Show {wildcards.table} of the run"
    shell:
        "cp {input:q} {output:q} 2> {log:q}"
