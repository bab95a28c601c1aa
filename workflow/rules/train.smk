# Base models and stages.


rule base_model:
    output:
        [f"results/models/{{base}}/{name}" for name in BASE_FILES],
    log:
        "results/models/logs/{base}.log",
    benchmark:
        "results/models/benchmarks/{base}.tsv"
    conda:
        "../envs/gorp.yaml"
    threads: 2
    resources:
        mem_mb=resource("predict", "mem_mb"),
        runtime=resource("predict", "runtime"),
        folder=lambda w: placed(f"results/models/{w.base}"),
    params:
        text=bundled_text,
        code=lambda w: base_model_code(w.base),
    message:
        "Make the base model {wildcards.base}"
    shell:
        "gorp base --name {wildcards.base} --threads {threads} --output {resources.folder:q} 2>&1 | tee {log:q}"


rule train:
    input:
        data=lambda w: rendered([Path(w.stage).name], "train"),
        model=model_files,
        parent=parent_files,
        earlier=earlier_rows,
    output:
        [f"{STAGE}/{name}" for name in STAGE_FILES],
    log:
        f"{RUN}/logs/train/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.log",
    benchmark:
        f"{RUN}/benchmarks/train/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.tsv"
    conda:
        "../envs/gorp.yaml"
    threads: config["resources"]["train"]["threads"]
    resources:
        **launchers.machines(config["resources"]["train"]),
        mem_mb=resource("train", "mem_mb"),
        runtime=resource("train", "runtime"),
        checkpoint_minutes=config["checkpoint_minutes"],
        launcher=launchers.launcher(config["resources"]["train"]),
        deepspeed=f"--deepspeed {shlex.quote(config['deepspeed'])}" if config["deepspeed"] else "",
        model=MODEL,
        method=method_of,
    params:
        model=model_key,
        dtype=config["dtype"],
        settings=training_settings,
        parent=parent_option,
        earlier=earlier_option,
        folder=stage_folder,
        evaluation=[],
        method=lambda w: TRAININGS.variant(w.method)[0],
        code=lambda w: step_code("train", method_of(w)),
    message:
        "Train {wildcards.stage} with {wildcards.method}, seed {wildcards.seed}"
    shell:
        "{resources.launcher} train --model {resources.model:q} --dtype {params.dtype} --data {input.data:q} {params.parent:q} {params.earlier:q} --method {resources.method:q}"
        " --seed {wildcards.seed} --set {params.settings:q} {params.evaluation:q} --threads {threads}"
        " --checkpoint-minutes {resources.checkpoint_minutes} {resources.deepspeed} --output {params.folder:q} 2>&1 | tee -i {log:q}"
