# Predictions of a stage on the tasks it has learnt, or on one task alone, of the base model, and their scores.


PREDICT = (
    "{resources.launcher} predict --model {resources.model:q} --dtype {params.dtype} {params.stage:q} --data {input.data:q} {params.options:q}"
    " --batch-tokens {resources.batch_tokens} --threads {threads} --output {output:q} 2>&1 | tee {log:q}"
)
PREDICT_CODE = step_code("predict")
SPLIT = config["prediction"]["split"]
PREDICT_OPTIONS = [
    f"--max-source-length={config['training']['max_source_length']}",
    f"--max-new-tokens={config['prediction']['max_new_tokens']}",
    *(["--label-likelihood"] if config["prediction"]["label_likelihood"] else []),
]
# in float32 answers do not depend on the batches
BATCHES = 0 if config["dtype"] == "float32" else config["prediction"]["batch_tokens"]


rule predict:
    input:
        stage=[f"{STAGE}/{name}" for name in STAGE_FILES],
        model=model_files,
        data=lambda w: rendered(w.stage.split("/"), SPLIT),
    output:
        f"{STAGE}/predictions.jsonl",
    log:
        f"{RUN}/logs/predict/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.log",
    benchmark:
        f"{RUN}/benchmarks/predict/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.tsv"
    conda:
        "../envs/gorp.yaml"
    threads: config["resources"]["predict"]["threads"]
    resources:
        **launchers.machines(config["resources"]["predict"]),
        mem_mb=resource("predict", "mem_mb"),
        runtime=resource("predict", "runtime"),
        launcher=launchers.launcher(config["resources"]["predict"]),
        batch_tokens=config["prediction"]["batch_tokens"],
        model=MODEL,
    params:
        model=model_key,
        dtype=config["dtype"],
        stage=lambda w: ["--stage", stage_folder(w)],
        options=PREDICT_OPTIONS,
        batches=BATCHES,
        code=PREDICT_CODE,
    message:
        "Predict the tasks seen by {wildcards.stage}, {wildcards.method}, seed {wildcards.seed}"
    shell:
        PREDICT


use rule predict as predict_only with:
    input:
        stage=[f"{STAGE}/{name}" for name in STAGE_FILES],
        model=model_files,
        data=lambda w: rendered([w.task], SPLIT),
    output:
        f"{STAGE}/only/{{task}}/predictions.jsonl",
    log:
        f"{RUN}/logs/predict/{{suite}}/{{method}}/seed{{seed}}/{{stage}}/only/{{task}}.log",
    benchmark:
        f"{RUN}/benchmarks/predict/{{suite}}/{{method}}/seed{{seed}}/{{stage}}/only/{{task}}.tsv"
    message:
        "Predict only {wildcards.task} by {wildcards.stage}, {wildcards.method}, seed {wildcards.seed}"


use rule predict as predict_zero_shot with:
    input:
        model=model_files,
        data=lambda w: rendered([w.task], SPLIT),
    output:
        f"{RUN}/zero-shot/{{task}}/predictions.jsonl",
    log:
        f"{RUN}/logs/predict/zero-shot/{{task}}.log",
    benchmark:
        f"{RUN}/benchmarks/predict/zero-shot/{{task}}.tsv"
    params:
        model=model_key,
        dtype=config["dtype"],
        stage=[],
        options=PREDICT_OPTIONS,
        batches=BATCHES,
        code=PREDICT_CODE,
    message:
        "Predict {wildcards.task} by the base model"


ruleorder: predict_only > predict


rule score:
    input:
        f"{RUN}/{{what}}/predictions.jsonl",
    output:
        f"{RUN}/{{what}}/scores.json",
    log:
        f"{RUN}/logs/score/{{what}}.log",
    benchmark:
        f"{RUN}/benchmarks/score/{{what}}.tsv"
    conda:
        "../envs/gorp.yaml"
    params:
        tasks=lambda w: predicted_tasks(w.what),
        code=step_code("score"),
    message:
        "Score {wildcards.what}"
    shell:
        "gorp score --predictions {input:q} --tasks {params.tasks:q} --output {output:q} 2>&1 | tee {log:q}"
