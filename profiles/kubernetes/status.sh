#!/usr/bin/env bash
# status.sh NAME: prints success, failed or running, as Snakemake asks for it. A moment without an API server is no
# failed job. One that failed or is gone is reported when its pod has ended: until then it saves, and a retry would
# write beside it.
set -euo pipefail
source "${FERNAS_CLUSTER_ENV:-$(dirname "$0")/cluster.env}"
ask() { kubectl --namespace "$NAMESPACE" get "$@" --ignore-not-found 2>/dev/null || echo unknown; }
case $(ask job "$1" -o 'jsonpath={.metadata.name}/{.status.succeeded}/{.status.failed}') in
    */1/*) echo success && exit ;;
    unknown | *// | */0/ | *//0 | */0/0) echo running && exit ;;
esac
case " $(ask pods --selector "job-name=$1" -o 'jsonpath={.items[*].status.phase}') " in
    *unknown* | *Unknown* | *' Running '* | *' Pending '*) echo running ;;
    *) echo failed ;;
esac
