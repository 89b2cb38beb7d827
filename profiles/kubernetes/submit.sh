#!/usr/bin/env bash
# submit.sh RULE THREADS MEM_MB RUNTIME_MIN GPUS OUTPUTS JOBSCRIPT: creates one Kubernetes Job and prints its name.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
source "${FERNAS_CLUSTER_ENV:-$here/cluster.env}"
rule=${1//_/-} threads=$2 mem_mb=$3 minutes=$4 gpus=$5 outputs=$6 script=$(realpath "$7")
for path in "$script" "$here"; do
    case "$path" in "$MOUNT"/*) ;; *)
        echo "submit.sh: $path is not below $MOUNT; start Snakemake on the shared volume" >&2
        exit 2
        ;;
    esac
done
digest() { printf %s "$1" | sha256sum | cut -c1-16; }
# one name for the job that makes these files: what a retry or a dead head process has left of it ends first
name=fernas-$rule-$(digest "$PWD $outputs")
kubectl --namespace "$NAMESPACE" delete job --cascade=foreground --ignore-not-found "$name" >&2
limits="memory: ${mem_mb}Mi"
[ "$gpus" = 0 ] || limits="$limits, $GPU: $gpus"
kubectl --namespace "$NAMESPACE" create -f - >&2 <<END
apiVersion: batch/v1
kind: Job
metadata: {name: $name, labels: {app: fernas, rule: $rule, study: "$(digest "$PWD")"}}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 86400
  template:
    metadata: {labels: {app: fernas}}
    spec:
      restartPolicy: Never
      activeDeadlineSeconds: $((minutes * 60)) # of the pod, so that waiting for a node does not count
      terminationGracePeriodSeconds: $GRACE_S
      automountServiceAccountToken: false
      volumes: [{name: shared, persistentVolumeClaim: {claimName: $CLAIM}}]
      containers:
        - name: job
          image: "$IMAGE"
          command: [bash, "$here/pod.sh", "$script"]
          workingDir: "$PWD"
          volumeMounts: [{name: shared, mountPath: "$MOUNT"}]
          resources: {requests: {cpu: "$threads", memory: ${mem_mb}Mi}, limits: {$limits}}
          securityContext: {allowPrivilegeEscalation: false}
END
echo "$name"
