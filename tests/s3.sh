#!/usr/bin/env bash
# The history in a bucket of a real server that speaks S3: moto's, from PyPI, on loopback and a free port.
set -euo pipefail

cd "$(dirname "$0")/.."
script=s3
# shellcheck source=lib.sh
. tests/lib.sh
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
wanted='moto[server,s3]==5.2.5'
start_seconds=60

need_packages python3:python3 curl:curl

# The virtual environment is kept by what is asked for.
need_moto() {
  local made
  venv=$cache/s3-venv-$(printf '%s' "$wanted" | sha256sum | cut -c1-16)
  [ ! -x "$venv/bin/python" ] || return 0
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
  say "fetching $wanted"
  made=$venv.making.$$
  # It appears whole or not at all, so two runs at once do no harm.
  { python3 -m venv "$made" && "$made/bin/pip" install -q --disable-pip-version-check "$wanted" >&2; } ||
    { rm -rf "$made"; skip "$wanted could not be had from PyPI"; }
  mv -T "$made" "$venv" 2>/dev/null || rm -rf "$made"
}
need_moto

server=
work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-s3.XXXXXX")
finish() {
  local status=$?
  trap - EXIT
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
  [ "$status" -eq 0 ] || tail -n 20 "$work/log" >&2 || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port port
"$venv/bin/python" -m moto.server -H 127.0.0.1 -p "$port" >"$work/log" 2>&1 &
server=$!
within "$start_seconds" "$server" answers "$port" || die "the server does not answer"
curl -fsS -X PUT "http://127.0.0.1:$port/faultline" >/dev/null || die "it makes no bucket"
# As in the other phases, so that nothing is built anew.
FAULTLINE_TEST_S3=http://127.0.0.1:$port cargo test --workspace --test it -- s3::
