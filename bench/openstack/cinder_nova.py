"""What cinder-nova.sh runs when all is up: Cinder's and Nova's whole round with encrypted volumes.

Keys are made, copied, moved and deleted by Cinder's services; Nova's own code takes part of a
compute service's way, from the block device mapping down to libvirt and QEMU. Each check is said,
and the first that fails ends the program with 1.
"""

import nova.cmd  # first: it patches for eventlet, as nova-compute does  # noqa: F401

import base64
import binascii
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import requests
from barbicanclient import client as barbican
from cinderclient import client as cinder
from cinderclient import exceptions as cinder_exceptions
from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client as keystone
from nova import config, context, crypto, objects
from nova.virt import block_device, driver
from nova.volume import cinder as volume_api

KEYSTONE = "http://127.0.0.1:5000/v3"
COFFER = "https://127.0.0.1:7450/v1"
DOOR = "https://127.0.0.1:9311"
# user: the project and the roles in it. The password is the name.
USERS = {
    "alice": ("hpc", ["member"]),
    "dora": ("hpc", ["member"]),
    "rita": ("hpc", ["reader"]),
    "bob": ("astro", ["member"]),
    "carol": ("closed", ["member"]),
    "cinder": ("service", ["admin", "service"]),
    "nova": ("service", ["admin", "service"]),
}

command, home = sys.argv[1:]
authority = home + "/keys/ca/ca.pem"


def logged_in(name, project):
    auth = v3.Password(auth_url=KEYSTONE, username=name, password=name, project_name=project,
                       user_domain_name="Default", project_domain_name="Default")
    return session.Session(auth=auth, verify=authority)


def coffer(who, method, path, body=None):
    answer = requests.request(method, COFFER + path, json=body, verify=authority,
                              cert=(who + ".pem", who + ".key"))
    assert answer.ok, answer.text
    return answer


def prepare():
    admin = keystone.Client(session=logged_in("admin", "admin"))
    roles = {role.name: role for role in admin.roles.list()}
    for name in ("member", "reader", "service"):
        if name not in roles:
            roles[name] = admin.roles.create(name)
    projects = {}
    for name, (project, granted) in USERS.items():
        if project not in projects:
            projects[project] = admin.projects.create(project, "default")
        user = admin.users.create(name, "default", password=name)
        for role in granted:
            admin.roles.grant(roles[role], user=user, project=projects[project])
    for kind, url in (("volumev3", "http://127.0.0.1:8776/v3/%(project_id)s"),
                      ("key-manager", DOOR)):
        service = admin.services.create(kind, type=kind)
        admin.endpoints.create(service, url, interface="public", region="one")

    operator = home + "/keys/operator"
    coffer(operator, "POST", "/services", {"name": "cinder"})
    for name, roles in (("hpc", {"member": "user", "reader": "reader"}),
                        ("astro", {"member": "user"}),
                        ("service", {"admin": "admin"}),
                        ("closed", None)):
        owner = "project:" + projects[name].id
        coffer(operator, "POST", "/owners", {
            "name": owner, "members": [{"identity": "client:checker", "role": "admin"}]})
        if roles:
            coffer(operator, "PUT", "/owners/" + owner + "/door",
                   {"service": "cinder", "roles": roles})


# --- what the checks use --------------------------------------------------------------------------


def check(what, true):
    print(("ok      " if true else "FAILED  ") + what, flush=True)
    if not true:
        sys.exit(1)


class Person:
    """A user of Cinder and of the door."""

    def __init__(self, name, project=None):
        self.session = logged_in(name, project or USERS[name][0])
        self.project = self.session.get_project_id()
        self.cinder = cinder.Client("3.70", session=self.session)
        self.secrets = barbican.Client(session=self.session).secrets

    def key(self, key_id):
        """The key's bytes, or None if the door gives none."""
        try:
            return self.secrets.get(DOOR + "/v1/secrets/" + key_id).payload
        except Exception as e:
            if getattr(e, "status_code", 0) in (403, 404):
                return None
            raise

    def keys(self):
        """Ids of the keys that Coffer itself has in this project's lock box."""
        path = "/services/cinder/owners/project:" + self.project + "/keys"
        return {key["id"] for key in coffer(home + "/checker", "GET", path).json()["keys"]}

    def made(self, **how):
        """A volume that Cinder has made."""
        return self.settled(self.cinder.volumes.create(1, **how), "available")

    def settled(self, volume, *wanted):
        for _ in range(240):
            volume = volume.manager.get(volume.id)
            if volume.status in wanted or volume.status.startswith("error"):
                break
            time.sleep(0.25)
        check("%s %s is %s" % (type(volume).__name__.lower(), volume.id, volume.status),
              volume.status in wanted)
        return volume

    def gone(self, volume):
        volume.delete()
        for _ in range(240):
            try:
                volume.manager.get(volume.id)
            except cinder_exceptions.NotFound:
                return
            time.sleep(0.25)
        check("volume " + volume.id + " is deleted", False)


def passphrase(key):
    """What Cinder, Nova and os-brick make of a key."""
    return binascii.hexlify(key)


def opens(volume, key, does):
    """Does qemu-io open the volume's LUKS with that key and do this without a complaint?"""
    path = home + "/passphrase"
    with open(path, "wb") as f:
        f.write(passphrase(key))
    done = subprocess.run(
        ["qemu-io", "--object", "secret,id=key,file=" + path, "--image-opts",
         "driver=luks,key-secret=key,file.driver=rbd,file.pool=volumes,file.image=volume-"
         + volume.id, "-c", does], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.remove(path)
    return done.returncode == 0 and "failed" not in done.stdout


def refused(call):
    """Cinder's refusal."""
    try:
        call()
    except cinder_exceptions.ClientException as e:
        return e
    return None


# --- Cinder -----------------------------------------------------------------------------------------

# Prints a line to the first serial port and halts.
BOOT = bytes.fromhex("31c08ed8be157cbaf803ac84c07403eeebf8f4ebfd") + b"read from the volume\n\0"
BOOT += bytes(510 - len(BOOT)) + b"\x55\xaa"


def cinder_round(alice, bob):
    admin = Person("admin", "admin")
    admin.cinder.volume_types.create("plain")
    luks = admin.cinder.volume_types.create("luks")
    admin.cinder.volume_encryption_types.create(luks, {
        "provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256,
        "control_location": "front-end"})

    volume = alice.made(volume_type="luks")
    encryption = alice.cinder.volumes.get_encryption_metadata(volume.id)
    check("/volumes/ID/encryption names the key, LUKS and the cipher",
          encryption["encryption_key_id"] == volume.encryption_key_id
          and encryption["provider"] == "luks" and encryption["cipher"] == "aes-xts-plain64"
          and encryption["control_location"] == "front-end")
    key = alice.key(volume.encryption_key_id)
    check("the door gives alice the key of 256 bits", len(key) == 32)
    check("Coffer has it in the project's lock box", alice.keys() == {volume.encryption_key_id})
    check("the door gives bob of another project nothing",
          bob.key(volume.encryption_key_id) is None)

    with open(home + "/boot", "wb") as f:
        f.write(BOOT)
    check("the key opens the volume's LUKS, which can be written",
          opens(volume, key, "write -s " + home + "/boot 0 512"))
    check("another key does not", not opens(volume, bytes(32), "read 0 512"))
    subprocess.run(["rbd", "export", "volumes/volume-" + volume.id, home + "/image"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check("cryptsetup opens it, too", subprocess.run(
        ["cryptsetup", "luksOpen", "--test-passphrase", "--key-file", "-", home + "/image"],
        input=passphrase(key)).returncode == 0)
    os.remove(home + "/image")

    snapshot = alice.settled(alice.cinder.volume_snapshots.create(volume.id), "available")
    copies = [alice.made(volume_type="luks", snapshot_id=snapshot.id),
              alice.made(volume_type="luks", source_volid=volume.id)]
    for copy, of in zip(copies, ("a snapshot", "a volume")):
        check("a volume from " + of + " has a key of its own that the door keeps",
              copy.encryption_key_id != volume.encryption_key_id
              and copy.encryption_key_id in alice.keys())
        check("which opens it, with what was written",
              opens(copy, alice.key(copy.encryption_key_id), "read -P 0x31 0 1"))
    alice.gone(copies[0])
    check("a deleted volume's key is deleted from Coffer, and no other",
          alice.keys() == {volume.encryption_key_id, copies[1].encryption_key_id}
          and alice.key(copies[0].encryption_key_id) is None)
    return volume, snapshot, copies[1]


def transfer_round(alice, bob, volume):
    service = Person("cinder")
    key = alice.key(volume.encryption_key_id)
    transfer = alice.cinder.transfers.create(volume.id)
    lent = alice.settled(volume, "awaiting-transfer").encryption_key_id
    check("a volume that is offered has its key in the lock box of Cinder's own project",
          lent != volume.encryption_key_id and service.keys() == {lent}
          and volume.encryption_key_id not in alice.keys())
    check("where alice does not get at it", alice.key(lent) is None)

    transfer.delete()
    back = alice.settled(volume, "available").encryption_key_id
    check("an offer that is taken back brings it back",
          service.keys() == set() and back in alice.keys() and alice.key(back) == key)

    transfer = alice.cinder.transfers.create(volume.id)
    bob.cinder.transfers.accept(transfer.id, transfer.auth_key)
    volume = bob.settled(bob.cinder.volumes.get(volume.id), "available")
    check("bob accepts: the key is in his project's lock box and in no other",
          bob.keys() == {volume.encryption_key_id} and service.keys() == set()
          and back not in alice.keys())
    check("it is the same key, and opens the volume for bob only",
          bob.key(volume.encryption_key_id) == key
          and alice.key(volume.encryption_key_id) is None and opens(volume, key, "read 0 512"))
    bob.gone(volume)
    check("bob deletes the volume, and with it the key", bob.keys() == set())


def refusals(alice):
    for name, why in (("rita", "whose role is worth reading only"),
                      ("carol", "whose project has no open door")):
        error = refused(lambda: Person(name).cinder.volumes.create(1, volume_type="luks"))
        check("Cinder refuses %s, %s: %s" % (name, why, error),
              error is not None and error.code == 400 and "Key manager error" in str(error))
    before = alice.keys()
    coffer(home + "/keys/operator", "POST", "/seal/seal")
    error = refused(lambda: alice.cinder.volumes.create(1, volume_type="luks"))
    with open(home + "/pass", "rb") as f:
        coffer(home + "/keys/operator", "POST", "/seal/unseal",
               {"passphrase": base64.b64encode(f.read().rstrip(b"\n")).decode()})
    check("and alice while the key server is sealed: %s" % error,
          error is not None and error.code == 400 and "Key manager error" in str(error))
    check("which leaves no keys behind", alice.keys() == before)
    plain = alice.made(volume_type="plain")
    check("an unencrypted volume needs no key",
          getattr(plain, "encryption_key_id", None) is None and alice.keys() == before)
    alice.gone(plain)


# --- Nova -------------------------------------------------------------------------------------------

DOMAIN = """
<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
 <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
 <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
  <serial type='file'><source path='%s'/></serial></devices></domain>"""


def virsh(*words):
    return subprocess.run(["virsh", "-q", "-c", "qemu:///system", *words], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def mapped(who, instance, cinder_api, volume, name):
    """What nova-api leaves to nova-compute: the attachment is announced, the device is named."""
    attachment = cinder_api.attachment_create(who, volume.id, instance.uuid)
    mapping = objects.BlockDeviceMapping(
        who, instance_uuid=instance.uuid, source_type="volume", destination_type="volume",
        volume_id=volume.id, volume_size=1, device_name=name, disk_bus="virtio",
        device_type="disk", boot_index=None, attachment_id=attachment["id"])
    mapping.create()
    return block_device.DriverVolumeBlockDevice(mapping)


def nova_round(alice, volume):
    config.parse_args(["nova-compute", "--config-file", home + "/nova.conf", "--log-file",
                       home + "/log/nova"])
    objects.register_all()
    access = alice.session.auth.get_access(alice.session)
    who = context.RequestContext(
        user_id=access.user_id, project_id=access.project_id, roles=access.role_names,
        auth_token=access.auth_token, is_admin=False,
        service_catalog=[dict(service, endpoints=[
            {"publicURL": e["url"], "region": e["region"], "id": e["id"]}
            for e in service["endpoints"]]) for service in access.service_catalog.catalog])

    compute = driver.load_compute_driver(None)
    compute.init_host("node")
    flavor = objects.Flavor(who, name="f", flavorid="f", memory_mb=64, vcpus=1, root_gb=0,
                            ephemeral_gb=0, swap=0, extra_specs={}, rxtx_factor=1.0)
    instance = objects.Instance(
        who, project_id=who.project_id, user_id=who.user_id, host="node", node="node",
        display_name="guest", flavor=flavor, old_flavor=None, new_flavor=None, image_ref="",
        vm_state="active", root_device_name="/dev/vda", system_metadata={})
    instance.create()
    serial = home + "/serial"
    with open(home + "/domain.xml", "w") as f:
        f.write(DOMAIN % (instance.name, instance.uuid, serial))
    virsh("define", home + "/domain.xml")
    virsh("start", instance.name)

    cinder_api = volume_api.API()
    mapped(who, instance, cinder_api, volume, "/dev/vdb").attach(
        who, instance, cinder_api, compute, do_driver_attach=True)
    check("Nova attaches the volume: Cinder says in-use", alice.settled(volume, "in-use"))

    key = alice.key(volume.encryption_key_id)
    row = [line.split() for line in virsh("secret-list").splitlines() if volume.id in line]
    check("libvirt has a secret for the volume", len(row) == 1)
    secret = row[0][0]
    check("its value is the key from the door",
          base64.b64decode(virsh("secret-get-value", secret)) == passphrase(key))
    xml = virsh("dumpxml", instance.name)
    check("the guest's disk is encrypted by that secret",
          "<encryption format='luks'" in xml and "uuid='%s'" % secret in xml)

    virsh("reset", instance.name)
    said = b""
    for _ in range(240):
        with open(serial, "rb") as f:
            said = f.read()
        if b"read from the volume" in said:
            break
        time.sleep(0.25)
    check("the guest boots from what alice wrote to the volume", b"read from the volume" in said)

    # The guest has no operating system that would let go of the disk, so it is switched off.
    virsh("destroy", instance.name)
    mapping = objects.BlockDeviceMapping.get_by_volume_and_instance(who, volume.id, instance.uuid)
    block_device.DriverVolumeBlockDevice(mapping).detach(
        who, instance, cinder_api, compute, attachment_id=mapping.attachment_id)
    mapping.destroy()
    check("Nova detaches it: Cinder says available", alice.settled(volume, "available"))
    check("libvirt has the secret no more", volume.id not in virsh("secret-list"))

    # A key that the door does not give: the attachment fails as a whole.
    operator = home + "/keys/operator"
    coffer(operator, "DELETE", "/owners/project:" + alice.project + "/door")
    error = None
    try:
        mapped(who, instance, cinder_api, volume, "/dev/vdc").attach(
            who, instance, cinder_api, compute, do_driver_attach=True)
    except Exception as e:
        error = e
    coffer(operator, "PUT", "/owners/project:" + alice.project + "/door",
           {"service": "cinder", "roles": {"member": "user", "reader": "reader"}})
    check("Nova attaches nothing while the door is closed: %s" % error,
          error is not None and "not open for your project" in str(error))
    check("and leaves nothing behind",
          alice.settled(volume, "available") and volume.id not in virsh("secret-list"))
    virsh("undefine", instance.name)

    # What a guest's virtual TPM is sealed by, is Nova's to make; the guest has none here.
    before = alice.keys()
    made = crypto.ensure_vtpm_secret(who, instance)
    again = crypto.ensure_vtpm_secret(who, instance)
    check("Nova keeps the passphrase of a virtual TPM at the door, and gets it back",
          alice.keys() - before == {made[0]} and again == made and len(made[1]) > 100)
    crypto.delete_vtpm_secret(who, instance)
    check("and deletes it", alice.keys() == before)


# --- keys that are not of the project whose user deletes the volume --------------------------------


def foreign_keys(alice):
    service, dora, admin = Person("cinder"), Person("dora"), Person("admin", "admin")
    volume = alice.made(volume_type="luks")
    before = alice.keys()
    error = refused(lambda: admin.cinder.volumes.delete(volume.id))
    check("an admin of another project deletes no key, and so no volume: %s" % error,
          error is not None and "Unable to delete encryption key" in str(error)
          and alice.keys() == before)
    admin.cinder.volumes.reset_state(volume.id, "available")

    # As if Cinder had made it with its key_manager.fixed_key: cinder-volume brings such keys to
    # the key manager when it starts, in its own name, and lets the volume's maker read them.
    fixed = "00000000-0000-0000-0000-000000000000"
    key = alice.key(volume.encryption_key_id)
    alice.secrets.delete(DOOR + "/v1/secrets/" + volume.encryption_key_id)
    database = sqlite3.connect(home + "/cinder.sqlite", timeout=30)
    with database:
        database.execute("update volumes set encryption_key_id=? where id=?", (fixed, volume.id))
    database.close()
    with open(home + "/fixed.conf", "w") as f:
        f.write("[key_manager]\nfixed_key = " + key.hex() + "\n")
    with open(home + "/cinder-volume.pid") as f:
        os.kill(int(f.read()), signal.SIGKILL)
    with open(home + "/log/cinder-volume-again", "w") as log:
        # That part of Cinder has no setting for a certificate authority.
        again = subprocess.Popen(
            ["cinder-volume", "--config-file", home + "/cinder.conf",
             "--config-file", home + "/fixed.conf"], stdout=log, stderr=log,
            env=dict(os.environ, REQUESTS_CA_BUNDLE=authority))
    for _ in range(240):
        volume = alice.cinder.volumes.get(volume.id)
        if hasattr(volume, "encryption_key_id"):  # the fixed key's is not shown
            break
        time.sleep(0.25)
    check("Cinder brings its fixed key into the lock box of its own project",
          service.keys() == {volume.encryption_key_id})
    check("where alice, who made the volume, may read it, and dora may not",
          alice.key(volume.encryption_key_id) == key
          and dora.key(volume.encryption_key_id) is None)
    dora.gone(dora.cinder.volumes.get(volume.id))
    check("dora, of the same project, deletes the volume: Cinder deletes the key as itself",
          service.keys() == set())
    again.terminate()


def audited():
    """How often what was done at the door, from Coffer's log."""
    counts = {}
    after = ""
    while True:
        page = coffer(home + "/auditor", "GET", "/audit?limit=1000" + after).text.splitlines()
        for line in page:
            entry = json.loads(line)
            after = "&after=%d" % entry["seq"]
            if entry["action"].startswith("door."):
                name = entry["action"] + " " + entry["outcome"]
                counts[name] = counts.get(name, 0) + 1
        if len(page) < 1000:  # this reading, too, is in the log
            return counts


def checks():
    alice, bob = Person("alice"), Person("bob")
    volume, snapshot, copy = cinder_round(alice, bob)
    transfer_round(alice, bob, copy)
    refusals(alice)
    nova_round(alice, volume)
    alice.gone(snapshot)
    alice.gone(volume)
    foreign_keys(alice)
    check("at the end alice's project has no keys left", alice.keys() == set())
    counts = audited()
    check("Coffer's audit log has the orders, the copies, the deletions and what was given in clear",
          all(counts.get(name) for name in (
              "door.order.create granted", "door.order.create refused",
              "door.secret.create granted", "door.secret.delete granted",
              "door.secret.payload.get granted")))
    for name in sorted(counts):
        print("        %4d %s" % (counts[name], name))


{"prepare": prepare, "check": checks}[command]()
