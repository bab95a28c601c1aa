# Data: one split of one task, checked and rendered as prompts.


rule preprocess:
    input:
        split=lambda w: TASKS[w.task].file(w.split),
        labels=lambda w: TASKS[w.task].file("labels"),
    output:
        ensure(f"{RUN}/data/{{task}}/{{split}}.jsonl", non_empty=True),
    log:
        f"{RUN}/logs/preprocess/{{task}}/{{split}}.log",
    benchmark:
        f"{RUN}/benchmarks/preprocess/{{task}}/{{split}}.tsv"
    conda:
        "../envs/gorp.yaml"
    params:
        benchmark=config["benchmark"],
        instruction=lambda w: read_instruction(ROOT_OF_BENCHMARK, TASKS[w.task].group),
        code=code_digest("gorp.benchmark", "gorp.prompts"),
    message:
        "Render {wildcards.split} of {wildcards.task}"
    shell:
        "gorp preprocess --benchmark {params.benchmark:q} --task {wildcards.task} --split {wildcards.split}"
        " --output {output:q} 2>&1 | tee {log:q}"
