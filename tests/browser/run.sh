#!/usr/bin/env bash
# The console in a real headless Chromium. `run.sh [URL]`: tests the console at URL, or starts the
# fixture on a free port and ends it afterwards. Screenshots go to artefacts/browser/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
script=browser
# shellcheck source=../lib.sh
. "$here/../lib.sh"

need_packages chromium:chromium,fonts-dejavu-core
need_node 20
need_modules "$here"

export CONSOLE_ARTEFACTS=${CONSOLE_ARTEFACTS:-$root/artefacts/browser}
mkdir -p "$CONSOLE_ARTEFACTS"

if [ $# -gt 0 ]; then
  export CONSOLE_URL=$1
else
  (cd "$root" && cargo build --quiet --workspace --example console_fixture)
  target=${CARGO_TARGET_DIR:-$root/target}
  # Where the tests start an issuer of their own.
  free_port CONSOLE_ISSUER_PORT
  coproc FIXTURE { exec "$target/debug/examples/console_fixture" 0 "http://127.0.0.1:$CONSOLE_ISSUER_PORT"; }
  fixture=$FIXTURE_PID
  trap 'kill "$fixture" 2>/dev/null || true' EXIT
  read -r -t 30 line <&"${FIXTURE[0]}"
  export CONSOLE_URL=${line#listening on } CONSOLE_FIXTURE=1
  read -r -t 30 line <&"${FIXTURE[0]}"
  export CONSOLE_GUARDED_URL=${line#guarded on }
  read -r -t 30 line <&"${FIXTURE[0]}"
  export CONSOLE_ISSUER_URL=${line#issuer on } CONSOLE_ISSUER_PORT
  read -r -t 30 line <&"${FIXTURE[0]}"
  export CONSOLE_EITHER_URL=${line#either on }
fi
node --test --test-concurrency=1 --test-reporter=spec "$here/console.test.js" "$here/control.test.js" "$here/access.test.js" \
  "$here/sign_in.test.js"
