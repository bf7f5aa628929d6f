"""Keys and certificates of a credential that follow each other: older ones, rekey, changes."""


NAME = "www.test.example"


def generations(domain, name=NAME):
    """Number to what the command says of it."""
    return {g["number"]: g for g in domain.json("cert", "generations", name)["generations"]}


def states(domain, name=NAME):
    return {number: g["state"] for number, g in generations(domain, name).items()}


def test_older_ones(pair):
    """An older one comes back within a moment on every node; what is put away nobody opens."""
    pair.add(NAME, ["web1", "web2"])
    leaf = pair.wait_served("web1", NAME)
    pair.cli("cert", "renew", NAME, "--new-key")
    second = pair.wait_served("web1", NAME, other_than=leaf)
    assert states(pair) == {1: "older", 2: "in force"}
    assert generations(pair)[1]["key"] != generations(pair)[2]["key"]
    said = pair.cli("cert", "activate", NAME, 1)
    assert "generation 1" in said.out and "served by 2 of 2" in said.out
    for node in ("web1", "web2"):
        assert pair.fetch(node, NAME).fingerprint == leaf
    assert states(pair) == {1: "in force", 2: "older"}
    assert "in force already" in pair.cli("cert", "activate", NAME, 1, status=1).err
    assert "is in force" in pair.cli("cert", "archive", NAME, "--generation", 1, status=1).err
    assert "no generation 9" in pair.cli("cert", "activate", NAME, 9, status=1).err
    assert "count from 1" in pair.cli("cert", "activate", NAME, "last", status=2).err
    pair.cli("cert", "archive", NAME, "--generation", 2)
    assert states(pair)[2] == "archived" and generations(pair)[2]["archived"]
    assert pair.fetch("web1", NAME).fingerprint == leaf
    # From the archive it comes back too, sealed to the servers again.
    pair.cli("cert", "activate", NAME, 2)
    assert pair.wait_served("web2", NAME, second) == second
    table = pair.cli("cert", "generations", NAME).out.splitlines()
    assert table[1].split()[:3] == ["2", "in", "force"] and table[2].split()[:2] == ["1", "older"]
    pair.agree()


def test_access_is_taken_from_older_ones(pair):
    """Who has lost access does not get back to an older key, and who has it still does."""
    pair.add(NAME, ["web1", "web2"])
    leaf = pair.wait_served("web2", NAME)
    pair.cli("cert", "renew", NAME, "--new-key")
    pair.cli("cert", "access", NAME, "--remove", "web1")
    pair.wait_refused("web1", NAME)
    pair.cli("cert", "activate", NAME, 1)
    assert pair.wait_served("web2", NAME, leaf) == leaf
    assert not pair.fetch("web1", NAME).ok
    assert "not among the servers" in pair.json("why-not", "web1", NAME)["why"]
