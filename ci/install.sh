#!/usr/bin/env bash
# Sees to it that this machine has what the build and the tests need, and installs what is missing from Debian.
# `ci/install.sh bench` sees to what `make bench` and `make instructions` need.
#
# Looks at the programs themselves first: a machine that has them all is left alone and nothing is asked of the
# network. Whatever cannot be had is named and fails the run; a test that quietly did not run would look like a pass.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'install: %s\n' "$*" >&2; }
die() {
    say "$@"
    exit 1
}

# need PACKAGE COMMAND…: the package is missing when the command fails.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

find_missing() {
    missing=()
    # SQLite, libpq and OpenSSL are compiled from source.
    need gcc command -v cc
    need g++ command -v c++ # libFuzzer, ci/fuzz.sh
    need libc6-dev has_c_headers
    need make command -v make
    # `perl` itself is always there on Debian; OpenSSL's Configure needs the modules of the full package.
    need perl perl -MFindBin -MIPC::Cmd -MTime::Piece -e 1
    need jq command -v jq # ci/licences.sh
    # ci/with-postgres.sh
    need openssl command -v openssl
    need postgresql ci/postgres-bin.sh
    # The page tests drive a real browser; without any font it draws no text.
    need chromium command -v chromium
    need chromium-driver command -v chromedriver
    need fonts-dejavu-core has_font
}

find_missing_for_bench() {
    missing=()
    need gcc command -v cc
    need libc6-dev has_c_headers
    need perl perl -MFindBin -MIPC::Cmd -MTime::Piece -e 1
    need nginx-light has_nginx
    need wrk command -v wrk
    need valgrind command -v callgrind_control
    need util-linux command -v taskset
}

has_nginx() { PATH=$PATH:/usr/sbin:/sbin command -v nginx; }
has_c_headers() { echo '#include <stdio.h>' | cc -E -x c -; }
has_font() { [[ -n $(find /usr/share/fonts /usr/local/share/fonts -name '*.ttf' -o -name '*.otf' 2>/dev/null) ]]; }

# Debian's Rust is older than this project needs, so Rust is not ours to install.
require_rust() {
    local tool
    for tool in 'cargo --version' 'cargo fmt --version' 'cargo clippy --version'; do
        $tool >/dev/null 2>&1 ||
            die "'$tool' fails: install Rust with rustup (the version is rust-version in Cargo.toml)," \
                'with its components rustfmt and clippy'
    done
}

# How to become root: not at all, by sudo, or (nobody there to type a password) by sudo that must not ask.
find_root() {
    as_root=()
    [[ $EUID -ne 0 ]] || return 0
    as_root=(sudo)
    [[ -t 0 ]] || as_root=(sudo --non-interactive)
    "${as_root[@]}" true || die "missing: ${missing[*]}. As root: apt-get install ${missing[*]}"
}

# Debian's package would create and start a server of its own. The tests make theirs, so this one installation is
# told not to; a server that a person wants later is created as ever.
no_main_cluster=/etc/postgresql-common/createcluster.d/headwater-tests.conf
forbid_main_cluster() {
    "${as_root[@]}" mkdir -p "${no_main_cluster%/*}"
    trap '"${as_root[@]}" rm -f "$no_main_cluster"' EXIT
    echo 'create_main_cluster = false' | "${as_root[@]}" tee "$no_main_cluster" >/dev/null
}

# The same for nginx, whose package starts a server on port 80: only its program is wanted. A machine that has a policy
# of its own keeps it.
no_services=/usr/sbin/policy-rc.d
forbid_services() {
    [[ ! -e $no_services ]] || return 0
    trap '"${as_root[@]}" rm -f "$no_services"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$no_services" >/dev/null
    "${as_root[@]}" chmod 755 "$no_services"
}

install_missing() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 --quiet --yes)
    find_root
    say "installing ${missing[*]}"
    "$forbid"
    "${as_root[@]}" "${apt[@]}" update >&2 || say 'apt-get update failed; trying with the package lists at hand'
    "${as_root[@]}" "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2 ||
        die "apt-get could not install: ${missing[*]} (its own message is above)"
}

case ${1-tests} in
    tests) find=find_missing forbid=forbid_main_cluster ;;
    bench) find=find_missing_for_bench forbid=forbid_services ;;
    *) die "unknown purpose '$1': it is 'tests', which is the default, or 'bench'" ;;
esac

require_rust
"$find"
[[ ${#missing[@]} -eq 0 ]] && exit 0
command -v apt-get >/dev/null ||
    die "missing, by the names of their Debian packages: ${missing[*]}. There is no apt-get here: install them by hand"
had_nginx=$(has_nginx || true)
install_missing
# Nor shall a server that nobody asked for start at the next boot.
if [[ $find == find_missing_for_bench && -z $had_nginx ]] && command -v systemctl >/dev/null; then
    "${as_root[@]}" systemctl disable nginx >/dev/null 2>&1 || true
fi
"$find"
[[ ${#missing[@]} -eq 0 ]] || die "still missing after apt-get: ${missing[*]}"
