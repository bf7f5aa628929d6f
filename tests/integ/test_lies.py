"""A replica whose answers are bent on the way, by somebody who has the keys to do it: whatever is
wrong is refused and logged once with what it was, and the node serves on what it has."""

import re

import pytest
from between import Between, Delta, blocks, changed
from domain import free_port
from process import wait_for
from records import read_record


@pytest.fixture
def lied_to(domain):
    """A domain whose web1 reaches its manager only through domain.between."""
    domain.replica("web1")
    domain.add("www.test.example", ["web1"])
    domain.add("mail.test.example", ["web1"])
    domain.replicas["web1"].stop()
    domain.server.stop()
    known, domain.address = domain.address, f"127.0.0.1:{free_port()}"
    domain.started.remove(domain.server)
    domain.server = None
    domain.start_server()
    domain.between = Between(known, domain.data / "server", domain.address,
                             domain.folder / "web1", domain.folder)
    domain.replicas["web1"].start()
    domain.in_step()
    yield domain
    domain.between.close()


def records_changed(reply, number, back):
    """One bit of the body or of the signature of the first record."""
    delta = Delta.read(reply)
    return delta and changed(reply, delta.inside(delta.records[0], number)[1] - back)


def head_changed(reply, number):
    delta = Delta.read(reply)
    return delta and changed(reply, delta.inside(delta.head, number)[1] - 3)


def bodies_swapped(reply):
    """The signature of one record at another, of which all else is right."""
    delta = Delta.read(reply)
    if not delta or len(delta.records) < 2:
        return None
    one, two = (delta.inside(place, 2) for place in delta.records[:2])
    return replaced(reply, one, reply[slice(*two)]) if length(one) == length(two) \
        else changed(reply, one[0] + 8)


def length(place):
    return place[1] - place[0]


def replaced(data, place, new):
    assert len(new) == length(place)
    return data[:place[0]] + new + data[place[1]:]


def seal_moved(reply):
    """The seal of a record with one bit of the record id inside it changed: as one of another."""
    delta = Delta.read(reply)
    for place in delta.records if delta else ():
        start, end = delta.inside(place, 1)
        record = read_record(reply[start:end])
        if record.sealed:
            return changed(reply, reply.index(record.sealed, start) + 150)
    return None


LIES = {
    "changed body": (lambda r: records_changed(r, 1, 2), "record [0-9a-f]{32}"),
    "changed signature": (lambda r: records_changed(r, 2, 4), "record [0-9a-f]{32}"),
    "signature of another record": (bodies_swapped, "record [0-9a-f]{32}"),
    "changed seal": (seal_moved, "record [0-9a-f]{32}"),
    "changed head": (lambda r: head_changed(r, 1), "head"),
    "signature of the head": (lambda r: head_changed(r, 2), "head"),
    "noise": (lambda r: Delta.read(r) and b"\xff" * 200, ""),
}


def test_bent_answers(lied_to):
    for lie, (bend, names) in LIES.items():
        refused_and_served_on(lied_to, lie, bend, names)


def refused_and_served_on(domain, lie, bend, names, most=1):
    """Three times the same lie, at most so many lines of the log; then the truth is taken."""
    replica, bent = domain.replicas["web1"], []
    told_before = len(told(replica))
    before = domain.fetch("web1", "www.test.example").fingerprint

    def lying(reply):
        found = bend(reply)
        if found:
            bent.append(found)
        return found or reply

    domain.between.bend = lying
    domain.cli("cert", "renew", "www.test.example", "--no-wait")
    wait_for(lambda: len(bent) >= 3, 30, f"the replica to ask again and again: {lie}")
    assert domain.fetch("web1", "www.test.example").fingerprint == before, lie
    assert domain.fetch("web1", "mail.test.example").ok, lie
    lines = told(replica)[told_before:]
    assert 1 <= len(lines) <= most and "serving on" in lines[0], (lie, replica.tail())
    assert re.search(names, lines[0]), (lie, lines)
    domain.between.bend = None
    domain.wait_served("web1", "www.test.example", other_than=before, seconds=60)
    domain.in_step()


def told(replica):
    return [line for line in replica.log().splitlines() if "not applied" in line]


def test_older_state_replayed(lied_to):
    """Answers of before, given again for new questions: the node never goes back."""
    domain, kept = lied_to, []
    domain.between.bend = lambda reply: (kept.append(reply), reply)[1]
    before = domain.fetch("web1", "www.test.example").fingerprint
    domain.cli("cert", "renew", "www.test.example")
    old = domain.wait_served("web1", "www.test.example", other_than=before)
    domain.between.bend = None
    domain.cli("cert", "renew", "www.test.example")
    domain.wait_served("web1", "www.test.example", other_than=old)
    first = next(reply for reply in kept if Delta.read(reply))
    refused_and_served_on(domain, "replayed", lambda _: first, "behind the state here")


def test_withheld_record(lied_to):
    """A delta that lacks a record is not the state of its head: everything is fetched anew, and what
    is withheld then too is not missed in silence."""
    def withheld(reply):
        delta = Delta.read(reply)
        return delta and len(delta.records) > 1 and without_last_record(reply, delta)

    refused_and_served_on(lied_to, "withheld", withheld, "not that of the head", most=2)


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def without_last_record(reply, delta):
    start, end = delta.records[-1]
    field = b"\x12" + varint(end - start)
    message = delta.message
    at = message.rindex(field + reply[start:end])
    shorter = message[:at] + message[at + len(field) + end - start:]
    (_, whole_end), = blocks(1, reply)
    assert whole_end == len(reply)
    return b"\x0a" + varint(len(shorter)) + shorter
