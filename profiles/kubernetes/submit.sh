#!/usr/bin/env bash
# submit.sh RULE THREADS MEM_MB RUNTIME_MIN GPUS JOBSCRIPT: creates one Kubernetes Job and prints its name.
set -euo pipefail
here=$(dirname "$0")
source "${FERNAS_CLUSTER_ENV:-$here/cluster.env}"
rule=$1 threads=$2 mem_mb=$3 minutes=$4 gpus=$5 script=$(realpath "$6")
name=fernas-${rule//_/-}-$(od -An -N5 -tx1 /dev/urandom | tr -d ' \n')
case "$script" in "$MOUNT"/*) ;; *) echo "submit.sh: $script is not below $MOUNT; start Snakemake on the shared volume" >&2; exit 2 ;; esac
limits="memory: ${mem_mb}Mi"
[ "$gpus" = 0 ] || limits="$limits, $GPU: $gpus"
kubectl --namespace "$NAMESPACE" create -f - >&2 <<END
apiVersion: batch/v1
kind: Job
metadata: {name: $name, labels: {app: fernas, rule: ${rule//_/-}}}
spec:
  backoffLimit: 0
  activeDeadlineSeconds: $((minutes * 60))
  ttlSecondsAfterFinished: 86400
  template:
    metadata: {labels: {app: fernas}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: $GRACE_S
      automountServiceAccountToken: false
      volumes: [{name: shared, persistentVolumeClaim: {claimName: $CLAIM}}]
      containers:
        - name: job
          image: "$IMAGE"
          # exec: the job's own process gets the SIGTERM of the pod
          command: [bash, -c, 'exec bash "\$0"', "$script"]
          workingDir: "$PWD"
          volumeMounts: [{name: shared, mountPath: "$MOUNT"}]
          resources: {requests: {cpu: "$threads", memory: ${mem_mb}Mi}, limits: {$limits}}
          securityContext: {allowPrivilegeEscalation: false}
END
echo "$name"
