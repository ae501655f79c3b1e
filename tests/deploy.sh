#!/usr/bin/env bash
# Whether deploy/ is what its readers take it for, held against the real tools: Compose's own loader,
# promtool, amtool, helm, kubeconform and `faultline check`.
#
# Tools and schemas are made from Go modules once and stay in ${FAULTLINE_CACHE:-$HOME/.cache/faultline};
# promtool, amtool and PyYAML come from Debian's packages. Without Go the parts that need it are
# skipped (exit 77), and it says so. FAULTLINE_BINARY: a binary that is built already. No cluster and no
# container is started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
script=deploy
# shellcheck source=lib.sh
. "$here/lib.sh"
tools=$cache/deploy-tools
faultline=${FAULTLINE_BINARY:-${CARGO_TARGET_DIR:-$root/target}/debug/faultline}
deploy=$root/deploy
work=$(mktemp -d "${TMPDIR:-/tmp}/faultline-deploy.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$tools"

helm_version=v3.22.0
kubeconform_version=v0.8.0
compose_version=v2.16.2
kubernetes_version=v1.34.1
keda_version=v2.21.0
operator_version=v0.85.0

# Runs something, and shows what it said only if it fails.
quietly() {
  "$@" >"$work/said" 2>&1 || {
    cat "$work/said" >&2
    die "failed: $*"
  }
}

# Runs something that has to be refused, and holds what it says against a pattern.
refused() {
  local pattern=$1
  shift
  if "$@" >"$work/said" 2>&1; then die "was not refused: $*"; fi
  grep -Eq "$pattern" "$work/said" || {
    cat "$work/said" >&2
    die "was refused, but did not say \`$pattern\`: $*"
  }
}

# Builds a tool from its Go module, once: go_tool NAME PACKAGE VERSION; prints where it is.
go_tool() {
  local binary=$tools/$1-$3 build
  if [ ! -x "$binary" ]; then
    say "building $1 $3"
    build=$(mktemp -d "$tools/build.XXXXXX")
    GOBIN=$build GOFLAGS=-buildvcs=false go install -ldflags '-s -w' "$2@$3" >"$work/go.log" 2>&1 || {
      cat "$work/go.log" >&2
      die "$1 could not be built"
    }
    mv "$build"/* "$binary"
    rmdir "$build"
  fi
  printf '%s\n' "$binary"
}

# The folder of a Go module's source.
go_module() {
  (cd "$work" && go mod download -json "$1@$2") |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'
}

# Schemas of everything the chart renders, made once; prints their folder.
schemas() {
  local kept=$tools/schemas-$kubernetes_version-$keda_version-$operator_version
  if [ ! -d "$kept" ]; then
    say "making schemas of Kubernetes $kubernetes_version, KEDA, the Prometheus operator"
    local kubernetes keda operator made
    # Inside of $(...) nothing ends this script by itself, and what is half made would be kept for good.
    kubernetes=$(go_module k8s.io/kubernetes "$kubernetes_version") || die "no source of Kubernetes"
    keda=$(go_module github.com/kedacore/keda/v2 "$keda_version") || die "no source of KEDA"
    operator=$(go_module github.com/prometheus-operator/prometheus-operator "$operator_version") ||
      die "no source of the Prometheus operator"
    made=$(mktemp -d "$tools/making.XXXXXX") || die "no folder for schemas"
    python3 "$here/deploy/schemas.py" "$made" "$kubernetes/api/openapi-spec/swagger.json" \
      "$keda/config/crd/bases/keda.sh_scaledobjects.yaml" \
      "$operator"/example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml ||
      die "the schemas could not be made"
    mv -T "$made" "$kept" 2>/dev/null || rm -rf "$made"
  fi
  printf '%s\n' "$kept"
}

check_prometheus() {
  sed "s#RULES#$deploy/prometheus/faultline.rules.yml#" "$here/deploy/rules_test.yml" >"$work/rules_test.yml"
  quietly promtool check rules "$deploy/prometheus/faultline.rules.yml"
  quietly promtool test rules "$work/rules_test.yml"
  sed -e "s#/etc/prometheus/services.rules.yml#$deploy/prometheus-rules.yml#" \
    -e "s#/etc/prometheus/#$deploy/prometheus/#" -e "s#/run/secrets/#$work/#" \
    "$deploy/compose/prometheus.yml" >"$work/prometheus.yml"
  echo token >"$work/faultline-token"
  quietly promtool check config "$work/prometheus.yml"
  quietly amtool check-config "$deploy/compose/alertmanager.yml" "$deploy/alertmanager.yml"
  say "Prometheus: rules, their unit tests, configuration; Alertmanager: two configurations"
}

# A real Collector is built by `tests/run.sh collector`; where it has run, it judges this configuration, too.
check_collector() {
  local collector=$cache/front/collector
  if [ -x "$collector" ]; then
    quietly "$collector" validate --config="$deploy/compose/collector.yaml"
    say "Collector: configuration"
  else
    say "SKIPPED: compose/collector.yaml (no Collector yet: tests/run.sh collector builds it)"
  fi
}

# The secrets that compose mounts, and the configurations that name them.
check_configurations() {
  cp -r "$deploy/compose" "$work/compose"
  rm -rf "$work/compose/secrets"
  quietly "$work/compose/secrets.sh"
  local first
  first=$(cat "$work/compose/secrets/faultline-token")
  [ "${#first}" -eq 48 ] || die "secrets.sh made a token of ${#first} characters"
  quietly "$work/compose/secrets.sh"
  [ "$first" = "$(cat "$work/compose/secrets/faultline-token")" ] || die "secrets.sh made a token anew"
  sed -i "s#/run/secrets/#$work/compose/secrets/#g" "$work/compose/faultline.yaml"
  quietly "$faultline" check -c "$work/compose/faultline.yaml"
  quietly "$faultline" check -c "$deploy/faultline.example.yaml"
  say "configurations: faultline accepts them, secrets.sh makes what they name"
}

check_compose() {
  local compose
  compose=$(go_tool compose-spec github.com/compose-spec/compose-go/v2/cmd "$compose_version")
  # The loader would say nothing of a file that is not there: a container would get an empty folder.
  (cd "$deploy" && "$compose" --format json compose.yaml) >"$work/compose.json" ||
    die "compose.yaml does not load"
  python3 - "$work/compose.json" <<'PY' || die "compose.yaml mounts what is not there"
import json, os, sys
project = json.load(open(sys.argv[1]))
gone = [
    volume["source"] for service in project["services"].values()
    for volume in service.get("volumes", []) if volume["type"] == "bind" and not os.path.exists(volume["source"])
]
public = [
    f"{name}: {port}" for name, service in project["services"].items()
    for port in service.get("ports", []) if port.get("host_ip") != "127.0.0.1"
]
sys.exit("\n".join(gone + public) or None)
PY
  say "compose.yaml: loads, mounts what is there, publishes on loopback only"
}

check_chart() {
  # A helm that was built without its release's flags believes in a very old Kubernetes.
  local helm kubeconform known chart=$deploy/helm/faultline of=(--kube-version "$kubernetes_version")
  helm=$(go_tool helm helm.sh/helm/v3/cmd/helm "$helm_version") || die "no helm"
  kubeconform=$(go_tool kubeconform github.com/yannh/kubeconform/cmd/kubeconform "$kubeconform_version") || die "no kubeconform"
  known=$(schemas) || die "no schemas"
  cp "$here/deploy/kafkatopic-kafka-v1.json" "$known/"
  export HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
  local values name
  for values in "$chart"/ci/*.yaml; do
    name=$(basename "$values" .yaml)
    quietly "$helm" lint --strict --quiet "${of[@]}" "$chart" -f "$values"
    "$helm" template shop "$chart" "${of[@]}" --namespace shop -f "$values" >"$work/$name.rendered.yaml" ||
      die "$values does not render"
    quietly "$kubeconform" -strict -schema-location "$known/{{.ResourceKind}}{{.KindSuffix}}.json" \
      "$work/$name.rendered.yaml"
  done
  mkdir -p "$work/configs"
  quietly python3 "$here/deploy/rendered.py" "$work/single.rendered.yaml" \
    "$work/everything.rendered.yaml" "$work/configs"
  cp "$work/compose/secrets/history-certificate" "$work/configs/etc/faultline/secrets/history-tls/tls.crt"
  cp "$work/compose/secrets/history-key" "$work/configs/etc/faultline/secrets/history-tls/tls.key"
  quietly "$faultline" check -c "$work/configs/single.yaml"
  quietly "$faultline" check -c "$work/configs/everything.yaml"
  # Each hook is brought to whom can serve it; in one process there is nothing to tell apart.
  "$faultline" sinks list --json -c "$work/configs/everything.yaml" >"$work/sinks.json" || die "no list of sinks"
  quietly python3 "$here/deploy/rendered.py" hooks "$work/everything.rendered.yaml" "$work/sinks.json"
  "$helm" template shop "$chart" "${of[@]}" --namespace shop -f "$chart/ci/everything.yaml" \
    --set mode=single,keda.enabled=false >"$work/together.yaml" || die "mode: single does not render"
  quietly python3 "$here/deploy/rendered.py" hooks "$work/together.yaml" "$work/sinks.json"

  # What is wrong is refused, with words.
  local least=("$helm" template shop "$chart" "${of[@]}")
  refused 'kafka.bootstrapServers is required' "${least[@]}"
  least+=(--set kafka.bootstrapServers=k:9092)
  refused 'modes?' "${least[@]}" --set mode=both
  refused 'replica' "${least[@]}" --set replicaCount=3
  refused 'needs mode: split' "${least[@]}" --set keda.enabled=true
  refused 'maxReplicaCount' "${least[@]}" --set mode=split,keda.enabled=true,keda.maxReplicaCount=4
  refused 'strimzi.topics.cluster is required' "${least[@]}" --set strimzi.topics.enabled=true
  refused 'set kafka.createTopics to false' "${least[@]}" --set strimzi.topics.enabled=true,strimzi.topics.cluster=k
  refused 'tlsSecret is required' "${least[@]}" --set history.postgres.enabled=true
  refused 'set kafka.existingSecret' "${least[@]}" --set kafka.secretProperties.a=b
  # The schemas are not asleep: a misspelt field of the rendered chart is refused by them.
  sed 's/automountServiceAccountToken/automountServiceAccountTokens/' "$work/single.rendered.yaml" >"$work/bad.yaml"
  refused 'automountServiceAccountTokens' "$kubeconform" -strict \
    -schema-location "$known/{{.ResourceKind}}{{.KindSuffix}}.json" "$work/bad.yaml"
  say "chart: lint, kubeconform against Kubernetes $kubernetes_version, roles, topics, faultline check"
}

check_dockerfile() {
  local libraries
  # What the image's base (Debian 12 without extras) does not bring may not be needed.
  libraries=$(ldd "$faultline" | awk '{print $1}' |
    grep -Ev '^(linux-vdso|/lib64/ld-linux|libc\.|libm\.|libgcc_s\.|libz\.|libpthread\.|libdl\.|librt\.)' || true)
  [ -z "$libraries" ] || die "the image lacks libraries that faultline links: $libraries"
  say "Dockerfile: the binary needs nothing that its base image does not have"
}

need_packages promtool:prometheus amtool:prometheus-alertmanager openssl:openssl python3:python3
python3 -c 'import yaml' 2>/dev/null || install_packages python3-yaml
[ -n "${FAULTLINE_BINARY:-}" ] || (cd "$root" && cargo build --quiet --workspace --bin faultline)
check_dockerfile
check_prometheus
check_configurations
check_collector
# What needs no Go is checked by now.
need_go 26
check_compose
check_chart
