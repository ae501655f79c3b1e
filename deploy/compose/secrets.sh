#!/bin/sh
# Makes the secrets of deploy/compose.yaml, once; what is there already is left alone.
#
# Compose mounts each file as it is into containers with users of their own, so the files are readable
# for all, and the folder around them for nobody but its owner.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
for name in faultline-token history-password grafana-password; do
  if [ ! -s "secrets/$name" ]; then
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name.new"
    chmod 0444 "secrets/$name.new"
    mv "secrets/$name.new" "secrets/$name"
    echo "made $(pwd)/secrets/$name"
  fi
done
