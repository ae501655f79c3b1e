#!/bin/sh
# Makes the secrets of deploy/compose.yaml, once; what is there already is left alone. Needs openssl.
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
# A certificate for SQL over the PostgreSQL protocol, signed by itself: Grafana trusts just this one.
if [ ! -s secrets/history-certificate ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj /CN=faultline -addext subjectAltName=DNS:faultline,DNS:localhost,IP:127.0.0.1 \
    -keyout secrets/history-key -out secrets/history-certificate 2>/dev/null
  chmod 0444 secrets/history-key secrets/history-certificate
  echo "made $(pwd)/secrets/history-certificate and its key"
fi
