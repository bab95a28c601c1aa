# Tables and figure of an order.


rule aggregate:
    input:
        order_files,
    output:
        [f"{RUN}/{{order}}/{name}" for name in TABLES],
    log:
        f"{RUN}/logs/aggregate/{{order}}.log",
    benchmark:
        f"{RUN}/benchmarks/aggregate/{{order}}.tsv"
    conda:
        "../envs/gorp.yaml"
    params:
        tasks=lambda w: ORDERS[w.order],
        runs=order_runs(),
        stages=lambda w: f"{RUN}/stages/{SUITES[w.order]}",
        zero_shot=f"{RUN}/zero-shot",
        model=config["model"],
        benchmark=config["benchmark"],
        folder=lambda w: f"{RUN}/{w.order}",
        code=code_digest("gorp.results", "gorp.report"),
    message:
        "Aggregate {wildcards.order}"
    shell:
        "gorp aggregate --order {wildcards.order} --tasks {params.tasks} --runs {params.runs} --stages {params.stages:q}"
        " --zero-shot {params.zero_shot:q} --model {params.model:q} --benchmark {params.benchmark:q}"
        " --output {params.folder:q} 2>&1 | tee {log:q}"


# results/ORDER/ shows the run of the config; each run keeps its own tables under results/RUN/ORDER/
rule show:
    input:
        f"{RUN}/{{order}}/{{table}}",
    output:
        "results/{order}/{table}",
    log:
        f"{RUN}/logs/show/{{order}}/{{table}}.log",
    benchmark:
        f"{RUN}/benchmarks/show/{{order}}/{{table}}.tsv"
    wildcard_constraints:
        table="|".join(TABLES),
    conda:
        "../envs/gorp.yaml"
    message:
        "Show {wildcards.table} of {wildcards.order}"
    shell:
        "cp {input:q} {output:q} 2> {log:q}"
