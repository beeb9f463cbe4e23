"""The whole round of OpenStack's own clients: barbicanclient, openstack secret, castellan."""

import json
import os
import subprocess

from barbicanclient import client as barbican
from barbicanclient import exceptions
from castellan import key_manager, options
from castellan.common import exception as castellan_exception
from castellan.common.credentials import keystone_password
from castellan.common.objects import opaque_data, symmetric_key
from keystoneauth1 import session
from keystoneauth1.identity import v3
from oslo_config import cfg
from oslo_context import context as oslo_context

AUTH = os.environ["OS_AUTH_URL"]
CACERT = os.environ["OS_CACERT"]
USER = dict(username="user", password="pw", user_domain_name="Default",
            project_name="project", project_domain_name="Default")


def barbicanclient_round():
    auth = v3.Password(auth_url=AUTH, **USER)
    c = barbican.Client(session=session.Session(auth=auth, verify=CACERT))

    secret = c.secrets.create(name="text", payload="a passphrase")
    ref = secret.store()
    got = c.secrets.get(ref)
    assert got.payload == "a passphrase" and got.payload_content_type == "text/plain"
    assert got.name == "text" and got.status == "ACTIVE"

    key = os.urandom(32)
    ref = c.secrets.create(name="key", payload=key, algorithm="aes", bit_length=256, mode="xts",
                           secret_type="symmetric", expiration="2099-01-01T00:00:00").store()
    got = c.secrets.get(ref)
    assert got.payload == key and got.bit_length == 256 and got.expiration.year == 2099

    later = c.secrets.create(name="later")
    later.store()
    later.payload = b"\x00\x01\xff"
    later.update()
    assert c.secrets.get(later.secret_ref).payload == b"\x00\x01\xff"

    assert [s.name for s in c.secrets.list(name="key")] == ["key"]
    assert len(c.secrets.list(limit=2)) == 2 and c.secrets.total() == 3

    acl = c.acls.create(entity_ref=ref, users=["u2"], project_access=False)
    acl.submit()
    read = c.acls.get(ref).get("read")
    assert read.users == ["u2"] and read.project_access is False
    acl.remove()

    order = c.orders.create_key(name="ordered", algorithm="aes", bit_length=256, mode="cbc")
    order.submit()
    order = c.orders.get(order.order_ref)
    assert order.status == "ACTIVE"
    assert len(c.secrets.get(order.secret_ref).payload) == 32
    pair = c.orders.create_asymmetric(name="pair", algorithm="rsa", bit_length=2048)
    pair.submit()
    pair = c.orders.get(pair.order_ref)
    rsa = c.containers.get(pair.container_ref)
    assert rsa.private_key.payload.startswith(b"-----BEGIN PRIVATE KEY")
    assert len(c.orders.list()) == 2
    c.orders.delete(order.order_ref)

    container = c.containers.create(name="both", secrets={"a": c.secrets.get(ref)})
    cref = container.store()
    assert list(c.containers.get(cref).secret_refs) == ["a"]
    c.containers.register_consumer(cref, "lb", "https://lb.example/1")
    try:
        c.containers.delete(cref)
        raise AssertionError("a container in use was deleted")
    except exceptions.HTTPClientError as e:
        assert e.status_code == 409, e
    c.containers.remove_consumer(cref, "lb", "https://lb.example/1")
    c.containers.delete(cref)

    c.secrets.delete(ref)
    try:
        c.secrets.get(ref).name
        raise AssertionError("a deleted secret was found")
    except exceptions.HTTPClientError as e:
        assert e.status_code == 404 and "Not Found" in str(e), e


def openstack(*words):
    out = subprocess.run(["openstack", "secret", *words, "-f", "json"], check=True,
                         stdout=subprocess.PIPE).stdout
    return json.loads(out)


def openstackclient_round():
    ref = openstack("store", "--name", "cli", "--payload", "from the shell",
                    "--payload-content-type", "text/plain")["Secret href"]
    assert openstack("get", ref)["Name"] == "cli"
    plain = openstack("store", "--name", "as printed", "--payload", "my secret")["Secret href"]
    assert openstack("get", plain, "--payload")["Payload"] == "my secret"
    assert openstack("get", ref, "--payload")["Payload"] == "from the shell"
    assert ref in [s["Secret href"] for s in openstack("list", "--limit", "100")]
    subprocess.run(["openstack", "secret", "delete", ref], check=True)


def castellan_round(context):
    conf = cfg.ConfigOpts()
    conf([])
    options.set_defaults(conf, backend="barbican", auth_endpoint=AUTH, verify_ssl_path=CACERT)
    manager = key_manager.API(conf)

    # As Cinder makes and deletes a volume's key, and Nova reads it.
    made = manager.create_key(context, algorithm="aes", length=256, name="volume")
    got = manager.get(context, made)
    assert len(got.get_encoded()) == 32 and got.algorithm == "aes" and got.bit_length == 256
    copy = manager.store(context, symmetric_key.SymmetricKey("aes", 256, got.get_encoded()))
    assert manager.get(context, copy).get_encoded() == got.get_encoded()
    assert manager.get(context, copy, metadata_only=True).bit_length == 256
    data = manager.store(context, opaque_data.OpaqueData(b"opaque"))
    assert manager.get(context, data).get_encoded() == b"opaque"
    assert made in [each.id for each in manager.list(context)]
    for each in (made, copy, data):
        manager.delete(context, each)
    try:
        manager.get(context, made)
        raise AssertionError("a deleted key was found")
    except castellan_exception.ManagedObjectNotFoundError:
        pass


barbicanclient_round()
print("barbicanclient done")
openstackclient_round()
print("openstackclient done")
castellan_round(keystone_password.KeystonePassword(auth_url=AUTH, **USER))
token = v3.Password(auth_url=AUTH, **USER).get_token(session.Session())
castellan_round(oslo_context.RequestContext(auth_token=token, project_id="p1"))
print("castellan done")
