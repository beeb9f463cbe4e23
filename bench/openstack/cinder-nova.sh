#!/bin/bash
# Debian's Cinder and Nova, unchanged, with Coffer's Barbican-compatible door as their key manager.
#
#   apt-get install --no-install-recommends cinder-api cinder-scheduler cinder-volume nova-common \
#     python3-nova python3-keystone uwsgi-core uwsgi-plugin-python3 rabbitmq-server ceph-mon ceph-osd \
#     ceph-common qemu-utils qemu-block-extra qemu-system-x86 libvirt-daemon-system \
#     libvirt-clients python3-libvirt
#   bench/openstack/cinder-nova.sh
#
# As root. Keystone, RabbitMQ, Ceph (one mon, one osd in memory), cinder-api, cinder-scheduler,
# cinder-volume, libvirtd and a Coffer key server run in namespaces of their own for processes,
# mounts and network, with nothing but a loopback; all of it ends with this script, and nothing is
# written but to a temporary directory. cinder_nova.py says what is done and checked. KEEP=1 keeps
# the directory with the logs.
set -eu
cd "$(dirname "$0")/../.."

if [ -z "${COFFER_INSIDE-}" ]; then
  [ "$(id -u)" = 0 ] || { echo "$0 makes namespaces, and so needs root" >&2; exit 1; }
  for file in /usr/bin/cinder-{api,scheduler,volume} /usr/bin/nova-manage \
    /usr/bin/keystone-wsgi-public /usr/lib/rabbitmq/bin/rabbitmq-server \
    /usr/bin/{uwsgi-core,ceph-mon,ceph-osd,rbd,qemu-img,qemu-system-x86_64,virsh} \
    /usr/lib/x86_64-linux-gnu/qemu/block-rbd.so /usr/sbin/libvirtd; do
    [ -e "$file" ] || { echo "$file is missing: install what $0 names" >&2; exit 1; }
  done
  ./coffer --version >&2 # builds it, as long as there is a network
  dir=$(mktemp -d "${TMPDIR:-/var/tmp}/coffer-openstack-XXXXXX")
  status=0
  COFFER_INSIDE=$dir COFFER_BUILD=never unshare --mount --net --pid --ipc --fork --kill-child \
    --mount-proc -- "$PWD/bench/openstack/cinder-nova.sh" &
  inside=$!
  trap 'kill -9 $inside' INT TERM # and the kernel ends all that is in the namespaces
  wait $inside || status=$?
  [ "${KEEP-}" = 1 ] && echo "kept: $dir" >&2 || rm -rf "$dir"
  exit $status
fi

dir=$COFFER_INSIDE
export HOME=$dir
ip link set lo up
for own in /run /var/log /var/lib/{cinder,nova,libvirt,ceph,rabbitmq} /var/cache/libvirt \
  /etc/{ceph,libvirt} /sys/fs/cgroup; do
  mount -t tmpfs tmpfs "$own"
done
mkdir /run/lock "$dir/log" "$dir/tmp"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=$dir/tmp

failed() { # the log that says why, then what
  tail -n 40 "$dir/log/$1" >&2
  echo "$2 (KEEP=1 keeps all logs)" >&2
  exit 1
}
wait_for() { # a log, then a command
  local log=$1
  shift
  for _ in $(seq 120); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.5
  done
  failed "$log" "$log does not come up"
}
wal() { # a database: its readers and its writer do not wait for each other
  /usr/bin/python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("pragma journal_mode=wal")' "$1"
}
answers() { curl -sk -o /dev/null "$1"; }

# --- Coffer -----------------------------------------------------------------------------------

echo 'a passphrase for OpenStack' >"$dir/pass"
./coffer keyserver init --listen 127.0.0.1:7450 --passphrase-file "$dir/pass" "$dir/keys" \
  >"$dir/log/init" 2>&1 || failed init 'no key server can be made'
for who in client:checker auditor:auditor; do
  ./coffer ca issue --passphrase-file "$dir/pass" --out "$dir" "$dir/keys/ca" $who \
    >>"$dir/log/init" 2>&1 || failed init 'no certificate can be issued'
done
echo '{"keystone":{"url":"http://127.0.0.1:5000"}}' >"$dir/keys/logins.json"
./coffer keyserver run --passphrase-file "$dir/pass" --barbican 127.0.0.1:9311 "$dir/keys" \
  >"$dir/log/coffer" 2>&1 &

# --- Keystone ---------------------------------------------------------------------------------

mkdir -m 700 "$dir/fernet" "$dir/credential"
cat >"$dir/keystone.conf" <<CONF
[database]
connection = sqlite:///$dir/keystone.sqlite
[fernet_tokens]
key_repository = $dir/fernet
[credential]
key_repository = $dir/credential
CONF
{
  keystone-manage --config-file "$dir/keystone.conf" db_sync &&
    keystone-manage --config-file "$dir/keystone.conf" fernet_setup \
      --keystone-user root --keystone-group root &&
    keystone-manage --config-file "$dir/keystone.conf" bootstrap --bootstrap-password admin \
      --bootstrap-region-id one --bootstrap-public-url http://127.0.0.1:5000/v3 \
      --bootstrap-internal-url http://127.0.0.1:5000/v3
} >"$dir/log/keystone-manage" 2>&1 || failed keystone-manage 'Keystone cannot be set up'
wal "$dir/keystone.sqlite"
OS_KEYSTONE_CONFIG_DIR=$dir OS_KEYSTONE_CONFIG_FILES=keystone.conf uwsgi-core --plugin python3 \
  --http-socket 127.0.0.1:5000 --wsgi-file /usr/bin/keystone-wsgi-public --master --processes 1 \
  --lazy-apps --die-on-term --buffer-size 65535 --rem-header Content-Length \
  --add-header 'Connection: close' >"$dir/log/keystone" 2>&1 &

# --- RabbitMQ ---------------------------------------------------------------------------------

export ERL_EPMD_ADDRESS=127.0.0.1
epmd -address 127.0.0.1 >"$dir/log/epmd" 2>&1 &
RABBITMQ_NODENAME=coffer@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
  RABBITMQ_MNESIA_BASE=$dir/rabbit RABBITMQ_LOG_BASE=$dir/log \
  RABBITMQ_ENABLED_PLUGINS_FILE=$dir/plugins RABBITMQ_CONF_ENV_FILE=$dir/none \
  RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
  /usr/lib/rabbitmq/bin/rabbitmq-server >"$dir/log/rabbitmq" 2>&1 &

# --- Ceph -------------------------------------------------------------------------------------

mkdir "$dir/mon" "$dir/osd" /run/ceph
fsid=$(cat /proc/sys/kernel/random/uuid)
cat >/etc/ceph/ceph.conf <<CONF
[global]
fsid = $fsid
mon host = 127.0.0.1
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
keyring = $dir/keyring
log file = $dir/log/\$name
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon]
mon data = $dir/mon
mon allow pool size one = true
[osd]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd class dir = /usr/lib/x86_64-linux-gnu/rados-classes
CONF
touch "$dir/keyring"
{
  monmaptool --create --fsid "$fsid" --addv a '[v2:127.0.0.1:3300,v1:127.0.0.1:6789]' "$dir/monmap"
  ceph-mon --mkfs -i a --monmap "$dir/monmap"
  ceph-mon -i a
  uuid=$(cat /proc/sys/kernel/random/uuid)
  ceph osd new "$uuid" 0
  ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
  ceph-osd -i 0
  ceph osd pool create volumes 8
  rbd pool init volumes
} >"$dir/log/ceph" 2>&1 || failed ceph 'Ceph does not start'

# --- what Keystone and Coffer know --------------------------------------------------------------

wait_for keystone answers http://127.0.0.1:5000/v3
wait_for coffer answers https://127.0.0.1:9311/
/usr/bin/python3 bench/openstack/cinder_nova.py prepare "$dir" >"$dir/log/prepare" 2>&1 ||
  failed prepare 'projects and users cannot be made'

# --- Cinder -----------------------------------------------------------------------------------

mkdir "$dir/cinder" "$dir/nova"
as() { # USER of the project service
  cat <<CONF
auth_type = password
auth_url = http://127.0.0.1:5000/v3
username = $1
password = $1
project_name = service
user_domain_name = Default
project_domain_name = Default
CONF
}
cat >"$dir/cinder.conf" <<CONF
[DEFAULT]
transport_url = rabbit://guest:guest@127.0.0.1:5672/
my_ip = 127.0.0.1
host = node
state_path = $dir/cinder
osapi_volume_listen = 127.0.0.1
osapi_volume_workers = 1
enabled_backends = rbd
default_volume_type = plain
glance_api_servers = http://127.0.0.1:9292
# as docs/key-service.md advises for the key manager
[key_manager]
backend = barbican
[barbican]
barbican_endpoint = https://127.0.0.1:9311
auth_endpoint = http://127.0.0.1:5000/v3
verify_ssl_path = $dir/keys/ca/ca.pem
[rbd]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
volume_backend_name = rbd
rbd_pool = volumes
rbd_ceph_conf = /etc/ceph/ceph.conf
[database]
connection = sqlite:///$dir/cinder.sqlite
[oslo_concurrency]
lock_path = $dir/cinder
[keystone_authtoken]
$(as cinder)
www_authenticate_uri = http://127.0.0.1:5000/v3
CONF
cinder-manage --config-file "$dir/cinder.conf" db sync >"$dir/log/cinder-manage" 2>&1 ||
  failed cinder-manage "Cinder's database cannot be made"
wal "$dir/cinder.sqlite"
wait_for rabbitmq bash -c 'exec 3<>/dev/tcp/127.0.0.1/5672'
cinder-api --config-file "$dir/cinder.conf" >"$dir/log/cinder-api" 2>&1 &
cinder-scheduler --config-file "$dir/cinder.conf" >"$dir/log/cinder-scheduler" 2>&1 &
cinder-volume --config-file "$dir/cinder.conf" >"$dir/log/cinder-volume" 2>&1 &
echo $! >"$dir/cinder-volume.pid"
disown # cinder_nova.py ends it
wait_for cinder-api answers http://127.0.0.1:8776/

# --- Nova and libvirt ---------------------------------------------------------------------------

cat >/etc/libvirt/qemu.conf <<CONF
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
CONF
libvirtd >"$dir/log/libvirtd" 2>&1 &
cat >"$dir/nova.conf" <<CONF
[DEFAULT]
my_ip = 127.0.0.1
host = node
state_path = $dir/nova
compute_driver = libvirt.LibvirtDriver
[key_manager]
backend = barbican
[barbican]
auth_endpoint = http://127.0.0.1:5000/v3
verify_ssl_path = $dir/keys/ca/ca.pem
send_service_user_token = true
[barbican_service_user]
$(as nova)
[service_user]
send_service_user_token = true
$(as nova)
[cinder]
$(as nova)
[libvirt]
virt_type = qemu
cpu_mode = none
[database]
connection = sqlite:///$dir/nova.sqlite
[api_database]
connection = sqlite:///$dir/nova-api.sqlite
[oslo_concurrency]
lock_path = $dir/nova
CONF
{
  nova-manage --config-file "$dir/nova.conf" api_db sync &&
    nova-manage --config-file "$dir/nova.conf" db sync --local_cell
} >"$dir/log/nova-manage" 2>&1 || failed nova-manage "Nova's database cannot be made"
wait_for libvirtd virsh -c qemu:///system version

/usr/bin/python3 bench/openstack/cinder_nova.py check "$dir" 2>"$dir/log/check" ||
  failed check 'a check failed'
