#!/usr/bin/env bash
# Starts the MLflow server unless it runs already, and waits until it answers.
#
#   mlflow-server.sh [--auth] ARTIFACTS [HOST]
#
# --auth     let in only whom MLflow knows by name and password; begins with the user `admin`
# ARTIFACTS  where artifacts go: s3://BUCKET/mlflow, gs://BUCKET/mlflow or a folder
# HOST       the address to listen on (default 127.0.0.1: reached by the head and by tunnels)
#
# Runs and metrics are kept in $MLFLOW_HOME/mlflow.db (default ~/mlflow), or in the PostgreSQL that
# MLFLOW_BACKEND_STORE_URI names: postgresql://USER@HOST/DATABASE. MLFLOW_PORT is 5000.
#
# Secrets do not stand on a command line, which `ps` shows to all. They come from the environment or
# from $MLFLOW_HOME/server.env, which its owner alone may read; cluster/server.env.example names them.
set -euo pipefail

auth=false
if [[ ${1:-} == --auth ]]; then
  auth=true
  shift
fi
artifacts=${1:?"usage: mlflow-server.sh [--auth] ARTIFACTS [HOST]"}
host=${2:-127.0.0.1}
port=${MLFLOW_PORT:-5000}
home=${MLFLOW_HOME:-$HOME/mlflow}
patience_seconds=120

refuse() {
  echo "$1" >&2
  exit 2
}

[[ $artifacts != *SET_ME* ]] ||
  refuse "ARTIFACTS must be a bucket or a folder, but got '$artifacts': set it in the cluster file."

# Lines of NAME=VALUE, taken as they are: nothing in them is run. The environment goes before them.
secrets=$home/server.env
if [[ -f $secrets ]]; then
  [[ -z $(find -L "$secrets" -perm /077) ]] ||
    refuse "$secrets must be readable by its owner alone: chmod 600 $secrets"
  while IFS= read -r line || [[ -n $line ]]; do
    [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
    name=${line%%=*}
    [[ $line == *=* && $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] ||
      refuse "$secrets must hold lines of NAME=VALUE and comments, but has another line."
    [[ -v $name ]] || export "$name=${line#*=}"
  done <"$secrets"
fi
for name in "${!MLFLOW_@}" "${!AWS_@}" PGPASSWORD; do
  [[ ${!name:-} != *SET_ME* ]] || refuse "$name must be set, but still holds SET_ME."
done

if $auth; then
  password=${MLFLOW_AUTH_ADMIN_PASSWORD:-}
  [[ -n $password ]] ||
    refuse "--auth needs MLFLOW_AUTH_ADMIN_PASSWORD, in the environment or in $secrets."
  # What MLflow once began with, as everybody knows.
  [[ $password != password1234 ]] ||
    refuse "MLFLOW_AUTH_ADMIN_PASSWORD must not be MLflow's old default: choose another."
fi

mkdir -p "$home"
home=$(cd "$home" && pwd)
exec 9>"$home/lock"
flock 9

answers() { curl -fs --max-time 2 "http://$host:$port/health" >/dev/null; }

asks_for_a_password() {
  local url="http://$host:$port/api/2.0/mlflow/experiments/search?max_results=1"
  [[ $(curl -s --max-time 10 --output /dev/null --write-out '%{http_code}' "$url") == 401 ]]
}

# Says that the server is there, and ends the script.
succeed() {
  if $auth && ! asks_for_a_password; then
    echo "The server at http://$host:$port lets in anybody: stop it, and start it with --auth." >&2
    exit 1
  fi
  echo "MLflow answers at http://$host:$port$1"
  exit 0
}

if answers; then succeed " already."; fi

# Requests under any other name are refused, so that no web page reaches the server through a
# browser on the user's side of the tunnel. The port is free: it is the tunnel's own.
names="localhost,localhost:*,127.0.0.1,127.0.0.1:*"
[[ $host == 127.0.0.1 ]] || names+=",$host,$host:$port"

# The sweeps use none of the server's background jobs, each of which is a process.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
users=${MLFLOW_BACKEND_STORE_URI:-sqlite:///$home/auth.db}
export MLFLOW_BACKEND_STORE_URI=${MLFLOW_BACKEND_STORE_URI:-sqlite:///$home/mlflow.db}

options=(--host "$host" --port "$port" --workers 1)
options+=(--artifacts-destination "$artifacts" --allowed-hosts "$names")
if $auth; then
  options+=(--app-name basic-auth)
  # It signs the forms of the web pages that the server shows until it ends.
  export MLFLOW_FLASK_SERVER_SECRET_KEY=${MLFLOW_FLASK_SERVER_SECRET_KEY:-$(
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
  )}
  if [[ -z ${MLFLOW_AUTH_CONFIG_PATH:-} ]]; then
    export MLFLOW_AUTH_CONFIG_PATH=$home/auth.ini
    # The URI may hold a password; in this format % is written twice.
    (
      umask 077
      printf '%s\n' '[mlflow]' 'default_permission = EDIT' 'admin_username = admin' \
        "database_uri = ${users//%/%%}" >"$MLFLOW_AUTH_CONFIG_PATH"
    )
  fi
fi

# setsid: the server outlives the ssh session that starts it. 9>&-: it must not hold the lock.
setsid nohup mlflow server "${options[@]}" >>"$home/server.log" 2>&1 </dev/null 9>&- &
server=$!
echo "$server" >"$home/server.pid"

for ((second = 0; second < patience_seconds; second++)); do
  if ! kill -0 "$server" 2>/dev/null; then break; fi
  if answers; then succeed "; its log is $home/server.log."; fi
  sleep 1
done

echo "MLflow does not answer at http://$host:$port. The end of $home/server.log:" >&2
tail -n 20 "$home/server.log" >&2
exit 1
