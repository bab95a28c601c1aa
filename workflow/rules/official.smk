# The official benchmark: what an order needs of it, shared by all runs.


localrules:
    fetch,
    fetch_instructions,


OFFICIAL_UNITS = read_manifest().units()
OFFICIAL_INSTRUCTIONS = [f"{OFFICIAL}/{place}" for place in OFFICIAL_UNITS[INSTRUCTIONS]]


rule fetch:
    output:
        [f"{OFFICIAL}/{{group}}/{{task}}/{part}.json" for part in ("labels", "train", "dev", "test")],
    log:
        f"{OFFICIAL}/logs/{{group}}/{{task}}.log",
    benchmark:
        f"{OFFICIAL}/benchmarks/{{group}}/{{task}}.tsv"
    conda:
        "../envs/gorp.yaml"
    resources:
        source=config["official_source"],
    params:
        # what is fetched is fixed by these alone: neither the code that fetches nor where from can change it
        blobs=lambda w: sorted(OFFICIAL_UNITS[w.task].items()),
        what=lambda w: w.task,
    message:
        "Fetch {wildcards.task}"
    shell:
        "gorp fetch --task {params.what:q} --source={resources.source:q} 2>&1 | tee {log:q}"


use rule fetch as fetch_instructions with:
    output:
        OFFICIAL_INSTRUCTIONS,
    log:
        f"{OFFICIAL}/logs/{INSTRUCTIONS}.log",
    benchmark:
        f"{OFFICIAL}/benchmarks/{INSTRUCTIONS}.tsv"
    params:
        blobs=sorted(OFFICIAL_UNITS[INSTRUCTIONS].items()),
        what=INSTRUCTIONS,
    message:
        "Fetch the instructions"
