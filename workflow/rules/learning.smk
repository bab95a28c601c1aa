# Learning curves: each stage of an order trained once more, to the same bytes, and scored on dev rows as it goes.


# not part of rule train: to switch it on, or to score other rows, must not train a finished stage again
use rule train as train_evaluated with:
    input:
        data=lambda w: rendered([Path(w.stage).name], "train"),
        model=model_files,
        parent=parent_files,
        earlier=earlier_rows,
        dev=lambda w: rendered(evaluated_tasks(w.stage), "dev"),
    output:
        f"{STAGE}/learning/evaluations.csv",
        temp([f"{STAGE}/learning/{name}" for name in STAGE_FILES]),
    log:
        f"{RUN}/logs/learning/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.log",
    benchmark:
        f"{RUN}/benchmarks/learning/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.tsv"
    params:
        folder=lambda w: f"{stage_folder(w)}/learning",
        evaluation=lambda w: [
            "--dev",
            *map(placed, rendered(evaluated_tasks(w.stage), "dev")),
            f"--evaluate-every={CURVES['every']}",
            f"--evaluate-rows={CURVES['rows']}",
        ],
        code=lambda w: step_code("evaluate", method_of(w)),
    message:
        "Train {wildcards.stage} with {wildcards.method}, seed {wildcards.seed}, again and evaluate it on the way"


rule curves:
    input:
        learning_files,
    output:
        f"{RUN}/{{order}}/learning.csv",
        report(
            f"{RUN}/{{order}}/learning.svg",
            caption="../report/learning.rst",
            category="Orders",
            subcategory="{order}",
            labels={"order": "{order}", "what": "learning curves"},
        ),
    log:
        f"{RUN}/logs/curves/{{order}}.log",
    benchmark:
        f"{RUN}/benchmarks/curves/{{order}}.tsv"
    conda:
        "../envs/gorp.yaml"
    resources:
        stages=lambda w: placed(f"{RUN}/stages/{SUITES[w.order]}"),
        folder=lambda w: placed(f"{RUN}/{w.order}"),
    params:
        tasks=lambda w: ORDERS[w.order],
        scores=lambda w: [f"{task}={TASKS[task].score}" for task in ORDERS[w.order] if TASKS[task].score],
        runs=order_runs(),
        code=step_code("curves"),
    message:
        "Draw the learning curves of {wildcards.order}"
    shell:
        "gorp curves --order {wildcards.order} --tasks {params.tasks} --scores {params.scores} --runs {params.runs}"
        " --stages {resources.stages:q} --output {resources.folder:q} 2>&1 | tee {log:q}"
