"""Events reach commands and webhooks: once each, in order, whatever these do."""

import datetime
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import jsonschema
import pytest
import raw
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from process import wait_for
from receiver import Receiver, signature_is_good

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/events.schema.json").read_text())
CHECKER = jsonschema.Draft202012Validator(SCHEMA)

# Takes the event from standard input; what it was started with beside it.
TAKE = """#!/usr/bin/env python3
import json, os, sys
event = sys.stdin.read()
with open(sys.argv[1], "a") as out:
    out.write(json.dumps({"event": json.loads(event), "argv": sys.argv, "env": dict(os.environ)}) + "\\n")
"""


def script(domain, name, text):
    path = domain.folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def configured(domain, sections, top=""):
    """Restarts the manager with these receivers."""
    conf = domain.folder / "server.conf"
    conf.write_text(top + "\n" + sections)
    if domain.server is not None:
        domain.server.stop()
        domain.server = None
    return domain.start_server("--config", str(conf))


def webhook(name, receiver, extra=""):
    return f'events "{name}" {{\n webhook = "{receiver.url}"\n {extra}\n}}\n'


def command(name, *words, extra=""):
    listed = ", ".join(f'"{w}"' for w in words)
    return f'events "{name}" {{\n command = {{{listed}}}\n {extra}\n}}\n'


def lines(path):
    return [json.loads(x) for x in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def receiver():
    made = []

    def make(*args, **kwargs):
        made.append(Receiver(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def fits(events):
    for event in events:
        CHECKER.validate(event)
    numbers = [e["number"] for e in events]
    assert numbers == sorted(numbers), "in order"
    assert len({e["id"] for e in events}) == len(events), "once each"


def test_command_and_webhook(domain, receiver):
    """Both get every event, with nothing of it in arguments or environment."""
    secret = domain.folder / "webhook.secret"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    taken = domain.folder / "taken"
    hook = receiver()
    configured(domain, command("script", script(domain, "take", TAKE), taken) +
               webhook("hook", hook, f'secret-file = "{secret}"'))
    domain.json("cert", "add", "www.test.example", "--no-wait")
    domain.json("cert", "add", "m.test.example", "--issuer", "manual", "--no-wait")
    domain.cli("cert", "archive", "www.test.example")
    domain.cli("cert", "archive", "www.test.example", "--undo")
    domain.cli("cert", "delete", "www.test.example")
    wanted = ["ca.created", "credential.issued", "credential.waiting", "credential.archived",
              "credential.restored", "credential.deleted"]
    wait_for(lambda: set(wanted) <= set(hook.kinds()), 10, "the webhook to get all")
    wait_for(lambda: set(wanted) <= {x["event"]["event"] for x in lines(taken)}, 20,
             "the command to get all")
    fits(hook.events)
    fits([x["event"] for x in lines(taken)])
    wait_for(lambda: [e["id"] for e in hook.events] == [x["event"]["id"] for x in lines(taken)], 10,
             "both to have the same")
    issued = hook.of("credential.issued")[0]
    assert issued["object"]["name"] == "www.test.example" and issued["data"]["generation"] == 1
    assert issued["domain"] == "test.example" and issued["data"]["new_key"] is True
    for headers, body, event in zip(hook.headers, hook.bodies, hook.events):
        assert signature_is_good(b"correct horse battery staple", headers, body)
        assert headers["certherd-event"] == event["event"]
        assert headers["certherd-event-id"] == event["id"]
        assert headers["content-type"] == "application/json"
    for one in lines(taken):
        assert one["argv"][1:] == [str(taken)]
        assert "www.test.example" not in " ".join(one["env"].values())
        assert "correct horse" not in json.dumps(one)
    # The same in the list, and nothing is behind.
    wait_for(lambda: [r["behind"] for r in domain.json("events")["receivers"]] == [0, 0], 10, "both to be done")
    listed = domain.json("events")["events"]
    assert [e["id"] for e in hook.events] == [e["id"] for e in listed][-len(hook.events):]


def test_receiver_down_and_back(domain, receiver):
    """What came meanwhile arrives in order when the receiver is back; status says that it is away."""
    hook = receiver()
    port = hook.port
    configured(domain, webhook("hook", hook))
    domain.json("cert", "add", "a.test.example", "--no-wait")
    wait_for(lambda: hook.of("credential.issued"), 10, "the first event")
    hook.close()
    for name in "bcd":
        domain.json("cert", "add", f"{name}.test.example", "--no-wait")
    wait_for(lambda: any("'hook'" in t for t in domain.json("status")["troubles"]), 10, "trouble")
    back = receiver(port=port)
    wait_for(lambda: len(back.of("credential.issued")) == 3, 20, "the others")
    names = [e["object"]["name"][0] for e in hook.of("credential.issued") + back.of("credential.issued")]
    assert names == list("abcd")
    fits(hook.events + back.events)
    wait_for(lambda: not domain.json("status")["troubles"], 10, "no trouble any more")


def test_manager_killed_with_events_pending(domain, receiver):
    """Nothing is lost by kill -9, and what had been taken does not come again."""
    hook = receiver()
    port = hook.port
    configured(domain, webhook("hook", hook))
    domain.json("cert", "add", "a.test.example", "--no-wait")
    wait_for(lambda: domain.json("events")["receivers"][0]["behind"] == 0 and
             hook.of("credential.issued"), 10, "the first event")
    hook.close()
    for name in "bcdef":
        domain.json("cert", "add", f"{name}.test.example", "--no-wait")
    domain.server.kill()
    back = receiver(port=port)
    domain.server.start()
    wait_for(lambda: len(back.of("credential.issued")) == 5, 20, "the others")
    names = [e["object"]["name"][0] for e in hook.of("credential.issued") + back.of("credential.issued")]
    assert names == list("abcdef")
    fits(hook.events + back.events)


def test_manager_killed_while_a_command_runs(domain):
    """What was under way comes a second time, with the same id; nothing else does, and all in order."""
    taken = domain.folder / "taken"
    slow = script(domain, "slow", TAKE.replace("event = sys.stdin.read()",
                                               "event = sys.stdin.read()\nimport time\ntime.sleep(0.4)"))
    configured(domain, command("slow", slow, taken, extra='kinds = {"credential.issued"}'))
    for name in "abcdef":
        domain.json("cert", "add", f"{name}.test.example", "--no-wait")
    for count in (1, 2, 3):
        wait_for(lambda: len(lines(taken)) >= count, 20, "some to be taken")
        domain.server.kill()
        domain.server.start()
    wait_for(lambda: [x for x in lines(taken) if x["event"]["object"]["name"][0] == "f"], 40, "the last")
    ids = [x["event"]["id"] for x in lines(taken)]
    once = list(dict.fromkeys(ids))
    assert [x["event"]["object"]["name"][0] for x in sorted(
        {x["event"]["id"]: x for x in lines(taken)}.values(), key=lambda x: x["event"]["number"])] == list("abcdef")
    assert len(once) == 6 and len(ids) <= 6 + 3, "one double for each kill at the most"


@pytest.mark.parametrize("mode", ["endless", "redirect", "slow", "deaf", "garbage", "cut"])
def test_hostile_receiver(domain, receiver, mode):
    """It holds up nobody: not the API, not another receiver, not the end of the manager."""
    bad, good = receiver(mode=mode), receiver()
    configured(domain, webhook("bad", bad, "timeout = 2s") + webhook("good", good))
    for name in "abc":
        begun = time.monotonic()
        domain.json("cert", "add", f"{name}.test.example", "--no-wait")
        assert time.monotonic() - begun < 5
    wait_for(lambda: len(good.of("credential.issued")) == 3, 10, "the good one to get all")
    wait_for(lambda: bad.tries >= 2, 20, "the bad one to be asked again")
    trouble = wait_for(lambda: [t for t in domain.json("status")["troubles"] if "'bad'" in t], 10, "trouble")
    print(trouble)
    # It becomes good, and gets everything from the first on.
    bad.mode = "plain"
    wait_for(lambda: len(bad.of("credential.issued")) == 3, 60, "the bad one to get all")
    fits(bad.events)
    wait_for(lambda: [e["id"] for e in good.events] == [e["id"] for e in bad.events], 10, "both to have the same")


def test_commands_that_misbehave(domain):
    """One hangs, with children; one fails; one prints without end; one is not there."""
    tag = f"sleep-{os.getpid()}"
    hang = script(domain, "hang", f"#!/bin/sh\n(exec -a {tag} sleep 1000) &\nwait\n".replace(
        "#!/bin/sh", "#!/bin/bash"))
    fail = script(domain, "fail", "#!/bin/sh\necho 'no \033[31mmail' >&2\nexit 3\n")
    loud = script(domain, "loud", "#!/bin/sh\nyes | head -c 3000000\nexit 4\n")
    taken = domain.folder / "taken"
    configured(domain, command("hang", hang, extra="timeout = 1s") + command("fail", fail) +
               command("loud", loud) + command("none", domain.folder / "nothing") +
               command("good", script(domain, "take", TAKE), taken))
    domain.json("cert", "add", "a.test.example", "--no-wait")
    wait_for(lambda: [x for x in lines(taken) if x["event"]["event"] == "credential.issued"], 20,
             "the good one")

    def troubles():
        found = {r["name"]: r["trouble"] for r in domain.json("events")["receivers"]}
        return found if all(found[n] for n in ("hang", "fail", "loud", "none")) else None

    found = wait_for(troubles, 20, "all of them in trouble")
    assert "ended after 1 s" in found["hang"]
    assert "exit status 3: no \\x1b[31mmail" in found["fail"]
    assert "exit status 4: y" in found["loud"]
    assert "cannot execute" in found["none"]
    assert found["good"] is None

    def no_children():
        ps = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        return tag not in ps.stdout

    # Told to go, what it has started goes with it; asked again it comes again, so look between.
    domain.server.stop()
    wait_for(no_children, 10, "its children to be gone")


def test_refused_event_is_left_out(domain, receiver):
    """A receiver that will never take one event gets the next after a few tries."""
    hook = receiver(status=422)
    configured(domain, webhook("hook", hook, 'kinds = {"credential.*"}'))
    domain.json("cert", "add", "a.test.example", "--no-wait")
    wait_for(lambda: domain.json("events")["receivers"][0]["refused"] == 1, 60, "it to be left out")
    hook.status = 204
    domain.json("cert", "add", "b.test.example", "--no-wait")
    wait_for(lambda: hook.of("credential.issued"), 10, "the next")
    assert [e["object"]["name"] for e in hook.of("credential.issued")] == ["b.test.example"]


def test_only_some_kinds(domain, receiver):
    hook = receiver()
    configured(domain, webhook("hook", hook, 'kinds = {"ca.*", "credential.deleted"}'))
    for name in "abcdefghijklmnopqrst":
        domain.json("cert", "add", f"{name}.test.example", "--no-wait")
    domain.cli("cert", "delete", "a.test.example")
    wait_for(lambda: hook.of("credential.deleted"), 10, "the last")
    assert hook.kinds() == ["ca.created", "credential.deleted"]
    # And what was left out does not come after a restart.
    domain.restart_server()
    domain.cli("cert", "delete", "b.test.example")
    wait_for(lambda: len(hook.of("credential.deleted")) == 2, 10, "the last")
    assert hook.kinds() == ["ca.created", "credential.deleted", "credential.deleted"]


def test_roots_for_outgoing(domain, receiver):
    """A receiver with a certificate of a CA of one's own is believed when its root is trusted for it,
    from the next try on, and not for anything else."""
    stranger = raw.Stranger(domain.folder)
    root = domain.folder / "receiver.root.pem"
    root.write_bytes(stranger.cert.public_bytes(serialization.Encoding.PEM))
    hook = receiver(identity=stranger.leaf("localhost"))
    configured(domain, webhook("hook", hook))
    domain.cli("trust", "add", root, "--for", "completion,client")

    def trouble():
        return domain.json("events")["receivers"][0]["trouble"]

    assert "certificate" in wait_for(trouble, 10, "trouble")
    assert not hook.events
    domain.cli("trust", "add", root, "--for", "outgoing")
    wait_for(lambda: hook.of("trust.added"), 30, "the event")
    assert not trouble()
    domain.cli("trust", "remove", "stranger")
    assert "certificate" in wait_for(trouble, 10, "trouble again")


def test_secret_file_that_others_can_read(domain, receiver):
    """Nothing is sent with it, the text says what to do, and it is read anew."""
    secret = domain.folder / "webhook.secret"
    secret.write_text("x" * 32)
    secret.chmod(0o644)
    hook = receiver()
    configured(domain, webhook("hook", hook, f'secret-file = "{secret}"'))
    domain.json("cert", "add", "a.test.example", "--no-wait")
    trouble = wait_for(lambda: domain.json("events")["receivers"][0]["trouble"], 10, "trouble")
    assert "chmod" in trouble and hook.tries == 0
    checked = domain.run("certherd-server", "--config", domain.folder / "server.conf", "--check-config")
    assert checked.status != 0 and "chmod" in checked.err
    secret.chmod(0o600)
    wait_for(lambda: hook.of("credential.issued"), 20, "the event")
    assert all(signature_is_good(b"x" * 32, h, b) for h, b in zip(hook.headers, hook.bodies))


def test_configuration_is_checked(domain):
    cases = [
        ('events "a" { }', "either command or webhook"),
        ('events "a" { command = {"/bin/true"}\n webhook = "https://x" }', "either command or webhook"),
        ('events "a" { command = {"mail"} }', "absolute path"),
        ('events "a" { webhook = "ftp://x" }', "does not begin with https://"),
        ('events "a" { webhook = "https://user:pass@x/" }', "secret-file"),
        ('events "a" { webhook = "https://x/"\n kinds = {"credential.expirign"} }', "no event is called"),
        ('events "a" { command = {"/nowhere/at/all"} }', "is not there"),
        ('events "a" { webhook = "https://x/"\n secret-file = "/nowhere" }', "/nowhere"),
    ]
    conf = domain.folder / "bad.conf"
    for text, wanted in cases:
        conf.write_text(text + "\n")
        answer = domain.run("certherd-server", "--config", conf, "--check-config")
        assert answer.status != 0 and wanted in answer.err, (text, answer)
    conf.write_text('events "a" { command = {"/bin/true", "x"}\n kinds = {"node.*"} }\n')
    assert domain.run("certherd-server", "--config", conf, "--check-config").status == 0


def test_test_event_and_follow(domain, receiver):
    hook = receiver()
    assert "Nobody is told" in domain.cli("events").out
    configured(domain, webhook("hook", hook))
    answer = domain.cli("events", "test")
    assert "hook: taken" in answer.out and hook.of("events.test")
    fits(hook.events)
    hook.status = 500
    answer = domain.cli("events", "test", "--wait", "1s", status=1)
    assert "hook: not taken: it answers with status 500" in answer.out
    hook.status = 200
    follower = subprocess.Popen([*follow_words(domain)], stdout=subprocess.PIPE, text=True)
    try:
        first = json.loads(follower.stdout.readline())
        CHECKER.validate(first)
        domain.json("cert", "add", "a.test.example", "--no-wait")
        seen = [first]
        while seen[-1]["event"] != "credential.issued":
            seen.append(json.loads(follower.stdout.readline()))
        fits(seen)
    finally:
        follower.send_signal(signal.SIGTERM)
        follower.wait()
        follower.stdout.close()


def follow_words(domain):
    from process import program
    return [program("certherd"), "events", "--follow", "--json", "--data", str(domain.data)]


def import_one(domain, name, begin, end):
    """A certificate with its key, from `begin` to `end` seconds from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(seconds=begin))
            .not_valid_after(now + datetime.timedelta(seconds=end))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
            .sign(key, hashes.SHA256()))
    path = domain.folder / f"{name}.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) +
                     cert.public_bytes(Encoding.PEM))
    domain.cli("cert", "import", path, "--name", name)


def test_expiring_is_told_once_for_each_threshold(domain, receiver):
    """Below a third, below a sixth, over: one event each, also when the manager was killed."""
    hook = receiver()
    configured(domain, webhook("hook", hook, 'kinds = {"credential.expiring", "credential.expired"}'))
    day = 86400
    import_one(domain, "third.test.example", -80 * day, 20 * day)
    import_one(domain, "sixth.test.example", -90 * day, 10 * day)
    import_one(domain, "good.test.example", -50 * day, 50 * day)
    import_one(domain, "soon.test.example", -24, 16)
    wait_for(lambda: len(hook.events) >= 2, 20, "those that expire already")
    domain.server.kill()
    domain.server.start()
    wait_for(lambda: hook.of("credential.expired"), 40, "one to run out")
    domain.restart_server()
    wait_for(lambda: domain.json("status")["certs"]["expired"] == 1, 10, "it to be known")
    told = {}
    for event in hook.events:
        told.setdefault(event["object"]["name"].split(".")[0], []).append(
            (event["event"].split(".")[1], event["data"]["days_left"]))
    assert told["third"] in ([("expiring", 19)], [("expiring", 20)])
    assert told["sixth"] in ([("expiring", 9)], [("expiring", 10)])
    assert told["soon"][-1] == ("expired", 0)
    assert 1 <= told["soon"].count(("expiring", 0)) <= 2 and len(told["soon"]) <= 3
    assert "good" not in told
    fits(hook.events)


def test_nodes_that_come_and_go(domain, receiver):
    """Joined, silent, not serving, back, removed: each is told once, whatever happens meanwhile."""
    hook = receiver()
    configured(domain, webhook("hook", hook), top="node-stale-after = 2s")
    for name in ("web1", "web2"):
        domain.replica(name)
    domain.add("a.test.example", ["web1", "web2"])
    wait_for(lambda: len(hook.of("node.joined")) == 2, 10, "both to have joined")
    assert not hook.of("node.stale")
    domain.replicas["web2"].stop()
    wait_for(lambda: hook.of("node.stale"), 30, "web2 to be missed")
    domain.json("cert", "add", "b.test.example", "--access", "web1,web2", "--no-wait")
    domain.wait_served("web1", "b.test.example")
    wait_for(lambda: hook.of("credential.not_served"), 60, "what it does not serve")
    # The next manager does not tell it again.
    domain.restart_server()
    wait_for(lambda: hook.of("manager.started")[1:], 10, "the next start")
    domain.replicas["web2"].start()
    wait_for(lambda: hook.of("node.fresh_again"), 20, "web2 to be back")
    wait_for(lambda: hook.of("credential.served_again"), 60, "all to be served")
    domain.replicas["web1"].stop()
    domain.cli("node", "remove", "web1")
    wait_for(lambda: hook.of("node.removed"), 10, "web1 to be removed")
    assert [e["object"]["name"] for e in hook.of("node.stale")][:1] == ["web2"]
    assert [e["object"]["name"] for e in hook.of("node.fresh_again")] == ["web2"]
    assert [e["object"]["name"] for e in hook.of("credential.not_served")] == ["b.test.example"]
    assert [e["object"]["name"] for e in hook.of("credential.served_again")] == ["b.test.example"]
    fits(hook.events)


def test_a_full_outbox(domain, receiver):
    """Of more than 10,000 the least important go, and how many is told."""
    hook = receiver(status=500)
    configured(domain, webhook("hook", hook))
    domain.json("cert", "add", "m.test.example", "--issuer", "manual", "--no-wait")
    database = sqlite3.connect(domain.data / "server/store.db")
    domain.server.stop()
    with database:
        database.execute("DELETE FROM event WHERE kind = 'events.test'")
        body = json.dumps({"id": "0" * 32, "event": "events.test", "level": "info", "text": "x"})
        database.executemany("INSERT INTO event (level, kind, body, lost) VALUES (0, 'events.test', ?, 0)",
                             [(body.encode(),)] * 10200)
    database.close()
    domain.server.start()
    lost = wait_for(lambda: [e for e in domain.json("events")["events"] if e["event"] == "events.lost"], 20,
                    "what was dropped")
    listed = domain.json("events")
    assert lost[0]["lost"] >= 200
    hook.status = 200
    wait_for(lambda: hook.of("credential.waiting"), 30, "the important one, which is the oldest")
    assert listed["receivers"][0]["behind"] > 10000


def test_signer_dies(domain, receiver):
    hook = receiver()
    configured(domain, webhook("hook", hook, 'kinds = {"signer.*"}'))
    signer = domain.server.children()[0]
    os.kill(signer, signal.SIGKILL)
    wait_for(lambda: hook.kinds() == ["signer.lost", "signer.back"], 20, "its end and its return")
    fits(hook.events)


class MailServer:
    """Takes mail on loopback, or refuses its recipients."""

    def __init__(self):
        self.answer, self.mails = b"250 ok", []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb", buffering=0) as wire:
                self._talk(wire)

    def _talk(self, wire):
        wire.write(b"220 mail\r\n")
        while line := wire.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                wire.write(b"354 go on\r\n")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    mail += wire.readline()
                self.mails.append(mail.decode())
                wire.write(b"250 ok\r\n")
            elif verb == b"QUIT":
                wire.write(b"221 bye\r\n")
                return
            else:
                wire.write((self.answer if verb == b"RCPT" else b"250 ok") + b"\r\n")


def test_mail_example(domain):
    """deploy/examples/events/mail-event as a receiver; a recipient that is refused for good is left out."""
    mail = MailServer()
    example = ROOT / "deploy/examples/events/mail-event"
    configured(domain, command("mail", example, "admin@test.example", "certherd@test.example",
                               f"127.0.0.1:{mail.port}", extra='kinds = {"credential.issued"}'))
    domain.json("cert", "add", "a.test.example", "--no-wait")
    wait_for(lambda: mail.mails, 20, "the mail")
    event = [e for e in domain.json("events")["events"] if e["event"] == "credential.issued"][0]
    assert "To: admin@test.example" in mail.mails[0] and event["text"] in mail.mails[0].replace("\r\n ", " ")
    assert f"Message-ID: <{event['id']}@certherd.test.example>" in mail.mails[0]
    mail.answer = b"550 no such user"
    domain.json("cert", "add", "b.test.example", "--no-wait")
    wait_for(lambda: domain.json("events")["receivers"][0]["refused"] == 1, 60, "it to be left out")
    mail.close()
    domain.json("cert", "add", "c.test.example", "--no-wait")

    def trouble():
        return domain.json("events")["receivers"][0]["trouble"]

    wait_for(lambda: "exit status 1: 127.0.0.1" in trouble(), 20, "trouble of another kind")
