# Sourced by the scripts beside it: one short line about what is being done, coloured on a terminal only.
if [ -t 1 ]; then bold=$(printf '\033[1m') yellow=$(printf '\033[33m') plain=$(printf '\033[0m'); else bold='' yellow='' plain=''; fi
say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
warn() { printf '%s==> %s%s\n' "$yellow" "$*" "$plain"; }
die() { warn "$@" >&2; exit 1; }
