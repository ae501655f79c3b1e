# What the scripts of tests/ share. Sourced under `set -euo pipefail`, with `script` set to the word that
# goes before whatever is said.
#
# What is fetched or built stays in $cache, outside the checkout.
# shellcheck shell=bash

# A failure inside of $(...) ends the script, too.
shopt -s inherit_errexit

cache=${FAULTLINE_CACHE:-$HOME/.cache/faultline}
mkdir -p "$cache"
# What is needed cannot be had here: whoever called skips, and it has been said why.
exit_skipped=77

say() { printf '%s: %s\n' "$script" "$*" >&2; }

die() {
  say "$*"
  exit 1
}

skip() {
  say "skipped: $*"
  exit "$exit_skipped"
}

# need_packages COMMAND:PACKAGE[,PACKAGE]...: Debian's packages of the commands that are missing.
need_packages() {
  local missing=() pair packages as=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null && continue
    IFS=, read -ra packages <<<"${pair#*:}"
    missing+=("${packages[@]}")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || as=(sudo)
  command -v apt-get >/dev/null && command -v "${as[0]:-apt-get}" >/dev/null ||
    skip "please install ${missing[*]} (it takes apt-get, and root or sudo, to do that here)"
  "${as[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists that are there"
  install_packages "${missing[@]}"
}

# install_packages PACKAGE...: installs them, without starting their services.
install_packages() {
  local as=()
  [ "$(id -u)" -eq 0 ] || as=(sudo)
  say "installing $*"
  without_services "${as[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null </dev/null || die "could not install $*"
}

# Runs a command; services of packages that it installs are not started. `as` is the caller's.
without_services() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap '"${as[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as[@]}" install -m 0755 /dev/stdin "$policy"
  fi
  "$@"
)

# need_go MINOR: Go 1.MINOR or later. Debian 12's is too old for what is built here, so it is not installed.
need_go() {
  command -v go >/dev/null || skip "there is no Go; it takes 1.$1 or later, which Debian does not have"
  local minor
  minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge "$1" ] || skip "it takes Go 1.$1 or later; this is $(go env GOVERSION)"
}

# need_node MAJOR: Node of that version or later, and npm. Debian's are installed where there are none.
need_node() {
  need_packages node:nodejs npm:npm
  local major
  major=$(node --version | sed -n 's/^v\([0-9]*\).*/\1/p')
  [ "${major:-0}" -ge "$1" ] || skip "it takes Node $1 or later; this is $(node --version)"
}

# need_modules FOLDER: npm's packages for a folder with a lock file. They are kept by the hash of what is asked
# for, and Node finds them by a link; a folder node_modules of your own stays.
need_modules() {
  local kept made
  kept=$cache/npm-$(sha256sum "$1/package-lock.json" | cut -c1-16)
  if [ ! -d "$kept" ]; then
    say "fetching npm packages"
    made=$(mktemp -d "$cache/npm-making.XXXXXX")
    cp "$1/package.json" "$1/package-lock.json" "$made/"
    (cd "$made" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || die "npm failed"
    # It appears whole or not at all, so two runs at once do no harm.
    mv -T "$made" "$kept" 2>/dev/null || rm -rf "$made"
  fi
  [ -e "$1/node_modules" ] && [ ! -L "$1/node_modules" ] || ln -sfn "$kept/node_modules" "$1/node_modules"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

ports_given=()
# free_port VARIABLE...: puts a free port of the loopback interface into each, no two the same.
free_port() {
  # Names that no caller has: a local one would hide the variable that is asked for.
  local free_variable free_found
  for free_variable in "$@"; do
    for _ in $(seq 200); do
      # Below the range from which the kernel takes ports of its own.
      free_found=$((20000 + RANDOM % 12000))
      [[ " ${ports_given[*]} " == *" $free_found "* ]] || answers "$free_found" || break
      free_found=
    done
    [ -n "$free_found" ] || die "no free port"
    ports_given+=("$free_found")
    printf -v "$free_variable" '%s' "$free_found"
  done
}

# within SECONDS PID COMMAND...: repeats a command until it succeeds; fails when the process has ended or the
# time is over.
within() {
  local deadline=$((SECONDS + $1)) pid=$2
  shift 2
  until "$@"; do
    kill -0 "$pid" 2>/dev/null || return 1
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# await_port PORT PID SECONDS: until the process answers there.
await_port() { within "$3" "$2" answers "$1"; }

# await_url URL PID SECONDS: until the process answers 200 there.
await_url() { within "$3" "$2" curl -fs -o /dev/null --max-time 5 "$1"; }

# stop_pid FILE PATTERN SECONDS: ends the process whose id a file holds, if its command line still matches:
# ids are given again. It gets SECONDS to end by itself.
stop_pid() {
  local file=$1 pid deadline=$((SECONDS + $3))
  [ -s "$file" ] || return 0
  pid=$(cat "$file")
  rm -f "$file"
  grep -qsae "$2" "/proc/$pid/cmdline" || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    [ "$SECONDS" -lt "$deadline" ] || { kill -KILL "$pid" 2>/dev/null || true; return 0; }
    sleep 0.1
  done
}
