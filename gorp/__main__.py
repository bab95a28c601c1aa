"""`python -m gorp`, the same as the `gorp` command."""

import sys

from gorp.cli import main

sys.exit(main())
