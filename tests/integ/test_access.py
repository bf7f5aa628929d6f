"""Who may open a credential, in every order, and evict and prove: a server is taken away, and what
it knows is replaced until nobody serves it."""

import os
import pathlib
import pty
import subprocess

import pytest
from process import program, wait_for

WWW = "www.test.example"
NAMES = [f"n{i}.test.example" for i in range(12)]


@pytest.fixture
def three(domain):
    """A manager and web1, web2, web3; all three are in the group webs."""
    for name in ("web1", "web2", "web3"):
        domain.replica(name)
    domain.cli("group", "create", "webs", "web1", "web2", "web3")
    return domain


def show(domain, name=WWW):
    return domain.json("cert", "show", name)


def exposed(domain, node=None):
    return domain.json("exposed", *([node] if node else []))["exposures"]


def readers(domain, name=WWW):
    return sorted(r["node"] for r in domain.json("who-can-read", name)["readers"]
                  if r["role"] == "replica")


def key_in_force(domain, name=WWW):
    shown = show(domain, name)
    return next(g["key"] for g in shown["generations"] if g["active"])


def add_all(domain):
    """Half of them by name, half by the group."""
    for i, name in enumerate(NAMES):
        domain.cli("cert", "add", name, "--access", "web1,web2,web3" if i % 2 else "@webs")


def test_evict_and_prove(three):
    """One of three is removed while another is offline and the manager is killed in the middle: all
    that it knew is replaced, and proven only when the offline one has come back."""
    add_all(three)
    for name in NAMES:
        three.wait_served("web3", name)
    keys = {name: key_in_force(three, name) for name in NAMES}
    three.replicas["web3"].stop()
    removed = three.json("node", "remove", "web1")
    assert sorted(removed["exposed"]) == sorted(NAMES) and removed["new_keys"]
    three.server.kill()
    three.server.start()
    for name in NAMES:
        wait_for(lambda name=name: key_in_force(three, name) != keys[name], 30,
                 f"a new key of {name}")
        three.wait_served("web2", name)
    wait_for(lambda: all(x["state"] == "replaced" for x in exposed(three, "web1")), 20,
             "all to be replaced")
    left = exposed(three, "web1")
    assert {x["cert"] for x in left} == set(NAMES)
    assert all(x["key"] == keys[x["cert"]] and x["why"] == "removed" for x in left), left
    assert all(x["not_heard"] == ["web3"] and not x["member"] for x in left), left
    late = three.cli("cert", "rekey", "--exposed-to", "web1", "--wait", "1s", status=1)
    assert "not proven yet: 12 keys" in late.err and "web3" in late.out, late
    three.replicas["web3"].start()
    proven = three.cli("cert", "rekey", "--exposed-to", "web1", "--wait", "60s")
    assert "no server shows a key any more that web1 knows" in proven.out, proven
    assert exposed(three) == []
    three.replicas.pop("web1").stop()
    three.agree()
    assert {name: show(three, name)["generation"] for name in NAMES} == dict.fromkeys(NAMES, 2)


def test_killed_again_and_again(three):
    """Each kill of the manager interrupts it somewhere else."""
    add_all(three)
    keys = {name: key_in_force(three, name) for name in NAMES}
    three.cli("node", "remove", "web1")
    for _ in range(4):
        three.server.kill()
        three.server.start()
    done = three.cli("cert", "rekey", "--exposed-to", "web1", "--wait", "60s")
    assert "no server shows" in done.out, done
    for name in NAMES:
        assert key_in_force(three, name) != keys[name]
        assert readers(three, name) == ["web2", "web3"]


def test_keys_that_are_kept(three):
    """Nothing is replaced when nobody wants it, and nothing is forgotten."""
    three.add(WWW, ["web1", "web2"])
    before = key_in_force(three)
    out = three.cli("node", "remove", "web1", "--keep-keys").out
    assert WWW in out and "cert rekey --exposed-to web1" in out, out
    three.restart_server()
    assert [(x["node"], x["state"], x["in_force"]) for x in exposed(three)] == \
        [("web1", "kept", True)]
    why = three.json("why-not", "web1", WWW)
    assert "no such node" in why["why"] and why["exposed"][0]["node"] == "web1", why
    assert three.json("who-can-read", WWW)["exposed"][0]["why"] == "removed"
    assert "web1 (gone)" in three.cli("cert", "show", WWW).out
    assert key_in_force(three) == before
    three.wait_served("web2", WWW)
    three.cli("cert", "rekey", "--exposed-to", "web1")
    assert key_in_force(three) != before and exposed(three) == []
    assert "no node 'web9'" in three.cli("cert", "rekey", "--exposed-to", "web9", status=1).err
    assert "there is no node" in three.cli("why-not", "web9", WWW, status=1).err


def test_access_taken_away(three):
    three.add(WWW, ["web1", "web2"])
    before = key_in_force(three)
    three.cli("cert", "access", WWW, "--remove", "web1", "--keep-key")
    assert [(x["node"], x["why"], x["state"]) for x in exposed(three)] == \
        [("web1", "access", "kept")]
    why = three.cli("why-not", "web1", WWW).out
    assert "not among the servers with access" in why and "no new key is asked for" in why, why
    # Given back, it is no secret to it.
    three.cli("cert", "access", WWW, "--add", "web1")
    wait_for(lambda: exposed(three) == [], 10, "the note to go")
    three.wait_served("web1", WWW)
    assert key_in_force(three) == before
    three.cli("cert", "access", WWW, "--remove", "web1")
    assert key_in_force(three) != before
    wait_for(lambda: exposed(three) == [], 15, "the proof")


def test_groups_in_every_order(three):
    """A credential first and its members later, and the other way round."""
    three.cli("cert", "add", WWW, "--access", "@webs,web1")
    three.wait_served("web1", WWW)
    # By its name it keeps the access that the group gave.
    three.cli("group", "remove", "webs", "web1")
    assert exposed(three) == [] and readers(three) == ["web1", "web2", "web3"]
    three.cli("cert", "access", WWW, "--remove", "web1")
    assert readers(three) == ["web2", "web3"]
    three.cli("group", "add", "webs", "web1")
    three.wait_served("web1", WWW)
    before = key_in_force(three)
    three.cli("group", "remove", "webs", "web1", "--keep-keys")
    assert readers(three) == ["web2", "web3"]
    assert ("web1", "group") in [(x["node"], x["why"]) for x in exposed(three, "web1")]
    assert key_in_force(three) == before
    three.cli("group", "remove", "webs", "web2")
    wait_for(lambda: key_in_force(three) != before, 10, "a new key")
    three.wait_refused("web2", WWW)
    three.wait_served("web3", WWW)
    three.cli("cert", "access", WWW, "--add", "web1,web2", "--remove", "@webs")
    three.wait_served("web1", WWW)
    three.wait_refused("web3", WWW)
    three.cli("group", "delete", "webs")
    wait_for(lambda: exposed(three) == [], 20, "the proof")


def test_what_needs_an_administrator(three):
    """A CA outside: the CSR with the new key is made, and waits."""
    three.cli("cert", "add", WWW, "--issuer", "manual", "--access", "web1")
    first = three.cli("cert", "csr", WWW).out
    three.cli("node", "remove", "recovery", "--yes")
    assert exposed(three, "recovery")[0]["state"] == "kept"
    three.cli("cert", "rekey", "--exposed-to", "recovery")
    assert three.cli("cert", "csr", WWW).out != first and exposed(three) == []
    # Once more is no error: it is proven.
    three.cli("cert", "rekey", "--exposed-to", "recovery")
    assert "its CSR waits" in three.json("why-not", "web1", WWW)["why"]


def test_a_ca_outside(three, tmp_path):
    """Access is taken away: the CSR with the new key is made at once, and what is pasted ends it."""
    example = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples/manual-ca"
    subprocess.run([example / "make-openssl-ca", tmp_path / "ca"], check=True, capture_output=True)

    def sign(csr):
        return subprocess.run([example / "sign-with-openssl-ca", tmp_path / "ca"], input=csr,
                              text=True, check=True, capture_output=True).stdout

    three.cli("cert", "add", WWW, "--issuer", "manual", "--access", "web1,web2")
    first = three.cli("cert", "csr", WWW).out
    three.cli("cert", "paste", WWW, stdin=sign(first))
    before = three.wait_served("web2", WWW)
    said = three.cli("cert", "access", WWW, "--remove", "web1")
    assert "CSR with a new one" in said.out + said.err, said
    wait_for(lambda: show(three)["csr"], 10, "the CSR")
    assert [x["state"] for x in exposed(three)] == ["csr"]
    three.restart_server()
    waits = three.cli("cert", "rekey", "--exposed-to", "web1", "--wait", "20s", status=1)
    assert "waits for its certificate" in waits.out, waits
    three.cli("cert", "paste", WWW, stdin=sign(three.cli("cert", "csr", WWW).out))
    three.wait_served("web2", WWW, other_than=before)
    wait_for(lambda: exposed(three) == [], 10, "the proof")


def answer(domain, text, *argv):
    """Runs a command on a terminal, and types text when it asks."""
    theirs, given = pty.openpty()
    command = subprocess.Popen([program("certherd"), *argv, "--data", domain.data], stdin=given,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(given)
    os.write(theirs, text.encode() + b"\n")
    out, _ = command.communicate(timeout=30)
    os.close(theirs)
    return command.returncode, out


def test_removal_of_the_recovery_key_is_asked_for(domain):
    def nodes():
        return [n["name"] for n in domain.json("node", "list")["nodes"]]

    refused = domain.cli("node", "remove", "recovery", status=None)
    assert refused.status in (1, 2) and "--yes removes it" in refused.err, refused
    status, out = answer(domain, "no", "node", "remove", "recovery")
    assert status == 1 and "nothing was removed" in out and "recovery" in nodes(), out
    status, out = answer(domain, "yes", "node", "remove", "recovery")
    assert status == 0 and "no recovery key any more" in out, out
    assert "recovery" not in nodes()


def test_join_tokens(domain):
    """Listed until their name has joined, revoked by name, and of no use when the node has gone."""
    def listed():
        return [t["name"] for t in domain.json("node", "tokens")["tokens"]]

    first, second = domain.token("web1"), domain.token("web1")
    domain.token("web2")
    assert listed() == ["web1", "web1", "web2"]
    domain.join("web1", first)
    assert listed() == ["web2"]
    domain.cli("node", "revoke-token", "web2")
    assert listed() == []
    assert "no join token 'web2'" in domain.cli("node", "revoke-token", "web2", status=1).err
    domain.cli("node", "remove", "web1")
    refused = domain.join("web1", second, data=domain.folder / "again", status=1)
    assert "token" in refused.err, refused


def test_of_a_node_that_stays(three):
    """It is told that it gets the new keys, too."""
    three.add(WWW, ["web1", "web2"])
    before = key_in_force(three)
    done = three.cli("cert", "rekey", "--exposed-to", "web1")
    assert "gets their new keys as well" in done.out + done.err, done
    assert key_in_force(three) != before and exposed(three) == []
    three.wait_served("web1", WWW)
