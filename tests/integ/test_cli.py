"""The command: help for everything, JSON for programs, and errors that say what to do."""

import json
import os
import re
import subprocess

import pytest
from process import Failure, program, wait_for
from tlsfetch import tls_fetch

COMMANDS = ["init", "node token", "node tokens", "node revoke-token", "node list", "node show", "node remove",
            "group list", "group create", "group add", "group remove", "group delete",
            "cert add", "cert import", "cert list", "cert show", "cert submit", "cert csr", "cert paste",
            "cert renew", "cert access", "cert archive",
            "cert delete", "cert revoke", "ca create", "ca list", "ca show", "ca change", "ca default",
            "ca enable", "ca disable", "ca renew", "ca export", "default-access show", "trust add", "trust list",
            "trust show", "trust remove", "trust export", "setting list", "setting get",
            "setting set", "setting reset", "cert chain",
            "default-access set", "status", "watch", "explain", "who-can-read", "why-not",
            "version",
            "cert activate", "cert change", "cert checks", "cert export",
            "cert generations", "cert rekey", "check", "events",
            "events test", "exposed"]


def run(*argv, **more):
    return subprocess.run([program("certherd"), *argv], capture_output=True, text=True, timeout=60,
                          check=False, **more)


def test_every_command_is_listed():
    """help names exactly the commands that these tests know."""
    answer = run("help")
    assert answer.returncode == 0
    listed = {" ".join(m.split()) for m in
              re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?= {2,}| [A-Z\[<])", answer.stdout, re.M)}
    assert listed >= set(COMMANDS), set(COMMANDS) - listed
    extra = listed - set(COMMANDS) - {"help"}
    assert not extra, extra


@pytest.mark.parametrize("command", COMMANDS)
def test_help_with_an_example(command):
    for argv in (command.split() + ["--help"], ["help", *command.split()]):
        answer = run(*argv)
        assert answer.returncode == 0 and not answer.stderr, answer
        assert f"certherd {command}" in answer.stdout
        assert re.search(rf"^ +certherd {command}", answer.stdout, re.M), "no example"


USAGE = {
    "unknown noun": ["crt", "list"],
    "unknown verb": ["cert", "lst"],
    "noun alone": ["cert"],
    "unknown option": ["cert", "list", "--verbose-ly"],
    "value missing": ["cert", "list", "--filter"],
    "too few words": ["cert", "show"],
    "too many words": ["cert", "show", "a", "b"],
    "flag with a value": ["cert", "list", "--json=yes"],
    "an option alone": ["--data", "/nonexistent"],
    "an option of nothing": ["--filter", "x", "cert", "list"],
}


@pytest.mark.parametrize("what", USAGE)
def test_wrong_usage(what):
    answer = run(*USAGE[what])
    assert answer.returncode == 2, answer
    assert answer.stderr.startswith("certherd: ") and not answer.stdout


def test_nothing_to_do_prints_the_help():
    assert run().stdout == run("help").stdout


def test_suggestions():
    assert "cert" in run("crt", "list").stderr
    assert "list" in run("cert", "lst").stderr


def test_server_away(tmp_path):
    """Exit 1, names what it tried, says what to do."""
    answer = run("status", "--data", str(tmp_path))
    assert answer.returncode == 1
    assert str(tmp_path) in answer.stderr or "hint" in answer.stderr, answer


def test_json_of_every_command_that_reads(pair):
    pair.add("www.test.example", ["web1"])
    pair.cli("group", "create", "webs", "web1")
    for argv in (["status"], ["node", "list"], ["node", "show", "web1"], ["node", "tokens"],
                 ["group", "list"], ["cert", "list"], ["cert", "show", "www.test.example"],
                 ["ca", "list"], ["ca", "show", "default"], ["default-access", "show"],
                 ["explain", "www.test.example"], ["who-can-read", "www.test.example"],
                 ["why-not", "web2", "www.test.example"], ["version"]):
        machine = pair.cli(*argv, "--json")
        assert isinstance(machine.json, dict), argv
        people = pair.cli(*argv)
        assert people.out.strip() and not people.err, argv
        assert people.out != machine.out, argv


def test_json_of_every_command_that_changes(pair):
    """Each says how durable the change is and where in the log."""
    def change(*argv):
        answer = pair.cli(*argv, "--json").json
        answer = answer.get("results", [answer])[-1]
        answer = answer.get("change", answer)
        assert answer["durability"] == "local" and answer["seq"] > 0, (argv, answer)

    change("ca", "create", "second")
    change("cert", "add", "www.test.example", "--access", "web1", "--ca", "second")
    change("cert", "renew", "www.test.example")
    change("cert", "access", "www.test.example", "--add", "web2")
    change("cert", "archive", "www.test.example")
    change("cert", "archive", "www.test.example", "--undo")
    change("group", "create", "webs", "web1")
    change("group", "add", "webs", "web2")
    change("group", "remove", "webs", "web2")
    change("group", "delete", "webs")
    change("default-access", "set", "web1")
    change("cert", "delete", "www.test.example")
    change("node", "remove", "web2")


def test_json_of_several_names(pair):
    """One document with what was done, also when a later name fails."""
    pair.cli("group", "create", "webs")
    both = pair.json("group", "add", "webs", "web1", "web2")["results"]
    assert [one["name"] for one in both] == ["web1", "web2"]
    assert both[0]["change"]["seq"] < both[1]["change"]["seq"]
    half = pair.cli("group", "remove", "webs", "web1", "nobody", "--json", status=1)
    assert [one["name"] for one in half.json["results"]] == ["web1"] and "nobody" in half.err
    for name in ("a.test.example", "b.test.example"):
        pair.add(name, ["web1"])
    renewed = pair.json("cert", "renew", "a.test.example", "b.test.example")["results"]
    assert [(one["name"], one["change"]["generation"], one["served"]) for one in renewed] == [
        ("a.test.example", 2, 1), ("b.test.example", 2, 1)]


def test_show_chain(pair):
    pair.add("www.test.example", ["web1"])
    chain = pair.cli("cert", "show", "www.test.example", "--chain").out
    assert chain.count("BEGIN CERTIFICATE") >= 1
    parsed = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=chain,
                            capture_output=True, text=True, check=True)
    assert "www.test.example" in parsed.stdout


def test_list_of_many(domain):
    """More than a page, filtered and not."""
    from api import Api
    api = Api(domain.server.endpoints()["api"])
    for i in range(520):
        api.ask("POST", "/v1/certs", {"names": [f"n{i}.test.example"], "access": []})
    names = [c["name"] for c in domain.json("cert", "list")["certs"]]
    assert len(names) == len(set(names)) == 520
    assert len(domain.json("cert", "list", "--filter", "n51")["certs"]) == 11
    assert "n519.test.example" in domain.cli("cert", "list").out


def test_watch(pair):
    """Lines of JSON: the commit and who serves it, while they happen."""
    with open(pair.folder / "watched", "wb") as out:
        child = subprocess.Popen([program("certherd"), "watch", "--json", "--data",
                                  str(pair.data)], stdout=out, stderr=subprocess.PIPE)
    try:
        def events():
            lines = (pair.folder / "watched").read_text().splitlines()
            return [json.loads(line) for line in lines if line.startswith("{")]

        wait_for(lambda: any(e["event"] == "begin" for e in events()), 10, "the watch to begin")
        pair.add("www.test.example", ["web1", "web2"])
        wait_for(lambda: {e["node"] for e in events() if e["event"] == "served"
                          and e.get("cert") == "www.test.example"} == {"web1", "web2"},
                 10, "both nodes to be reported")
        kinds = [r["kind"] for e in events() if e["event"] == "commit" for r in e["records"]]
        assert {k.lower() for k in kinds} >= {"credential", "generation"}
    finally:
        child.terminate()
        child.wait(20)


def test_watch_ends_with_the_server(domain):
    child = subprocess.Popen([program("certherd"), "watch", "--data", str(domain.data)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: child.poll() is None and domain.json("status"), 5, "the watch")
    domain.server.stop()
    assert child.wait(30) != 0
    assert child.stderr.read()


def test_init_refuses_what_is_there(make_domain):
    domain = make_domain()
    domain.data.mkdir(parents=True)
    (domain.data / "mine").write_text("mine")
    with pytest.raises(Failure) as failure:
        domain.init()
    assert "not empty" in str(failure.value)
    assert [p.name for p in domain.data.iterdir()] == ["mine"]


def test_init_cleans_up_after_itself(make_domain):
    """An address that cannot be listened on: nothing is left of the try."""
    domain = make_domain()
    domain.address = "203.0.113.77:7443"
    with pytest.raises(Failure):
        domain.init()
    assert not domain.data.exists() or not list(domain.data.iterdir())


def test_init_without_recovery_key(make_domain):
    domain = make_domain()
    result = domain.init("--no-replica", "--no-recovery")
    assert "recovery" in result.out
    assert not (domain.data / "offline/recovery.key").exists()
    domain.start_server()
    assert all(n["role"] != "recovery" for n in domain.json("node", "list")["nodes"])


def test_offline_keys(make_domain):
    """Encrypted under the passphrase, in a form that openssl reads; the root verifies itself."""
    domain = make_domain()
    domain.init("--no-replica")
    for name in ("root.key", "recovery.key"):
        path = domain.data / "offline" / name
        assert path.stat().st_mode & 0o077 == 0
        assert "BEGIN ENCRYPTED PRIVATE KEY" in path.read_text()
        for word, good in (("correct horse battery staple", True), ("wrong", False)):
            answer = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-passin",
                                     "pass:" + word], capture_output=True, check=False)
            assert (answer.returncode == 0) == good
    root = domain.data / "offline/root.pem"
    assert subprocess.run(["openssl", "verify", "-CAfile", root, root], capture_output=True,
                          check=False).returncode == 0


def test_another_user_may_not_use_the_socket(domain):
    """Root, the server's own user and the group certherd may; others may not."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    api = domain.server.endpoints()["api"]
    answer = subprocess.run(
        ["python3", "-c", "import os,socket,sys;os.setgid(65534);os.setuid(65534);"
         "s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
         "s.sendall(b'GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');"
         "sys.exit(0 if b' 200 ' in s.recv(100) else 3)", api], capture_output=True, check=False)
    assert answer.returncode != 0


def test_output_to_a_closed_pipe(pair):
    answer = subprocess.run(["bash", "-c", f"'{program('certherd')}' cert list --data "
                             f"'{pair.data}' | true"], capture_output=True, text=True, check=False)
    assert "panic" not in answer.stderr


def test_certificate_of_the_public_port_is_the_domains_own(pair):
    got = tls_fetch(pair.public, None, "-CAfile", str(pair.data / "offline/root.pem"))
    assert got.ok and got.protocol == "TLSv1.3" and got.verified, got.text
