#!/usr/bin/env bash
# Grafana's side of the history: every query of every dashboard, expanded as Grafana does, through psql and
# npm's pg against a running faultline that has told the demo's story; the Node Graph frames by Grafana's
# own code; dashboards and provisioning by structure; expressions for Prometheus by promtool.
#
#   run.sh          starts a faultline over the story, and ends it afterwards
#   run.sh URL      asks one that runs (postgresql://user:password@host:port/faultline)
#
# FAULTLINE_BINARY and STORY_LOG: binaries that are built already. Packages of npm stay in
# ${FAULTLINE_CACHE:-$HOME/.cache/faultline}. No Grafana is started: there is none to be had here.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
script=grafana
# shellcheck source=../lib.sh
. "$here/../lib.sh"
target=${CARGO_TARGET_DIR:-$root/target}
work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-grafana.XXXXXX")
# How long the story may take to be read and judged.
patience=${GRAFANA_PATIENCE_S:-420}
service=

finish() {
  local status=$?
  trap - EXIT
  if [ -n "$service" ]; then
    kill "$service" 2>/dev/null || true
    wait "$service" 2>/dev/null || true
  fi
  if [ "$status" -ne 0 ] && [ -e "$work/faultline.log" ]; then tail -n 15 "$work/faultline.log" >&2; fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Every expression of the dashboards as a recording rule: promtool reads them with Prometheus' own parser.
check_expressions() {
  node --input-type=module - "$here/dashboards.js" >"$work/expressions.yml" <<'JS'
const { dashboards } = await import(process.argv[2]);
const rules = dashboards.flatMap((d) => d.panels).flatMap((p) => p.targets).filter((t) => t.expr).map((t, at) => ({
  record: `dashboard:expression:${at}`.replace(/:(\d+)$/, '_$1'),
  expr: t.expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', '.*'),
}));
if (rules.length < 10) throw new Error(`only ${rules.length} expressions`);
console.log(JSON.stringify({ groups: [{ name: 'dashboards', rules }] }));
JS
  promtool check rules "$work/expressions.yml" >"$work/promtool.log" 2>&1 || {
    cat "$work/promtool.log" >&2
    die "an expression of a dashboard is none"
  }
  say "expressions for Prometheus: $(grep -o '[0-9]* rules' "$work/promtool.log") read by promtool"
}

# A faultline over the demo's story, with a history; sets `url` when the story is told.
start_faultline() {
  local faultline=${FAULTLINE_BINARY:-} story=${STORY_LOG:-} http sql secret
  if [ -z "$faultline" ] || [ -z "$story" ]; then
    (cd "$root" && cargo build --quiet --workspace --bin faultline --example story_log)
    faultline=$target/debug/faultline
    story=$target/debug/examples/story_log
  fi
  free_port http sql
  secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s' "$secret" >"$work/password"
  cat >"$work/faultline.yaml" <<CONFIG
log: {kind: embedded, directory: $work/log}
data_dir: $work/data
topics: {input_partitions: 1}
http: {listen: "127.0.0.1:$http"}
intake: {listen: "127.0.0.1:0"}
history:
  directory: $work/history
  pg: {listen: "127.0.0.1:$sql", password: {file: $work/password}}
CONFIG
  "$story" "$work/log"
  "$faultline" run --config "$work/faultline.yaml" >"$work/faultline.log" 2>&1 &
  service=$!
  url=postgresql://faultline:$secret@127.0.0.1:$sql/faultline
  local began=$SECONDS rows before='' same=0 told
  told="SELECT (SELECT count(*) FROM incidents WHERE state = 'resolved' AND service_count > 1) AS over,
    (SELECT count(*) FROM incidents WHERE state = 'open') AS open,
    (SELECT count(*) FROM revisions) AS revisions, (SELECT count(*) FROM changes) AS changes"
  # The page of the story is over, the fault after it is told, and nothing more comes: each query is asked
  # twice and has to say the same.
  while [ "$same" -lt 10 ]; do
    kill -0 "$service" 2>/dev/null || die "faultline ended; its log:"
    [ $((SECONDS - began)) -lt "$patience" ] || die "the story was not told within $patience s"
    sleep 1
    rows=$(psql -X -At "$url" -c "$told" 2>/dev/null || true)
    if [[ $rows == [1-9]*'|'[1-9]* && $rows == "$before" ]]; then same=$((same + 1)); else same=0; fi
    before=$rows
  done
  say "the story was told in $((SECONDS - began)) s"
}

need_packages psql:postgresql-client promtool:prometheus
need_node 20
need_modules "$here"
check_expressions
if [ $# -gt 0 ]; then
  url=$1
else
  start_faultline
fi
cd "$here"
GRAFANA_PG=$url node --test --test-reporter=dot macros.test.js structure.test.js history.test.js
say "dashboards: queries, frames and structure hold; checked against documented queries, not a running Grafana"
