# Sourced by tests/run and tests/bench/run, which set $me before: the virtual environment, Debian's packages, Pebble.
#
#   CERTCTL_VENV   where the virtual environment is            (default: .venv of the checkout)
#   PYTHON         the interpreter that makes the environment  (default: python3)
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD
venv=${CERTCTL_VENV:-$root/.venv}
cache=$root/tests/.cache
log=$cache/install.log

unset PYTHONDONTWRITEBYTECODE PYTHONHOME
export LC_ALL=${LC_ALL:-C.UTF-8} DEBIAN_FRONTEND=noninteractive
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
umask 022
mkdir -p "$cache"
: >"$log"

say() { printf '%s: %s\n' "${me:?}" "$*" >&2; }

logged() {
  printf '\n$ %s\n' "$*" >>"$log"
  "$@" >>"$log" 2>&1 </dev/null
}

# quietly CMD…: what an installation prints is of interest only when it fails.
quietly() {
  logged "$@" && return
  tail -n 40 "$log" >&2
  say "failed: $* (all of it is in $log)"
  return 1
}

# --- Debian's packages ----------------------------------------------------------------------------

installable() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

absent() {  # PACKAGE…: prints those that are not installed
  local have
  have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | awk '$2 == "installed" {print $1}')
  printf '%s\n' "$@" | grep -vxF -e "$have"
}

apt() { "$1" apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o APT::Sandbox::User=root "${@:2}"; }

refreshed=
refresh() {  # an index that cannot be fetched is no reason to stop: the one that is there may do
  [ -n "$refreshed" ] || apt quietly update || true
  refreshed=yes
}

# add PACKAGE…: nothing may start by itself meanwhile, and nothing of the machine's may be removed for it.
add() {
  local policy=/usr/sbin/policy-rc.d ours='' status=0
  refresh
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && ours=yes
  fi
  apt quietly install -y --no-install-recommends --no-remove "$@" || status=1
  [ -z "$ours" ] || rm -f $policy
  return $status
}

# have PACKAGE…: installs those that are missing, together with what makes a virtual environment.
have() {
  local missing
  "${PYTHON:-python3}" -c 'import venv, ensurepip' 2>/dev/null || set -- "$@" python3 python3-venv
  mapfile -t missing < <(absent "$@")
  [ ${#missing[@]} -eq 0 ] || { say "installing ${missing[*]}" && add "${missing[@]}"; }
}

# unpack PACKAGE DIR APT-OPTION…: the files of a package, without installing it.
unpack() {
  local package=$1 into=$2 work status=0
  shift 2
  work=$(mktemp -d) || return 1
  (cd "$work" && apt logged "$@" download "$package" &&
    rm -rf "$into" && mkdir -p "$(dirname "$into")" && logged dpkg-deb -x ./*.deb "$into") || status=1
  rm -rf "$work"
  return $status
}

# Pebble's newer releases know renewalInfo and profiles; they need only libc, so a later suite's package runs here.
# The address is that of the system's own sources. An index of our own leaves the system's as it is.
pebble_from() {  # SUITE
  local uri work options status=0
  # shellcheck disable=SC2016 # apt-get expands these
  uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' \
    'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | awk '$2 !~ /-/ {print $1; exit}')
  [ -n "$uri" ] || return 1
  work=$(mktemp -d) || return 1
  mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$uri" "$1" /usr/share/keyrings/debian-archive-keyring.gpg >"$work/parts/suite.sources"
  options=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts"
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o Acquire::Languages=none)
  { apt logged "${options[@]}" update && unpack pebble "$cache/pebble" "${options[@]}" && pebble_runs; } || status=1
  rm -rf "$work"
  return $status
}

pebble_runs() { "$cache/pebble/usr/bin/pebble" -version >/dev/null 2>&1; }

newest_pebble() {
  pebble_runs && return
  say 'unpacking pebble'
  refresh
  pebble_from sid || pebble_from trixie || unpack pebble "$cache/pebble" || say "no pebble: see $log"
}

# uacme cannot read the challenges that the newest Pebble offers, so benchmarks run that of this Debian release.
plain_pebble() {
  [ -x "$cache/bench/pebble/usr/bin/pebble" ] && return
  say "unpacking this release's pebble, too"
  refresh
  unpack pebble "$cache/bench/pebble" || say 'benchmarks run with the newest pebble, which uacme may not understand'
}

# --- the virtual environment ----------------------------------------------------------------------

# requirements: the dependency groups test and lint, one requirement a line. Written out, since pip knows --group only from 25.1.
requirements() {
  "$venv/bin/python" - <<'PY'
import tomllib

with open("pyproject.toml", "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]

def listed(name):
    for entry in groups[name]:
        if isinstance(entry, dict):
            yield from listed(entry["include-group"])
        else:
            yield entry

print("\n".join([*listed("test"), *listed("lint")]))
PY
}

# installed: certctl and its test tools, each in the version and with a hash of constraints.txt where that
# knows this Python and serves pyproject.toml; else in the newest version that there is.
installed() {
  local pip=("$venv/bin/python" -m pip install --disable-pip-version-check --no-input)
  if "$venv/bin/python" tests/constraints --check 2>>"$log"; then
    quietly "${pip[@]}" --require-hashes --requirement constraints.txt &&
      quietly "${pip[@]}" --no-deps --no-build-isolation --editable .
    return
  fi
  say "without hashes: tests/constraints --check says why, in $log"
  requirements >"$cache/requirements.txt" &&
    quietly "${pip[@]}" --editable . --requirement "$cache/requirements.txt"
}

environment() {
  local python=${PYTHON:-python3} stamp wanted
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making $venv"
    quietly "$python" -m venv --clear "$venv" || return 1
  fi
  stamp=$venv/certctl-tests.stamp
  wanted=$(printf '%s\n' "$root"; "$venv/bin/python" -V; cat pyproject.toml constraints.txt)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say 'installing certctl and its test tools'
    installed || return 1
    printf '%s\n' "$wanted" >"$stamp"
  fi
  export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv
}
