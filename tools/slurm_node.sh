#!/usr/bin/env bash
# A Slurm of one node on this machine, for trying profiles/slurm: everything below one folder, local ports only, run by
# whoever calls it (root is needed for `install` alone).
#
#   tools/slurm_node.sh install           # Debian: slurm-wlm and munge, without starting their services
#   tools/slurm_node.sh start DIR [CPUS]  # then: export PATH=DIR/bin:$PATH (its commands know the node)
#   tools/slurm_node.sh stop DIR
set -euo pipefail
fail() { printf 'slurm_node: %s\n' "$*" >&2; exit 2; }
PATH=$PATH:/usr/sbin:/sbin

need() {
    for tool in munged slurmctld slurmd sbatch squeue; do
        command -v "$tool" >/dev/null || fail "$tool is missing; as root on Debian: tools/slurm_node.sh install"
    done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

configure() {
    local dir=$1 cpus=$2 host memory
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    mkdir -p "$dir/state" "$dir/spool"
    cat >"$dir/slurm.conf" <<END
ClusterName=fernas
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=30
SchedulerParameters=sched_interval=2,batch_sched_delay=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
END
}

wrap() { # commands that find this node by themselves: Slurm does not hand SLURM_CONF on into its jobs
    local dir=$1 tool path
    mkdir -p "$dir/bin"
    for tool in sbatch srun squeue scancel scontrol sinfo sacct salloc; do
        path=$(command -v "$tool") || continue
        printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$dir/slurm.conf" "$path" >"$dir/bin/$tool"
        chmod 755 "$dir/bin/$tool"
    done
}

start() {
    local dir=$1 cpus=${2:-$(nproc)}
    need
    [ ! -e "$dir/slurmctld.pid" ] || fail "$dir: a node runs there already"
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    chmod 700 "$dir"
    # munged needs the folders above its socket closed to other writers
    dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 status=none && chmod 400 "$dir/munge.key"
    munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/munged.log" --seed-file="$dir/munged.seed" --num-threads=2
    configure "$dir" "$cpus"
    wrap "$dir"
    export SLURM_CONF=$dir/slurm.conf
    slurmctld -c
    slurmd -c
    for _ in $(seq 60); do
        if [ "$(sinfo -h -o %T 2>/dev/null | head -1)" = idle ]; then
            printf 'export PATH=%s/bin:$PATH\n' "$dir"
            return
        fi
        sleep 0.5
    done
    tail -5 "$dir"/slurmctld.log "$dir"/slurmd.log >&2
    stop "$dir"
    fail "the node did not become idle"
}

stop() {
    local dir=$1 name pid
    if [ -e "$dir/slurm.conf" ]; then
        export SLURM_CONF=$dir/slurm.conf
        timeout 10 scancel --state=RUNNING,PENDING --user="$(id -un)" 2>/dev/null || true
        for _ in $(seq 20); do
            [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break
            sleep 0.5
        done
    fi
    for name in slurmd slurmctld munged; do
        [ -e "$dir/$name.pid" ] || continue
        pid=$(cat "$dir/$name.pid")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 20); do kill -0 "$pid" 2>/dev/null || break; sleep 0.25; done
        kill -9 "$pid" 2>/dev/null || true
        rm -f "$dir/$name.pid"
    done
}

case ${1:-} in
    install)
        [ "$(id -u)" = 0 ] || fail "install needs root"
        command -v apt-get >/dev/null || fail "install knows Debian's apt-get only"
        # a policy that says no keeps the packages' services, with their open ports, from starting
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
            trap 'rm -f "$policy"' EXIT
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge ;;
    start) [ $# -ge 2 ] || fail "start DIR [CPUS]"; start "$2" "${3:-}" ;;
    stop) [ $# -eq 2 ] || fail "stop DIR"; stop "$2" ;;
    *) fail "expected install, start DIR [CPUS] or stop DIR" ;;
esac
