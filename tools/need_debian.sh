#!/bin/sh
# Install the Debian packages named, where that is possible; else say what is missing and go on: tests that need it skip.
# Services are installed but not started. GATEWAYKIT_NO_INSTALL=1 keeps it from installing anything.
set -u
. "$(dirname "$0")/say.sh"

[ $# -gt 0 ] || exit 0

as_root=
if [ -n "${GATEWAYKIT_NO_INSTALL:-}" ] || ! command -v apt-get >/dev/null; then
    as_root=no
elif [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=sudo; else as_root=no; fi
fi
if [ "$as_root" = no ]; then
    warn "missing programs; what needs them will be skipped. To have them: apt-get install $*"
    exit 0
fi

say "installing $*"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d # while it exists and says 101, packages do not start their services
if [ ! -e $policy ] && printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null; then
    $as_root chmod +x $policy
    trap '$as_root rm -f $policy "$log"' EXIT
    trap 'exit 130' INT TERM
else
    trap 'rm -f "$log"' EXIT
fi
install() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1
}
$as_root apt-get update >"$log" 2>&1 || warn "apt-get update failed; trying with the package lists at hand"
install "$@" && exit 0
for package in "$@"; do # one that does not exist here must not keep the others away
    install "$package" || warn "could not install $package: $(grep '^E:' "$log" | head -n 1)"
done
exit 0
