# Data: one split of one task, checked and rendered as prompts.


if FROM_OFFICIAL:

    include: "official.smk"


rule preprocess:
    input:
        # pinned like the rows, and not there before it is fetched; other benchmarks' instruction is a parameter,
        # so that the text of one group concerns its tasks alone
        instructions=OFFICIAL_INSTRUCTIONS if FROM_OFFICIAL else [],
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
        instructions=lambda w: known_instructions(w.task, config["prompts"]["instruction"]),
        options=lambda w: prompt_options(w.task, w.split),
        code=code_digest("gorp.rendering"),
    message:
        "Render {wildcards.split} of {wildcards.task}"
    shell:
        "gorp preprocess --benchmark {params.benchmark:q} --task {wildcards.task} --split {wildcards.split}"
        " {params.options}"
        " --output {output:q} 2>&1 | tee {log:q}"
