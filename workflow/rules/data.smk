# Data: one split of one task, checked and rendered as prompts.


rule preprocess:
    input:
        split=lambda w: TASKS[w.task].file(w.split),
        labels=lambda w: TASKS[w.task].label_file(),
        examples=lambda w: [TASKS[w.task].file("train")] if config["prompts"]["shots"] else [],
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
        instructions=lambda w: read_instructions(ROOT_OF_BENCHMARK, TASKS[w.task], config["prompts"]["instruction"]),
        options=lambda w: prompt_options(w.task, w.split),
        code=code_digest("gorp.rendering"),
    message:
        "Render {wildcards.split} of {wildcards.task}"
    shell:
        "gorp preprocess --benchmark {params.benchmark:q} --task {wildcards.task} --split {wildcards.split}"
        " {params.options}"
        " --output {output:q} 2>&1 | tee {log:q}"
