#!/usr/bin/env bash
# status.sh NAME: prints success, failed or running, as Snakemake asks for it.
set -euo pipefail
source "${FERNAS_CLUSTER_ENV:-$(dirname "$0")/cluster.env}"
state=$(kubectl --namespace "$NAMESPACE" get job "$1" -o 'jsonpath={.status.succeeded}/{.status.failed}' 2>/dev/null) || {
    # a moment without an API server is no failed job; a job that is gone is one
    kubectl --namespace "$NAMESPACE" get jobs >/dev/null 2>&1 && echo failed || echo running
    exit 0
}
case "$state" in 1/*) echo success ;; /) echo running ;; */0 | */) echo running ;; *) echo failed ;; esac
