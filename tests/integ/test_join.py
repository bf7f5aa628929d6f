"""Joining: what works, and each way in which it must not (AT-22)."""

import base64
import concurrent.futures
import json
import re
import threading

import pytest
from domain import Domain
from process import wait_for
from records import fields
from raw import tls

PREFIX = "certherd-join-1."


def unpack(token):
    assert token.startswith(PREFIX)
    body = token[len(PREFIX):]
    return bytearray(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def pack(body):
    return PREFIX + base64.urlsafe_b64encode(bytes(body)).rstrip(b"=").decode()


def with_changed(token, field):
    """The token with one bit of a bytes field changed."""
    body = unpack(token)
    value = fields(bytes(body))[field][0]
    at = bytes(body).index(value)
    body[at] ^= 1
    return pack(body)


def node_names(domain):
    return sorted(n["name"] for n in domain.json("node", "list")["nodes"])


def test_join_works_and_gives_access_to_nothing(domain):
    domain.add("www.test.example", [])
    domain.replica("web1")
    assert "web1" in node_names(domain)
    domain.in_step("web1")
    assert not domain.fetch("web1", "www.test.example").ok


def test_token_needs_no_escape_and_is_read_from_standard_input(domain):
    token = domain.token("web1")
    assert re.fullmatch(r"certherd-join-1\.[A-Za-z0-9_-]+", token)
    result = domain.run("certherd-replica", "join", "--token-file", "-", "--data",
                        domain.folder / "web1", stdin=token + "\n")
    assert result.status == 0, result


def test_token_is_kept_nowhere(domain):
    """Not in the server's files, its log or the arguments of a process; the secret's hash is."""
    token = domain.token("web1")
    secret = fields(bytes(unpack(token)))[2][0]
    domain.join("web1", token)
    for path in [*domain.data.rglob("*"), *domain.logs.iterdir(),
                 *(domain.folder / "web1").rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            for form in (secret, secret.hex().encode(), token.encode()):
                assert form not in content, path


@pytest.mark.parametrize("change", ["wrong secret", "wrong root", "unknown id", "cut", "no token"])
def test_bad_tokens(domain, change):
    token = domain.token("web1")
    bad = {"wrong secret": lambda: with_changed(token, 2), "wrong root": lambda: with_changed(token, 3),
           "unknown id": lambda: with_changed(token, 1), "cut": lambda: token[:-12],
           "no token": lambda: "hello"}[change]()
    result = domain.join("web1", bad, status=1)
    assert "token" in result.err or "root" in result.err, result
    assert "web1" not in node_names(domain)
    # The good one still works: a wrong try does not spend it.
    domain.join("web1", token)


def test_used_token(domain):
    token = domain.token("web1")
    domain.join("web1", token)
    result = domain.join("web1", token, data=domain.folder / "other", status=1)
    assert "used" in result.err or "token" in result.err, result


def test_expired_token(domain):
    token = domain.token("web1", "--ttl", "1s")
    wait_for(lambda: not any(t["name"] == "web1" for t in domain.json("node", "tokens")["tokens"]),
             10, "the token to run out")
    result = domain.join("web1", token, status=1)
    assert "token" in result.err, result


def test_token_of_another_domain(make_domain):
    """The root's fingerprint is compared before anything secret is sent."""
    one, two = make_domain("one.example"), make_domain("two.example")
    for domain in (one, two):
        domain.init("--no-replica")
        domain.start_server()
    ours, theirs = bytes(unpack(one.token("web1"))), fields(bytes(unpack(two.token("web1"))))
    endpoint, other = fields(ours)[5][0], theirs[5][0]
    assert len(endpoint) == len(other)
    result = one.join("web1", pack(ours.replace(endpoint, other)), status=1)
    assert "root" in result.err, result
    assert "web1" not in node_names(two)


def test_taken_name(domain):
    first, second = domain.token("web1"), None
    domain.join("web1", first)
    answer = domain.cli("node", "token", "--name", "web1", status=None)
    if answer.status == 0:
        second = answer.out.strip()
        result = domain.join("web1", second, data=domain.folder / "other", status=1)
        assert "web1" in result.err, result
    else:
        assert "web1" in answer.err, answer


def test_a_name_is_free_after_removal_and_then_another_node(domain):
    domain.replica("web1")
    domain.add("www.test.example", ["web1"])
    domain.replicas["web1"].stop()
    domain.cli("node", "remove", "web1")
    domain.started.remove(domain.replicas.pop("web1"))
    domain.join("web1", data=domain.folder / "again")
    assert "web1" in node_names(domain)
    who = domain.cli("who-can-read", "www.test.example").out
    assert "web1" not in who, "a new node of an old name has the old one's access"


def test_a_hundred_joins_with_one_token(domain):
    """Exactly one of them wins."""
    token, start = domain.token("web1"), threading.Event()

    def join(i):
        start.wait()
        file = domain.folder / f"t{i}"
        file.write_text(token)
        file.chmod(0o600)
        return domain.run("certherd-replica", "join", "--token-file", file, "--data",
                          domain.folder / f"n{i}", timeout=120)

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        runs = [pool.submit(join, i) for i in range(100)]
        start.set()
        results = [run.result() for run in runs]
    won = [i for i, r in enumerate(results) if r.status == 0]
    assert len(won) == 1, [r for r in results if r.status not in (0, 1)] or won
    assert node_names(domain).count("web1") == 1


def test_join_again_with_the_same_keys(domain):
    """An answer that was lost on the way: the same keys get the same node again."""
    token = domain.token("web1")
    data = domain.folder / "web1"
    domain.join("web1", token)
    (data / "domain.json").unlink()
    domain.join("web1", token)
    assert node_names(domain).count("web1") == 1


def test_join_into_a_members_directory(domain):
    domain.join("web1")
    result = domain.join("web1", domain.token("web2"), data=domain.folder / "web1", status=1)
    assert "web1" in result.err or "member" in result.err, result


def test_manager_away(domain):
    token = domain.token("web1")
    domain.server.stop()
    result = domain.join("web1", token, status=1)
    assert "127.0.0.1" in result.err, result
    domain.server.start()
    domain.join("web1", token)


def test_root_is_public_and_nothing_else(domain):
    """On the public port, without a certificate: the root and the join request only."""
    def ask(path):
        with tls(domain.public) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]

    status, body = ask("/v1/root")
    assert status == 200 and json.loads(body)["domain"] == "test.example"
    for path in ("/v1/status", "/v1/nodes", "/v1/certs", "/v1/tokens", "/v1/watch", "/v1/cas"):
        assert ask(path)[0] == 403, path


def test_second_domain_in_the_same_directory(domain):
    again = Domain(domain.folder / "again", "test.example")
    again.data = domain.data
    secret = domain.folder / "passphrase"
    result = again.run("certherd", "init", "--domain", "x.example", "--data", domain.data,
                       "--passphrase-file", secret)
    assert result.status == 1 and "domain" in result.err, result


def test_manager_known_by_name(make_domain):
    """A follower finds its manager by the name that the token gave it."""
    domain = make_domain()
    domain.init("--no-replica", "--address", "localhost")
    domain.start_server("--advertise", "localhost:" + domain.address.split(":")[1])
    assert domain.json("status")["public"][0].startswith("localhost:")
    domain.replica("web1")
    domain.add("www.test.example", ["web1"])
