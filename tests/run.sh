#!/usr/bin/env bash
# Everything that says whether faultline is whole, from a clean machine with Rust and a C compiler.
# What else it needs (a JDK, Maven) it installs from Debian's packages if it is missing.
#
#   tests/run.sh             hermetic psql kafka browser
#   tests/run.sh PHASE...    only these; rt, collector, deploy and grafana run by name
#
# Cargo's target folder and what is fetched stay in ${FAULTLINE_CACHE:-$HOME/.cache/faultline},
# outside the checkout. Whatever it starts, it stops, however it ends.
set -euo pipefail

cd "$(dirname "$0")/.."
cache=${FAULTLINE_CACHE:-$HOME/.cache/faultline}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
mkdir -p "$cache" "$CARGO_TARGET_DIR"
work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-tests.XXXXXX")

finish() {
  local status=$?
  trap - EXIT
  tests/kafka.sh stop "$work/kafka" || true
  tests/rt.sh stop "$work/rt" || true
  rm -rf "$work"
  if [ "$status" -eq 0 ]; then
    printf '== all phases passed in %s s\n' "$SECONDS"
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
    cargo test --workspace --test it -- log_contract:: service::
  tests/kafka.sh stop "$work/kafka"
}

# The hermetic tests speak to psql where it is; here it has to be.
with_psql() {
  if ! command -v psql >/dev/null 2>&1; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      printf 'psql is not installed and cannot be (needs root and apt-get): skipped\n'
      return 0
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-client >/dev/null
  fi
  FAULTLINE_TEST_PSQL=1 cargo test --workspace --test it -- psql::
}

# A real Request Tracker, from Debian's package; without it, that is said and nothing fails.
with_rt() {
  local status=0
  tests/rt.sh start "$work/rt" || status=$?
  # 77: it cannot be had here.
  [ "$status" -ne 77 ] || { printf 'no Request Tracker here: skipped\n'; return 0; }
  [ "$status" -eq 0 ] || return "$status"
  FAULTLINE_TEST_RT=$work/rt cargo test --workspace --test it -- rt:: --test-threads=1
  tests/rt.sh stop "$work/rt"
}

# A shop, a real Collector, Prometheus and Alertmanager in front. It needs Go, and says so where there is none.
with_collector() {
  local status=0
  tests/front/run.sh || status=$?
  # 77: it was skipped, and has said why.
  [ "$status" -eq 77 ] || return "$status"
}

hermetic() {
  phase 'format' cargo fmt --all --check
  phase 'lints' cargo clippy --workspace --all-targets -- -D warnings
  phase 'dependencies' audit
  phase 'hermetic tests' cargo test --workspace
}

run() {
  case "$1" in
    hermetic) hermetic ;;
    psql) phase 'the history through psql' with_psql ;;
    kafka) phase 'tests with a real Kafka' with_kafka ;;
    rt) phase 'tickets in a real Request Tracker' with_rt ;;
    browser) phase 'browser' tests/browser/run.sh ;;
    collector) phase 'Collector, Prometheus and Alertmanager in front' with_collector ;;
    deploy) phase 'compose file, Helm chart, rules' tests/deploy.sh ;;
    grafana) phase 'the queries of the dashboards' tests/grafana/run.sh ;;
    *)
      printf 'there is no phase %s: hermetic psql kafka rt browser collector deploy grafana\n' "$1" >&2
      exit 2
      ;;
  esac
}

# By name only, until each has passed on a clean machine: rt collector deploy grafana.
[ $# -gt 0 ] || set -- hermetic psql kafka browser
for name in "$@"; do
  run "$name"
done
