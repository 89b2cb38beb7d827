#!/usr/bin/env bash
# cancel.sh NAME... | --all: deletes the jobs, or all of this working folder; their pods get SIGTERM and the time to save.
set -euo pipefail
here=$(dirname "$0")
source "${FERNAS_CLUSTER_ENV:-$here/cluster.env}"
if [ "${1:-}" = --all ]; then # by hand, for what a dead head process has left: ends when the pods have ended
    exec kubectl --namespace "$NAMESPACE" delete job --cascade=foreground --ignore-not-found \
        --selector "app=fernas,study=$(printf %s "$PWD" | sha256sum | cut -c1-16)"
fi
# Snakemake gives this command two seconds
setsid kubectl --namespace "$NAMESPACE" delete job --wait=false --ignore-not-found "$@" </dev/null >&2 &
