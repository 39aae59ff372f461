#!/usr/bin/env bash
# What the composite action does: install lbreplay where it is not there, run the cases that CASES names.
set -euo pipefail
command -v lbreplay >/dev/null || python -m pip install --quiet "lbreplay${VERSION:-}"
read -r -a folders <<<"${CASES:?folders with golden cases expected}"
arguments=()
[ -z "${JUNIT:-}" ] || arguments+=(--junit "$JUNIT")
[ -z "${HTML:-}" ] || arguments+=(--html "$HTML")
exec lbreplay test "${folders[@]}" "${arguments[@]}"
