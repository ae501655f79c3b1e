#!/usr/bin/env bash
# The console in a real headless Chromium. `run.sh [URL]`: tests the console at URL, or starts the
# fixture on a free port and ends it afterwards. Screenshots go to artefacts/browser/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

if ! command -v chromium >/dev/null; then
  echo "browser: installing chromium from Debian's packages" >&2
  sudo=""
  if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    chromium fonts-dejavu-core >/dev/null
fi
if [ ! -d "$here/node_modules/playwright-core" ]; then
  (cd "$here" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error)
fi

export CONSOLE_ARTEFACTS=${CONSOLE_ARTEFACTS:-$root/artefacts/browser}
mkdir -p "$CONSOLE_ARTEFACTS"

if [ $# -gt 0 ]; then
  export CONSOLE_URL=$1
else
  (cd "$root" && cargo build --quiet -p pipeline --example console_fixture)
  target=${CARGO_TARGET_DIR:-$root/target}
  coproc FIXTURE { exec "$target/debug/examples/console_fixture" 0; }
  fixture=$FIXTURE_PID
  trap 'kill "$fixture" 2>/dev/null || true' EXIT
  read -r -t 30 line <&"${FIXTURE[0]}"
  export CONSOLE_URL=${line#listening on } CONSOLE_FIXTURE=1
fi
node --test --test-concurrency=1 --test-reporter=spec "$here/console.test.js" "$here/control.test.js"
