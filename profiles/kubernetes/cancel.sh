#!/usr/bin/env bash
# cancel.sh NAME...: deletes the jobs; their pods get SIGTERM and the time to save.
set -euo pipefail
source "${FERNAS_CLUSTER_ENV:-$(dirname "$0")/cluster.env}"
kubectl --namespace "$NAMESPACE" delete job --wait=false --ignore-not-found "$@"
