#!/usr/bin/env bash
# Makes ~/env on a node: Python with the packages of pyproject.toml at the versions of
# constraints.txt. Arguments: further requirements files, by name, from this folder.
set -euo pipefail

uv_version=0.12.24
python_version=3.11
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

curl --proto '=https' -LsSf "https://astral.sh/uv/$uv_version/install.sh" |
  env UV_INSTALL_DIR="$HOME/.local/bin" UV_NO_MODIFY_PATH=1 sh
uv=$HOME/.local/bin/uv

# The extra `server`: MLflow runs on the head.
requirements=(--requirements "$here/pyproject.toml" --extra server)
for name in "$@"; do
  requirements+=(--requirements "$here/$name")
done

"$uv" venv --allow-existing --python "$python_version" "$HOME/env"
"$uv" pip install --python "$HOME/env/bin/python" \
  --constraints "$here/constraints.txt" "${requirements[@]}"

# Read by every shell that Ray opens, so that `ray` and the jobs find this Python and the token.
# shellcheck disable=SC2016
profile='export PATH="$HOME/env/bin:$PATH" RAY_AUTH_MODE=token'
grep -qxF "$profile" "$HOME/.bashrc" || echo "$profile" >>"$HOME/.bashrc"
chmod 600 "$HOME/.ray/auth_token"
