# Errors: the answers of an order's last stage by kind, on a page of its own.


AUDIT_FOLDER = f"{RUN}/{{order}}/audit/{{method}}/seed{{seed}}"


rule audit:
    input:
        predictions=last_predictions,
        data=lambda w: rendered(ORDERS[w.order], SPLIT),
    output:
        page=report(
            f"{AUDIT_FOLDER}/audit.html",
            caption="../report/audit.rst",
            category="Errors",
            subcategory="{order}",
            labels={"order": "{order}", "method": "{method}", "seed": "{seed}"},
        ),
        tables=[f"{AUDIT_FOLDER}/{file}" for file in AUDIT_FILES[1:]],
    log:
        f"{RUN}/logs/audit/{{order}}/{{method}}/seed{{seed}}.log",
    benchmark:
        f"{RUN}/benchmarks/audit/{{order}}/{{method}}/seed{{seed}}.tsv"
    conda:
        "../envs/gorp.yaml"
    resources:
        benchmark=BENCHMARK,
        folder=lambda w: placed(AUDIT_FOLDER.format(**dict(w.items()))),
    params:
        labels=lambda w: [] if FROM_OFFICIAL else [DIGESTS.rows(TASKS[task].label_file()) for task in ORDERS[w.order]],
        code=step_code("audit"),
    message:
        "Audit the last stage of {wildcards.order}, {wildcards.method}, seed {wildcards.seed}"
    shell:
        "gorp audit --predictions {input.predictions:q} --benchmark {resources.benchmark:q} --data {input.data:q}"
        " --output {resources.folder:q} 2>&1 | tee {log:q}"
