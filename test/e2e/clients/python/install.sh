#!/usr/bin/env bash
# Installs the Python clients into .venv of the checkout, each environment of requirements/ once: again only when its pins change.
# pip takes the packages from where this machine is set up to take them.
set -euo pipefail
cd "$(dirname "$0")"
root=$(git rev-parse --show-toplevel 2>/dev/null || (cd ../../../.. && pwd))

for requirements in requirements/*.txt; do
  name=$(basename "$requirements" .txt)
  case $name in *.lock) continue ;; esac
  lock=requirements/$name.lock.txt
  environment=$root/.venv/$name
  pins=$(cat "$requirements" "$lock" | sha256sum)
  [ "$(cat "$environment/installed" 2>/dev/null)" = "$pins" ] && continue
  python3 -m venv --clear "$environment"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$requirements" -c "$lock"
  echo "$pins" >"$environment/installed"
done
