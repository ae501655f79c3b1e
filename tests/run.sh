#!/usr/bin/env bash
# Everything that says whether faultline is whole, from a clean machine with Rust and a C compiler.
# What else it needs (a JDK, Maven) it installs from Debian's packages if it is missing.
#
#   tests/run.sh                                    hermetic psql s3 kafka chaos-smoke rt deploy grafana browser
#   tests/run.sh PHASE...                           only these; collector runs by name
#   tests/run.sh chaos [--minutes N] [--seed S]     rounds of chaos until N minutes (10) are over; see tests/chaos/run.sh
#
# Cargo's target folder and what is fetched stay in ${FAULTLINE_CACHE:-$HOME/.cache/faultline},
# outside the checkout. Whatever it starts, it stops, however it ends.
set -euo pipefail

cd "$(dirname "$0")/.."
script=tests
# shellcheck source=lib.sh
. tests/lib.sh
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
mkdir -p "$CARGO_TARGET_DIR"
work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-tests.XXXXXX")
skipped=()

finish() {
  local status=$?
  trap - EXIT
  tests/kafka.sh stop "$work/kafka" || true
  tests/rt.sh stop "$work/rt" || true
  rm -rf "$work"
  if [ "$status" -eq 0 ]; then
    printf '== passed in %s s; skipped: %s\n' "$SECONDS" "${skipped[*]:-nothing}"
  else
    printf '== FAILED after %s s\n' "$SECONDS"
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

phase() {
  local name=$1 began=$SECONDS
  shift
  printf '== %s\n' "$name"
  "$@"
  printf '== %s: %s s\n' "$name" $((SECONDS - began))
}

audit() {
  if cargo deny --version >/dev/null 2>&1; then
    cargo deny check
  else
    printf 'cargo-deny is not installed: skipped\n'
  fi
}

with_kafka() {
  tests/kafka.sh start "$work/kafka"
  # The rest of these tests has run without it.
  FAULTLINE_TEST_KAFKA=$(cat "$work/kafka/bootstrap") \
    cargo test --workspace --test it -- log_contract:: service:: lease::
  tests/kafka.sh stop "$work/kafka"
}

# or_skipped COMMAND...: what cannot be had on this machine is no failure; it has been said, and is said again at
# the end. Only for what minds no errexit: scripts, and need_packages in a subshell.
or_skipped() {
  local status=0
  "$@" || status=$?
  [ "$status" -eq "$exit_skipped" ] || return "$status"
  skipped+=("$1")
}

# The hermetic tests speak to psql where it is; here it has to be.
with_psql() {
  or_skipped install_psql
  command -v psql >/dev/null || return 0
  FAULTLINE_TEST_PSQL=1 cargo test --workspace --test it -- psql::
}

install_psql() (need_packages psql:postgresql-client)

# A real Request Tracker, from Debian's package.
with_rt() {
  or_skipped tests/rt.sh start "$work/rt"
  [ -s "$work/rt/pid" ] || return 0
  FAULTLINE_TEST_RT=$work/rt cargo test --workspace --test it -- rt:: --test-threads=1
  tests/rt.sh stop "$work/rt"
}

# The tests of `crash::` let system calls fail by it, and say so where they cannot.
install_strace() (need_packages strace:strace)

hermetic() {
  or_skipped install_strace
  phase 'format' cargo fmt --all --check
  phase 'lints' cargo clippy --workspace --all-targets -- -D warnings
  phase 'dependencies' audit
  phase 'hermetic tests' cargo test --workspace
}

run() {
  case "$1" in
    hermetic) hermetic ;;
    psql) phase 'the history through psql' with_psql ;;
    s3) phase 'the history in a bucket' or_skipped tests/s3.sh ;;
    kafka) phase 'tests with a real Kafka' with_kafka ;;
    rt) phase 'tickets in a real Request Tracker' with_rt ;;
    browser) phase 'browser' or_skipped tests/browser/run.sh ;;
    collector) phase 'Collector, Prometheus and Alertmanager in front' or_skipped tests/front/run.sh ;;
    deploy) phase 'compose file, Helm chart, rules' or_skipped tests/deploy.sh ;;
    grafana) phase 'the queries of the dashboards' or_skipped tests/grafana/run.sh ;;
    chaos-smoke) phase 'one round of chaos' or_skipped tests/chaos/run.sh --smoke ;;
    *)
      printf 'there is no phase %s: hermetic psql s3 kafka chaos-smoke chaos rt browser collector deploy grafana\n' "$1" >&2
      exit 2
      ;;
  esac
}

# Its options are its own: it goes alone.
if [ "${1:-}" = chaos ]; then
  shift
  phase 'chaos' or_skipped tests/chaos/run.sh "$@"
  exit
fi
# By name only, until it has passed on a clean machine: collector.
[ $# -gt 0 ] || set -- hermetic psql s3 kafka chaos-smoke rt deploy grafana browser
for name in "$@"; do
  run "$name"
done
