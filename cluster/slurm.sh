#!/usr/bin/env bash
# A sweep on the nodes of a Slurm allocation: starts Ray on them, runs the command, takes Ray down.
# No Slurm was at hand: the tests run this file with stand-ins for `srun` and `scontrol` that start
# real Ray nodes on one machine. Begin with two nodes and the bundled digits.
#
# From the root of the repository, on storage that all nodes share, with its environment active:
#
#   sbatch --nodes=4 --cpus-per-task=16 --gpus-per-node=4 --time=12:00:00 cluster/slurm.sh -- \
#     python -m sweep.ablation_p --gpus-per-trial 1 --cpus-per-trial 4 --retries 3 --output runs
#
# The exit code is the command's. 143: the time was nearly over, or `scancel --batch --signal=TERM JOB`
# was given; the same sbatch command goes on with what is left. `python -m sweep.status` and
# `python -m sweep.cancel NAME` work from the login node.
#
# HEAD_ADDRESS, PORT       where Ray's head is reached (default: what the first node's name means to
#                          the resolver, and 20000 + a number of the job's)
# RAY_FOLDER               of each node alone (default: /tmp/ray-JOB; short, for sockets lie in it)
# JOIN_SECONDS             how long nodes may take to join (default: 300)

#SBATCH --job-name=sweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
# Ray takes whole nodes, and a node that is lost takes its trials along, not the job.
#SBATCH --exclusive
#SBATCH --no-kill
# Two minutes before its end the driver is told, which saves where it is. After a preemption, or the
# loss of the first node, Slurm itself starts the job again.
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
# shellcheck disable=SC2329  # traps call functions
set -euo pipefail

[[ ${1:-} != -- ]] || shift
if (($# == 0)); then
  echo "usage: sbatch [OPTION...] cluster/slurm.sh -- COMMAND [ARGUMENT...]" >&2
  exit 2
fi
if [[ ! -f cluster/slurm.sh ]] || ! command -v ray >/dev/null; then
  echo "Submit from the root of the repository, with its environment active." >&2
  exit 2
fi

job=${SLURM_JOB_ID:?"is not set: submit this file with sbatch"}
cpus=${SLURM_CPUS_PER_TASK:?"is not set: give sbatch --cpus-per-task"}
folder=${RAY_FOLDER:-/tmp/ray-$job}
# From here upwards, a port for each node's agent: two jobs on one node must not meet. From 32768 on
# the kernel hands ports out itself.
port=${PORT:-$((20000 + job % 300 * 40))}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")

# A node's address, not one of the loopback interface if there is another.
address_of() {
  { getent ahostsv4 "$1" || true; } |
    awk '$1 !~ /^127\./ && !found {found = $1} {other = $1} END {print found ? found : other}'
}

# Whoever reaches Ray's ports can run code, so it asks for a token: of this job alone, and in no file.
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
# What the environment knows of another Ray.
unset RAY_ADDRESS RAY_AUTH_TOKEN_PATH

steps=()
child=
stopped=false

# One process on one node. --overlap, from Slurm 20.11 on: steps share the node.
step=(srun --nodes=1 --ntasks=1 --cpus-per-task="$cpus" --overlap)

start_ray() {
  local number=${#steps[@]} node_address
  node_address=$(address_of "$1")
  "${step[@]}" --nodelist="$1" \
    ray start "${@:2}" --node-ip-address="${node_address:?"of $1 is not known"}" \
    --num-cpus="$cpus" --temp-dir="$folder" --disable-usage-stats \
    --dashboard-agent-listen-port=$((port + 2 + number)) --block &
  steps+=($!)
}

# Run a command so that SIGTERM, told to this script alone, reaches it; return its exit code.
attend() {
  local code=0
  "$@" &
  child=$!
  if $stopped; then pass_on; fi
  wait "$child" || code=$?
  # A signal ends `wait` before the command has ended.
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  child=
  return "$code"
}

pass_on() {
  stopped=true
  [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true
}

take_down() {
  local node second left
  trap '' TERM INT
  ((${#steps[@]} == 0)) || kill -TERM "${steps[@]}" 2>/dev/null || true
  # Ray takes half a minute at most; the step of a node that was lost may never end.
  for ((second = 0; second < 60; second++)); do
    [[ -n $(jobs -rp) ]] || break
    sleep 1
  done
  for left in $(jobs -rp); do kill -KILL "$left" 2>/dev/null || true; done
  wait
  for node in "${nodes[@]}"; do
    timeout 60 "${step[@]}" --nodelist="$node" rm -rf "$folder" &
  done
  wait
}

trap pass_on TERM INT
trap take_down EXIT

HEAD_ADDRESS=${HEAD_ADDRESS:-$(address_of "${nodes[0]}")}
start_ray "${nodes[0]}" --head --port="$port" --ray-client-server-port=$((port + 1)) \
  --include-dashboard=false
for node in "${nodes[@]:1}"; do
  start_ray "$node" --address="$HEAD_ADDRESS:$port"
done
if ! attend python -m cluster.nodes "$HEAD_ADDRESS:$port" "${#nodes[@]}" \
  --seconds "${JOIN_SECONDS:-300}"; then
  if $stopped; then exit 143; fi
  exit 1
fi
if $stopped; then exit 143; fi

code=0
attend env RAY_ADDRESS="$HEAD_ADDRESS:$port" "$@" || code=$?
exit "$code"
