#!/usr/bin/env bash
# pod.sh JOBSCRIPT: the first process of a job's pod. When the pod is told to end, the kubelet tells this process alone;
# it tells all others, and waits until they have saved their state.
set -m # the job gets a process group of its own
bash "$1" &
group=$!
trap 'kill -TERM -- "-$group"' TERM
wait "$group"
status=$?
while kill -0 -- "-$group" 2>/dev/null; do sleep 0.2; done
exit "$status"
