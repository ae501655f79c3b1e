#!/usr/bin/env bash
# A real Apache Kafka for tests: one KRaft node on loopback, on free ports.
#
#   tests/kafka.sh start DIR   starts it; DIR/bootstrap then holds host:port, DIR/pid its process
#   tests/kafka.sh restart DIR starts it again, on the same data and ports, after it was ended or killed
#   tests/kafka.sh stop DIR    ends that process, and only that
#   tests/kafka.sh fetch       only fetches the jars, and prints their folder
#
# Jars come from Maven Central once and stay in ${FAULTLINE_CACHE:-$HOME/.cache/faultline}.
# KAFKA_VERSION chooses a version; without it, the newest 4.x whose jars are all there.
# KAFKA_VIA=PORT gives the broker a second listener that names PORT, which is somebody else's, as its address;
# DIR/behind then holds the port that it really listens on: for a proxy between clients and broker.
set -euo pipefail

script=kafka
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
heap=${KAFKA_HEAP:-512m}
start_seconds=60
stop_seconds=10

# Writes a pom that asks for one version or range of the broker.
write_pom() {
  cat >"$1/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>faultline</groupId>
  <artifactId>kafka-rig</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$2</version>
    </dependency>
  </dependencies>
</project>
POM
}

# Copies the broker's jars for a version or range into FOLDER/jars.
copy_jars() {
  write_pom "$1" "$2"
  (cd "$1" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$1/jars") >"$1/mvn.log" 2>&1
}

# The version a folder of jars holds.
version_of() {
  local jar
  jar=$(find "$1" -name 'kafka_2.13-*.jar' | head -n 1)
  jar=${jar##*/kafka_2.13-}
  printf '%s\n' "${jar%.jar}"
}

# A published version can lack one of its jars for a while; the next older one is taken then.
fetch_newest() {
  local work=$1 below=5.0 refused
  for _ in 1 2 3 4 5 6; do
    copy_jars "$work" "[4.0,$below)" && return
    refused=$(grep -o 'org.apache.kafka:[a-z0-9_.-]*:[a-z:]*4\.[0-9.]*[0-9]' "$work/mvn.log" |
      head -n 1 | sed 's/.*://')
    if [ -z "$refused" ] || [ "$refused" = "$below" ]; then break; fi
    say "Kafka $refused is not complete; looking below it"
    below=$refused
  done
  cat "$work/mvn.log" >&2
  die "no Kafka 4.x could be fetched"
}

fetch() {
  local kept work version
  if [ -n "${KAFKA_VERSION:-}" ]; then
    kept=$cache/kafka-$KAFKA_VERSION
  else
    kept=$(find "$cache" -maxdepth 1 -type d -name 'kafka-4.*' | sort -V | tail -n 1)
  fi
  if [ -n "$kept" ] && [ -d "$kept" ]; then
    printf '%s\n' "$kept"
    return
  fi
  need_packages java:openjdk-17-jdk-headless mvn:maven
  say "fetching Apache Kafka"
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  if [ -n "${KAFKA_VERSION:-}" ]; then
    copy_jars "$work" "$KAFKA_VERSION" || {
      cat "$work/mvn.log" >&2
      die "Kafka $KAFKA_VERSION could not be fetched"
    }
  else
    fetch_newest "$work"
  fi
  version=$(version_of "$work/jars")
  # A folder appears whole or not at all, so two runs at once do no harm.
  mv -T "$work/jars" "$cache/kafka-$version" 2>/dev/null || true
  rm -rf "$work"
  printf '%s\n' "$cache/kafka-$version"
}

write_config() {
  local dir=$1 port=$2 controller=$3 via='' named='' map=''
  if [ -n "${KAFKA_VIA:-}" ]; then
    local behind
    free_port behind
    printf '%s\n' "$behind" >"$dir/behind"
    via=,VIA://127.0.0.1:$behind named=,VIA://127.0.0.1:$KAFKA_VIA map=,VIA:PLAINTEXT
  fi
  cat >"$dir/server.properties" <<CONFIG
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller$via
advertised.listeners=PLAINTEXT://127.0.0.1:$port$named
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$map
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.retention.ms=-1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
message.max.bytes=2097152
num.network.threads=2
num.io.threads=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
CONFIG
  cat >"$dir/log4j2.properties" <<CONFIG
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
CONFIG
}

run_java() {
  local dir=$1 jars=$2
  shift 2
  exec java -Dlog4j2.configurationFile="$dir/log4j2.properties" -Djava.awt.headless=true \
    -cp "$jars/*" "$@"
}

start() {
  local dir jars port controller
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  [ ! -e "$dir/pid" ] || ! kill -0 "$(cat "$dir/pid")" 2>/dev/null || die "$dir is in use already"
  rm -rf "$dir/data" "$dir/bootstrap" "$dir/pid" "$dir/kafka.log"
  need_packages java:openjdk-17-jdk-headless
  jars=$(fetch)
  free_port port controller
  write_config "$dir" "$port" "$controller"
  local id
  id=$( (run_java "$dir" "$jars" kafka.tools.StorageTool random-uuid) 2>"$dir/format.log" | tail -n 1)
  (run_java "$dir" "$jars" -Xmx128m kafka.tools.StorageTool format \
    -t "$id" -c "$dir/server.properties") >>"$dir/format.log" 2>&1 || {
    cat "$dir/format.log" >&2
    die "the storage could not be formatted"
  }
  launch "$dir" "$jars" "$port"
}

# launch DIR JARS PORT: starts a broker whose folder is ready, and waits until it answers.
launch() {
  local dir=$1 jars=$2 port=$3 pid
  (run_java "$dir" "$jars" "-Xmx$heap" "-Xms$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    kafka.Kafka "$dir/server.properties") >>"$dir/kafka.log" 2>&1 </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$dir/pid"
  await_port "$port" "$pid" "$start_seconds" || {
    tail -n 30 "$dir/kafka.log" >&2
    stop "$dir"
    die "Kafka did not answer within $start_seconds s, or ended; see $dir/kafka.log"
  }
  printf '127.0.0.1:%s\n' "$port" >"$dir/bootstrap"
  say "$(version_of "$jars") answers on 127.0.0.1:$port (process $pid)"
}

restart() {
  local dir port
  dir=$(cd "$1" && pwd)
  port=$(sed -n 's/^advertised.listeners=PLAINTEXT:[^:]*:\([0-9]*\).*/\1/p' "$dir/server.properties")
  [ -n "$port" ] || die "$dir holds no broker that was started before"
  # One that was told to end may take a while.
  stop_pid "$dir/pid" 'kafka\.Kafka' "$stop_seconds"
  launch "$dir" "$(fetch)" "$port"
}

stop() {
  stop_pid "$1/pid" 'kafka\.Kafka' "$stop_seconds"
  rm -f "$1/bootstrap"
}

case "${1:-}" in
  start) start "${2:?which folder?}" ;;
  restart) restart "${2:?which folder?}" ;;
  stop) stop "${2:?which folder?}" ;;
  fetch) fetch ;;
  *) die "usage: tests/kafka.sh start DIR | restart DIR | stop DIR | fetch" ;;
esac
