#!/bin/bash
# A throw-away Slurm cluster on this machine, as root: slurmctld and three slurmd on the loopback
# address. Each node has its own host name, mount table, /tmp and munged, as a real one has, and for
# munged alone an address of its own: whoever is to know the nodes by name must see DIR/hosts as
# /etc/hosts.
#
#   slurm-cluster.sh up DIR PORT     prints nothing; exit 0 when all nodes are idle
#   slurm-cluster.sh kill DIR WHO     SIGKILL for WHO: controller, or the slurmd of n1, n2 or n3
#   slurm-cluster.sh again DIR WHO NEXT   starts it again, in the namespaces that it was killed in;
#                                    the controller gives no job a number below NEXT
#   slurm-cluster.sh down DIR
#
# While DIR/epilog.on exists, the epilog that docs/operations.md recommends is in force, and notes
# in DIR/log/epilog what it found.
#
# Afterwards SLURM_CONF is DIR/slurm.conf and the socket of munged DIR/munge/munge.sock, on the
# nodes too. nsenter -m -t $(cat DIR/run/slurmd.n1.pid) looks around on a node.
set -eu
export PATH=$PATH:/usr/sbin:/sbin
dir=$2
nodes='1 2 3'
export SLURM_CONF=$dir/slurm.conf

pids() { cat "$dir"/run/*.pid "$dir"/munge*/munged.pid 2>/dev/null || true; }

down() {
  scancel --state=RUNNING,PENDING --user=root 2>/dev/null || true
  for i in $(seq 50); do
    [ -n "$(squeue -h 2>/dev/null)" ] || break
    sleep 0.1
  done
  for signal in TERM KILL; do
    for pid in $(pids); do kill -$signal "$pid" 2>/dev/null || true; done
    for i in $(seq 30); do
      alive=
      for pid in $(pids); do kill -0 "$pid" 2>/dev/null && alive=yes; done
      [ -n "$alive" ] || return 0
      sleep 0.1
    done
  done
}

start_munged() {
  runuser -u munge -- munged --force --key-file="$dir/key/munge.key" --socket="$1/munge.sock" \
    --pid-file="$1/munged.pid" --log-file="$1/munged.log" --seed-file="$1/seed"
}

# With addresses that tell the nodes apart. All of Slurm's are one.
node_munged() {
  mount --bind "$dir/hosts" /etc/hosts
  start_munged "$dir/munge.n$1"
}

# On the node, in its namespaces.
node() {
  hostname "n$1"
  mount --bind "$dir/tmp.n$1" /tmp
  unshare --mount --propagation private -- bash "$0" munged "$dir" "$1"
  mount --bind "$dir/hosts.slurm" /etc/hosts
  mount --bind "$dir/munge.n$1" "$dir/munge"
  exec slurmd -N "n$1" -f "$SLURM_CONF"
}

pid_of() {
  if [ "$1" = controller ]; then cat "$dir/run/slurmctld.pid"; else cat "$dir/run/slurmd.$1.pid"; fi
}

kill_daemon() {
  pid=$(pid_of "$1")
  if [ "$1" != controller ]; then
    # Somebody has to keep the namespaces, in which jobs may go on.
    nsenter --mount --uts --target "$pid" -- sleep 3600 >/dev/null 2>&1 &
    echo $! >"$dir/run/keeper.$1.pid"
    while [ "$(readlink "/proc/$!/ns/uts")" != "$(readlink "/proc/$pid/ns/uts")" ]; do sleep 0.02; done
    while [ "$(cat "/proc/$!/comm")" != sleep ]; do sleep 0.02; done
  fi
  kill -KILL "$pid"
  for i in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
}

start_again() {
  if [ "$1" = controller ]; then
    # It has forgotten the jobs that it had not saved, and would give their numbers again.
    sed -i "s/^FirstJobId=.*/FirstJobId=$2/" "$SLURM_CONF"
    slurmctld -f "$SLURM_CONF"
  else
    keeper=$(cat "$dir/run/keeper.$1.pid")
    nsenter --mount --uts --target "$keeper" -- slurmd -N "$1" -f "$SLURM_CONF"
    rm "$dir/run/keeper.$1.pid"
    kill "$keeper"
  fi
}

up() {
  port=$1
  mkdir -p "$dir"/log "$dir"/state "$dir"/run
  for i in '' .n1 .n2 .n3; do install -d -m 755 -o munge -g munge "$dir/munge$i"; done
  install -d -m 700 -o munge -g munge "$dir/key"
  (umask 077; head -c 1024 /dev/urandom >"$dir/key/munge.key")
  chown munge: "$dir/key/munge.key"
  cp /etc/hosts "$dir/hosts"
  cp /etc/hosts "$dir/hosts.slurm"
  for i in $nodes; do
    install -d -m 1777 "$dir/tmp.n$i"
    echo "127.0.1.$i n$i" >>"$dir/hosts"
    echo "127.0.0.1 n$i" >>"$dir/hosts.slurm"
  done
  cat >"$SLURM_CONF" <<EOF
ClusterName=test
FirstJobId=1
DebugFlags=NO_CONF_HASH
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
AuthType=auth/munge
AuthInfo=socket=$dir/munge/munge.sock
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/run/spool.%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=10
MinJobAge=300
Epilog=$dir/epilog
OverTimeLimit=0
SchedulerParameters=batch_sched_delay=0,sched_interval=1
$(for i in $nodes; do
    echo "NodeName=n$i NodeHostname=n$i NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=2 RealMemory=1000"
  done)
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE OverSubscribe=FORCE:4 State=UP
EOF
  echo "CgroupPlugin=cgroup/v1" >"$dir/cgroup.conf"
  cat >"$dir/epilog" <<EOF
#!/bin/sh
[ -e "$dir/epilog.on" ] || exit 0
note() { while read -r m; do echo "\$SLURM_JOB_ID \$SLURMD_NODENAME \$m" >>"$dir/log/epilog"; done; }
views() {
  awk -v j="[./]job[.]\$SLURM_JOB_ID/" \
    '\$3 ~ /^fuse[.](coffer|gocryptfs)/ && \$2 "/" ~ j {print \$2}' /proc/mounts
}
views | note
ls /tmp | grep "^coffer[.].*[.]job[.]\$SLURM_JOB_ID\$" | note
for m in /tmp/coffer.*.job."\$SLURM_JOB_ID"; do
  unshare --mount -- sh -c 'umount -l "\$1"; rmdir "\$1"' sh "\$m" 2>/dev/null
done
views | while read -r m; do umount -l "\$m"; done
exit 0
EOF
  chmod 755 "$dir/epilog"
  start_munged "$dir/munge"
  slurmctld -i -f "$SLURM_CONF"
  for i in $nodes; do
    mkdir -p "$dir/run/spool.n$i"
    unshare --uts --mount --propagation private -- bash "$0" node "$dir" "$i"
  done
  for i in $(seq 300); do
    [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l)" = 3 ] && return 0
    sleep 0.1
  done
  tail -n 5 "$dir"/log/* >&2
  return 1
}

case $1 in
  up) up "$3" ;;
  down) down ;;
  kill) kill_daemon "$3" ;;
  again) start_again "$3" "$4" ;;
  node) node "$3" ;;
  munged) node_munged "$3" ;;
esac
