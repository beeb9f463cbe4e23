#!/bin/bash
# Coffer's Barbican-compatible door and Debian's Barbican (uwsgi, SQLite) side by side on this
# machine, on 127.0.0.1 only: clients store secrets, and get their payloads.
#
#   apt-get install --no-install-recommends python3-barbican barbican-common uwsgi-core uwsgi-plugin-python3
#   bench/barbican/compare.sh [SECONDS-PER-PHASE] [CLIENTS...]
#
# Barbican runs without Keystone and without TLS, which spares it work that Coffer does. It is
# measured as Debian's package serves it (8 processes of 32 threads), where SQLite refuses most
# writes when several clients write at once, and with one process of one thread, where it
# refuses none. SERVED ("8x32 1x1") names others. JAVA_HOME names a JDK 25.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-8}
shift || true
[ $# -gt 0 ] || set -- 1 16 64
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
dir=$(mktemp -d "${TMPDIR:-/tmp}/coffer-barbican-XXXXXX")
pids=
finish() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  pids=
}
trap 'finish; rm -rf "$dir"' EXIT
until_answers() { # URL
  for _ in $(seq 120); do
    curl -sk -o "$dir/probe" "$1" && return
    sleep 0.5
  done
  echo "$1 does not answer" >&2
  tail -5 "$dir"/*.log >&2
  exit 1
}

coffer() {
  /usr/bin/python3 bench/barbican/keystone.py 35357 2>"$dir/keystone.log" & pids="$pids $!"
  echo 'a passphrase for measuring' >"$dir/pass"
  ./coffer keyserver init --listen 127.0.0.1:17450 --passphrase-file "$dir/pass" "$dir/keys" 2>"$dir/init.log" || { cat "$dir/init.log" >&2; exit 1; }
  echo '{"keystone":{"url":"http://127.0.0.1:35357"}}' >"$dir/keys/logins.json"
  ./coffer keyserver run --passphrase-file "$dir/pass" --barbican 127.0.0.1:19311 "$dir/keys" \
    2>"$dir/coffer.log" & pids="$pids $!"
  until_answers https://127.0.0.1:19311/
  op() {
    curl -sf --cacert "$dir/keys/ca/ca.pem" --cert "$dir/keys/operator.pem" \
      --key "$dir/keys/operator.key" -H 'Content-Type: application/json' -o "$dir/probe" "$@"
  }
  b=https://127.0.0.1:17450/v1
  op -d '{"name":"cinder"}' $b/services
  op -d '{"name":"project:p1","members":[{"identity":"client:x","role":"admin"}]}' $b/owners
  op -X PUT -d '{"keys":1000000}' $b/owners/project:p1/quota
  op -X PUT -d '{"service":"cinder","roles":{"member":"user"}}' $b/owners/project:p1/door
  "$java" bench/barbican/Load.java coffer https://127.0.0.1:19311 \
    "$(seq -s, -f 'bench-token-of-u%g' 64)" "$seconds" "$dir/keys/ca/ca.pem" "$@"
  finish
}

barbican() { # PROCESSESxTHREADS, CLIENTS...
  local served=$1
  shift
  rm -rf "$dir/.barbican" "$dir/barbican.sqlite"
  mkdir "$dir/.barbican"
  sed 's/^\/v1:.*/\/v1: barbican_api/' \
    "${PASTE:-/usr/share/barbican-common/barbican-api-paste.ini}" >"$dir/paste.ini"
  cat >"$dir/.barbican/barbican.conf" <<CONF
[DEFAULT]
sql_connection = sqlite:///$dir/barbican.sqlite
db_auto_create = False
host_href = http://127.0.0.1:29311
log_file = $dir/barbican.log
CONF
  cat >"$dir/api.py" <<'PY'
import os
from paste import deploy
application = deploy.loadapp("config:" + os.environ["HOME"] + "/paste.ini")
PY
  HOME=$dir barbican-manage db upgrade >"$dir/upgrade.log" 2>&1
  HOME=$dir uwsgi --plugin python3 --http-socket 127.0.0.1:29311 --wsgi-file "$dir/api.py" --master \
    --processes "${served%x*}" --threads "${served#*x}" --listen 100 --enable-threads --lazy-apps \
    --thunder-lock --die-on-term --rem-header Content-Length --add-header 'Connection: close' \
    --buffer-size 65535 --disable-logging >"$dir/uwsgi.log" 2>&1 & pids="$pids $!"
  until_answers http://127.0.0.1:29311/
  "$java" bench/barbican/Load.java "barbican $served" http://127.0.0.1:29311 none "$seconds" - "$@"
  finish
}

echo '| | clients | store, /s | p50, ms | p99, ms | get, /s | p50, ms | p99, ms | failed |'
echo '|---|---|---|---|---|---|---|---|---|'
coffer "$@"
for served in ${SERVED-8x32 1x1}; do
  barbican "$served" "$@"
done
