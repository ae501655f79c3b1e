#!/usr/bin/env bash
# The whole front: a shop instrumented by OpenTelemetry, a real Collector, Kafka, Prometheus and Alertmanager, and
# faultline behind them. One service breaks after its deploy; one incident with that service and that
# deploy first has to come out, and one ticket. What is right is in tests/front/judge.
#
#   tests/front/run.sh           installs and builds what it needs, plays the story, judges
#   tests/front/run.sh configs   only lets the real tools check the examples of deploy/
#   tests/front/run.sh play      starts all of it, says where it is, and leaves it to you until Ctrl-C
#
# It needs Go (1.26 or later), a JDK and Debian's packages of Prometheus and Alertmanager; what is missing it
# installs, but for Go. What it built stays in ${FAULTLINE_CACHE:-$HOME/.cache/faultline}.
# FRONT_HEALTHY_S is how long all is well before the fault; FRONT_KEEP a folder for logs and a recording;
# FAULTLINE_BINARY a binary that is built already.
# Exit 77 says that it was skipped.
set -euo pipefail

cd "$(dirname "$0")/../.."
script=front
# shellcheck source=../lib.sh
. tests/lib.sh
tools=$cache/front
healthy=${FRONT_HEALTHY_S:-100}
work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-front.XXXXXX")
pids=()

finish() {
  local status=$? at
  trap - EXIT
  if [ "$status" -ne 0 ] && [ "$status" -ne 77 ] && [ "$status" -ne 130 ]; then
    for at in "$work"/*.log; do
      [ ! -e "$at" ] || { printf -- '-- %s\n' "$at"; tail -n 15 "$at"; }
    done
  fi
  keep || true
  # The last that was started ends first.
  for ((at = ${#pids[@]} - 1; at >= 0; at--)); do
    kill "${pids[at]}" 2>/dev/null || true
    wait "${pids[at]}" 2>/dev/null || true
  done
  tests/rt.sh stop "$work/rt" || true
  tests/kafka.sh stop "$work/kafka" || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Logs, and the very records that faultline read.
keep() {
  [ -n "${FRONT_KEEP:-}" ] && [ -e "$work/faultline.yaml" ] || return 0
  mkdir -p "$FRONT_KEEP"
  find "$work" -maxdepth 1 -type f -exec cp -t "$FRONT_KEEP" {} +
  "$faultline" record -c "$work/faultline.yaml" -o "$FRONT_KEEP/recording.jsonl.zst" \
    >"$FRONT_KEEP/record.log" 2>&1
}

need() {
  need_go 26
  need_packages curl:curl prometheus:prometheus prometheus-alertmanager:prometheus-alertmanager
}

# Collector, shop and judge from their modules; go.sum vouches for every one of them.
build() {
  mkdir -p "$tools"
  say "building the Collector, the shop and the judge"
  (cd tests/front && go build -mod=readonly -o "$tools/" ./collector ./shop ./judge)
}

# The examples of deploy/, checked by the tools that they are for.
configs() {
  "$tools/collector" validate --config=deploy/otel-collector.yaml
  promtool check rules deploy/prometheus-rules.yml >"$work/promtool.log"
  amtool check-config deploy/alertmanager.yml >"$work/amtool.log"
  say "Collector, promtool and amtool accept what is in deploy/"
}

# start NAME COMMAND...: in the background, its words in NAME.log, ended with this script.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids+=("$!")
}

# await NAME URL: until the one that was started last answers.
await() { await_url "$2" "${pids[-1]}" 60 || die "$1 does not answer at $2, or ended"; }

# For people: where everything is, and what can be done to it.
play() {
  say "console at http://127.0.0.1:$at_console, Prometheus at http://127.0.0.1:$at_prometheus, \
Alertmanager at http://127.0.0.1:$at_alertmanager"
  say "  export FAULTLINE_URL=http://127.0.0.1:$at_console FAULTLINE_CONFIG=$work/faultline.yaml"
  say "  curl -X POST http://127.0.0.1:$at_control/deploy/payment/1.8.0   a deploy that is announced"
  say "  curl -X POST http://127.0.0.1:$at_control/leak/payment/on        its bug; off ends it; catalog has one, too"
  say "  curl -X POST http://127.0.0.1:$at_control/stop/shipping          a service that is gone until it is deployed"
  say "Ctrl-C ends all of it"
  wait
}

mode=${1:-judge}
case $mode in
  judge | play | configs) ;;
  *)
    say "usage: tests/front/run.sh [configs | play]"
    exit 2
    ;;
esac
need
build
configs
[ "$mode" != configs ] || exit 0

faultline=${FAULTLINE_BINARY:-${CARGO_TARGET_DIR:-target}/debug/faultline}
[ -n "${FAULTLINE_BINARY:-}" ] || cargo build --quiet --workspace --bin faultline
tests/kafka.sh start "$work/kafka"
brokers=$(cat "$work/kafka/bootstrap")
free_port at_grpc at_http at_health at_prometheus at_alertmanager at_hook at_console at_intake at_control \
  at_web at_accounts at_catalog at_cart at_checkout at_payment at_shipping
services=(web accounts catalog cart checkout payment shipping)

# A real Request Tracker, where it can be had.
rt_sink=
tracker=0
if [ "$mode" = judge ]; then tests/rt.sh start "$work/rt" || tracker=$?; fi
if [ "$mode" = judge ] && [ "$tracker" -eq 0 ]; then
  JUDGE_RT=$(cat "$work/rt/url") JUDGE_RT_TOKEN=$(cat "$work/rt/person_token") JUDGE_RT_QUEUE=Incidents
  export JUDGE_RT JUDGE_RT_TOKEN JUDGE_RT_QUEUE
  rt_sink="  - rt:
      name: tickets
      url: $JUDGE_RT
      auth: {bearer: {token: {file: $work/rt/token}}}
      queue: $JUDGE_RT_QUEUE
      delivery: {update_every_s: 5}"
elif [ "$mode" = judge ]; then
  # It cannot be had here; every other failure is one.
  [ "$tracker" -eq "$exit_skipped" ] || die "Request Tracker does not start"
  say "no Request Tracker: tickets are judged by the webhook alone"
fi

FRONT_SECRET=$(head -c 24 /dev/urandom | base64)
export FRONT_SECRET
cat >"$work/faultline.yaml" <<YAML
log: {kind: kafka, brokers: "$brokers"}
data_dir: $work/data
http: {listen: "127.0.0.1:$at_console"}
intake: {listen: "127.0.0.1:$at_intake"}
# Shorter than by default, so that the end of the incident can be waited for.
incidents: {resolve_after_s: 60}
YAML
if [ "$mode" = judge ]; then
  cat >>"$work/faultline.yaml" <<YAML
sinks:
  - webhook:
      name: hook
      url: http://127.0.0.1:$at_hook/
      secrets: [{env: FRONT_SECRET}]
      delivery: {update_every_s: 5}
$rt_sink
YAML
fi
"$faultline" check -c "$work/faultline.yaml"
start faultline "$faultline" run -c "$work/faultline.yaml"
await faultline "http://127.0.0.1:$at_console/readyz"

# The file of deploy/ as it is; only addresses, and one record per trace, are laid over it.
cat >"$work/overlay.yaml" <<YAML
extensions: {health_check: {endpoint: "127.0.0.1:$at_health"}}
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:$at_grpc"}, http: {endpoint: "127.0.0.1:$at_http"}}}
exporters: {kafka: {brokers: ["$brokers"], partition_traces_by_id: true}}
service: {telemetry: {metrics: {level: none}}}
YAML
start collector "$tools/collector" --config=deploy/otel-collector.yaml --config="$work/overlay.yaml"
await "the Collector" "http://127.0.0.1:$at_health/"

sed "s/127\.0\.0\.1:4318/127.0.0.1:$at_intake/" deploy/alertmanager.yml >"$work/alertmanager.yml"
start alertmanager prometheus-alertmanager --config.file="$work/alertmanager.yml" \
  --storage.path="$work/alertmanager" --web.listen-address="127.0.0.1:$at_alertmanager" \
  --cluster.listen-address=
await Alertmanager "http://127.0.0.1:$at_alertmanager/-/ready"

addresses=
{
  printf 'global: {scrape_interval: 5s, evaluation_interval: 5s}\n'
  printf 'rule_files: ["%s"]\n' "$PWD/deploy/prometheus-rules.yml"
  printf 'alerting: {alertmanagers: [{static_configs: [{targets: ["127.0.0.1:%s"]}]}]}\n' "$at_alertmanager"
  printf 'scrape_configs:\n'
  for name in "${services[@]}"; do
    at=at_$name
    printf '  - {job_name: %s, static_configs: [{targets: ["127.0.0.1:%s"]}]}\n' "$name" "${!at}"
    addresses="$addresses${addresses:+,}\"$name\":\"127.0.0.1:${!at}\""
  done
} >"$work/prometheus.yml"

export SHOP_ADDRESSES="{$addresses}" SHOP_CONTROL="127.0.0.1:$at_control"
export SHOP_CHANGES="http://127.0.0.1:$at_intake/webhooks/cloudevents"
export OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$at_grpc"
export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="http://127.0.0.1:$at_http/v1/logs"
export OTEL_BSP_SCHEDULE_DELAY=1000 OTEL_METRIC_EXPORT_INTERVAL=10000
start shop "$tools/shop" supervise
await "the shop" "http://127.0.0.1:$at_control/healthz"
start load "$tools/shop" load
start prometheus prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
  --web.listen-address="127.0.0.1:$at_prometheus"
await Prometheus "http://127.0.0.1:$at_prometheus/-/ready"

if [ "$mode" = play ]; then
  play
  exit 0
fi
JUDGE_FAULTLINE="http://127.0.0.1:$at_console" JUDGE_SHOP="http://127.0.0.1:$at_control" \
  JUDGE_HOOK="127.0.0.1:$at_hook" JUDGE_HEALTHY_S=$healthy "$tools/judge"
