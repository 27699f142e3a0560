#!/usr/bin/env bash
# A machine of its own for the commands of one page, of which nothing is left when it ends: its own loopback
# interface, its own processes, and a file system whose changes are its own. Reads "run SCRIPT" and "serve SCRIPT"
# from descriptor 3, and tells on descriptor 4 when a script has ended, or its server is ready. Ends with the first
# script that fails.
set -euo pipefail
changes=$1
mount -t tmpfs tmpfs "$changes"
for folder in /etc /srv /var/lib "$HOME"; do
  mkdir -p "$changes"/{upper,work}"$folder"
  mount -t overlay overlay "$folder" \
    -o "lowerdir=$folder,upperdir=$changes/upper$folder,workdir=$changes/work$folder"
done
mount -t tmpfs tmpfs /run
ip link set lo up

# The server that the commands speak to: one at a time, the next in the place of the one before.
server=

stop_server() {
  [[ -n $server ]] || return 0
  kill -- "-$server"
  wait "$server" || true
}

start_server() {
  local log=$changes/server.log
  stop_server
  : >"$log"
  # A group of its own, which has npm's children too.
  set -m
  bash -eu "$1" >>"$log" 2>&1 3<&- 4>&- &
  server=$!
  set +m
  until grep -q '^gantry ready' "$log"; do
    kill -0 "$server" 2>/dev/null || { cat "$log" && return 1; }
    sleep 0.1
  done
  cat "$log"
}

while read -r -u 3 what script; do
  case $what in
    run) . "$script" ;;
    serve) start_server "$script" ;;
  esac
  echo "$script" >&4
done
stop_server
