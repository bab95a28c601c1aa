# Base models and stages.


rule pretrain:
    input:
        [
            task.file(part)
            for task in find_tasks(relative(benchmark_root("bundled"))).values()
            for part in ("train", "labels")
        ],
    output:
        [f"results/models/{{embedded}}/{name}" for name in EMBEDDED_FILES],
    log:
        "results/models/logs/{embedded}.log",
    benchmark:
        "results/models/benchmarks/{embedded}.tsv"
    conda:
        "../envs/gorp.yaml"
    threads: 2
    params:
        folder="results/models/{embedded}",
        code=code_digest("gorp.embedded"),
    message:
        "Pretrain the embedded base model {wildcards.embedded}"
    shell:
        "gorp pretrain --name {wildcards.embedded} --threads {threads} --output {params.folder} 2>&1 | tee {log:q}"


rule train:
    input:
        data=lambda w: rendered([Path(w.stage).name], "train"),
        model=model_files,
        parent=parent_files,
    output:
        [f"{STAGE}/{name}" for name in STAGE_FILES],
    log:
        f"{RUN}/logs/train/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.log",
    benchmark:
        f"{RUN}/benchmarks/train/{{suite}}/{{method}}/seed{{seed}}/{{stage}}.tsv"
    conda:
        "../envs/gorp.yaml"
    threads: 1
    params:
        model=MODEL,
        method=lambda w: variant(w.method)[0],
        settings=lambda w: training_settings(w.method),
        parent=parent_option,
        folder=stage_folder,
        code=lambda w: code_digest("gorp.train", f"gorp.methods.{variant(w.method)[0]}"),
    message:
        "Train {wildcards.stage} by {wildcards.method}, seed {wildcards.seed}"
    shell:
        "gorp train --model {params.model:q} --data {input.data:q} {params.parent:q} --method {params.method}"
        " --seed {wildcards.seed} --set {params.settings:q} --threads {threads} --output {params.folder:q}"
        " 2>&1 | tee {log:q}"
