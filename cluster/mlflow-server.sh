#!/usr/bin/env bash
# Starts the MLflow server unless it runs already, and waits until it answers.
#
#   mlflow-server.sh ARTIFACTS [HOST]
#
# ARTIFACTS  where artifacts go: s3://BUCKET/mlflow, gs://BUCKET/mlflow or a folder
# HOST       the address to listen on (default 127.0.0.1: reached by the head and by tunnels)
#
# Runs and metrics are kept in $MLFLOW_HOME/mlflow.db (default ~/mlflow). MLFLOW_PORT is 5000.
set -euo pipefail

artifacts=${1:?"usage: mlflow-server.sh ARTIFACTS [HOST]"}
host=${2:-127.0.0.1}
port=${MLFLOW_PORT:-5000}
home=${MLFLOW_HOME:-$HOME/mlflow}
patience_seconds=120

if [[ $artifacts == *SET_ME* ]]; then
  echo "ARTIFACTS must be a bucket or a folder, but got '$artifacts': set it in the cluster file." >&2
  exit 2
fi

mkdir -p "$home"
exec 9>"$home/lock"
flock 9

answers() { curl -fs --max-time 2 "http://$host:$port/health" >/dev/null; }

if answers; then
  echo "MLflow answers at http://$host:$port already."
  exit 0
fi

# Requests under any other name are refused, so that no web page reaches the server through a
# browser on the user's side of the tunnel. The port is free: it is the tunnel's own.
names="localhost,localhost:*,127.0.0.1,127.0.0.1:*"
[[ $host == 127.0.0.1 ]] || names+=",$host,$host:$port"

# The sweeps use none of the server's background jobs, each of which is a process.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

# setsid: the server outlives the ssh session that starts it. 9>&-: it must not hold the lock.
setsid nohup mlflow server --host "$host" --port "$port" --workers 1 \
  --backend-store-uri "sqlite:///$(cd "$home" && pwd)/mlflow.db" \
  --artifacts-destination "$artifacts" --allowed-hosts "$names" \
  >>"$home/server.log" 2>&1 </dev/null 9>&- &
server=$!
echo "$server" >"$home/server.pid"

for ((second = 0; second < patience_seconds; second++)); do
  if ! kill -0 "$server" 2>/dev/null; then break; fi
  if answers; then
    echo "MLflow answers at http://$host:$port; its log is $home/server.log."
    exit 0
  fi
  sleep 1
done

echo "MLflow does not answer at http://$host:$port. The end of $home/server.log:" >&2
tail -n 20 "$home/server.log" >&2
exit 1
