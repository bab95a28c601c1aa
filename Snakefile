# The workflow, for those who call it in a checkout: all of it stands in workflow/Snakefile.


include: "workflow/Snakefile"


workflow.default_target = workflow.modifier.modify_rulename("all")  # an included file sets none
