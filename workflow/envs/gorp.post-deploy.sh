#!/usr/bin/env bash
# Runs in the new conda environment, in the folder of the checkout.
set -euo pipefail
python -m pip install --quiet -r requirements.txt
python -m pip install --quiet --no-deps --editable .
