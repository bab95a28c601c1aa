# Data: one split of one task, checked and rendered as prompts.


if FROM_OFFICIAL:

    include: "official.smk"


rule preprocess:
    input:
        # pinned like the rows, and not there before it is fetched
        instructions=OFFICIAL_INSTRUCTIONS if FROM_OFFICIAL else [],
        rows=lambda w: sources(w) if FROM_OFFICIAL else [],
    output:
        ensure(f"{RUN}/data/{{task}}/{{split}}.jsonl", non_empty=True),
    log:
        f"{RUN}/logs/preprocess/{{task}}/{{split}}.log",
    benchmark:
        f"{RUN}/benchmarks/preprocess/{{task}}/{{split}}.tsv"
    conda:
        "../envs/gorp.yaml"
    resources:
        benchmark=BENCHMARK,
        mem_mb=1000,
        runtime=10,
        rendering=1,  # by which a profile bounds those that run at a time
    params:
        # of other benchmarks the rows and the instruction count, neither their files nor where they lie
        rows=lambda w: [] if FROM_OFFICIAL else [DIGESTS.rows(path) for path in sources(w)],
        instructions=lambda w: known_instructions(w.task, config["prompts"]["instruction"]),
        options=lambda w: prompt_options(w.task, w.split),
        code=step_code("preprocess"),
    message:
        "Render {wildcards.split} of {wildcards.task}"
    shell:
        "gorp preprocess --benchmark {resources.benchmark:q} --task {wildcards.task} --split {wildcards.split}"
        " {params.options}"
        " --output {output:q} 2>&1 | tee {log:q}"
