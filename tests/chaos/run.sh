#!/usr/bin/env bash
# Chaos: the roles in processes of their own over a real Kafka, killed, frozen, cut off and fed with poison, and a
# checker that shares no code with them. docs/reliability.md says what has to hold.
#
#   tests/chaos/run.sh [--minutes N] [--seed S]         rounds until N minutes (10) are over; S is drawn if not given
#   tests/chaos/run.sh --smoke                          one round of everything, and the mutants of the checker
#   tests/chaos/run.sh --seed S --round R --plan P      one round again
#
# A round that breaks a promise prints seed and round; its evidence stays in ${FAULTLINE_CHAOS_KEEP:-$cache/chaos-failed}.
# FAULTLINE_BINARY names a binary; without it, one is built.
set -euo pipefail

cd "$(dirname "$0")/../.."
script=chaos
# shellcheck source=../lib.sh
. tests/lib.sh

folder=tests/chaos
minutes=10 seed=$((RANDOM * 32768 + RANDOM)) more=()
while [ $# -gt 0 ]; do
  case "$1" in
    --minutes) minutes=${2:?how many minutes?}; shift 2 ;;
    --seed) seed=${2:?which seed?}; shift 2 ;;
    --smoke) more+=(--smoke); minutes=1; shift ;;
    --round | --plan) more+=("$1" "${2:?$1 of what?}"); shift 2 ;;
    *) die "unknown: $1; see the head of tests/chaos/run.sh" ;;
  esac
done
[[ $minutes =~ ^[0-9]+$ && $seed =~ ^[0-9]+$ ]] || die "--minutes and --seed take whole numbers"

need_packages python3:python3 java:openjdk-17-jdk-headless

# The virtual environment is kept by the hash of what is asked for.
need_python() {
  local made
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || skip "it takes Python 3.11 or later"
  venv=$cache/chaos-venv-$(sha256sum "$folder/requirements.txt" | cut -c1-16)
  [ ! -x "$venv/bin/python" ] || return 0
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
  say "fetching Python packages"
  made=$(mktemp -d "$cache/chaos-venv-making.XXXXXX")
  # It appears whole or not at all, so two runs at once do no harm.
  { python3 -m venv "$made" && "$made/bin/pip" install -q --disable-pip-version-check -r "$folder/requirements.txt" >&2; } ||
    { rm -rf "$made"; skip "Python's packages could not be had"; }
  mv -T "$made" "$venv" 2>/dev/null || rm -rf "$made"
}
need_python

export PYTHONDONTWRITEBYTECODE=1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
if [ -z "${FAULTLINE_BINARY:-}" ]; then
  # With the features of the other phases: they are built already.
  cargo build -q --workspace --bin faultline
  FAULTLINE_BINARY=$CARGO_TARGET_DIR/debug/faultline
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-chaos.XXXXXX")
finish() {
  local status=$?
  trap - EXIT
  # Processes of the product are the driver's; it ends them. The broker is ended here, too, however it ended.
  [ -z "${driver:-}" ] || kill -TERM "$driver" 2>/dev/null || true
  tests/kafka.sh stop "$work/kafka" || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "seed $seed, $minutes minutes"
# A round has bounds of its own; this one is for what nobody thought of.
timeout --kill-after=30 $((minutes * 60 + 900)) "$venv/bin/python" "$folder/main.py" \
  --binary "$FAULTLINE_BINARY" --kafka "$PWD/tests/kafka.sh" --work "$work" --cache "$cache" \
  --keep "${FAULTLINE_CHAOS_KEEP:-$cache/chaos-failed}" --minutes "$minutes" --seed "$seed" "${more[@]}" &
driver=$!
status=0
wait "$driver" || status=$?
driver=
exit "$status"
