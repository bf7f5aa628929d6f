"""What the API answers is what docs/openapi.yaml says."""

import base64
import pathlib
import subprocess

import yaml
from api import Api
from process import wait_for

SPEC = yaml.safe_load((pathlib.Path(__file__).resolve().parents[2] / "docs/openapi.yaml").read_text())
CERT = "www.test.example"
TYPES = {bool: "boolean", int: "integer", str: "string", type(None): "null"}


def foreign_root():
    """A root certificate of nobody here, as the API takes it."""
    der = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", "/dev/null", "-subj", "/CN=Corporate Root", "-outform", "DER"],
        check=True, capture_output=True).stdout
    return base64.b64encode(der).decode()


# Each address and method that answers with one object, in an order in which they can be asked.
CALLS = [
    ("GET", "/v1/root", "/v1/root", None),
    ("GET", "/v1/status", "/v1/status", None),
    ("POST", "/v1/events/test", "/v1/events/test", {}),
    ("GET", "/v1/events", "/v1/events?limit=1000", None),
    ("POST", "/v1/tokens", "/v1/tokens", {"name": "web9"}),
    ("GET", "/v1/tokens", "/v1/tokens", None),
    ("DELETE", "/v1/tokens/{name}", "/v1/tokens/web9", None),
    ("GET", "/v1/nodes", "/v1/nodes", None),
    ("GET", "/v1/nodes/{name}", "/v1/nodes/web1", None),
    ("POST", "/v1/groups", "/v1/groups", {"name": "g", "members": ["web1"]}),
    ("GET", "/v1/groups", "/v1/groups", None),
    ("GET", "/v1/groups/{name}", "/v1/groups/g", None),
    ("PUT", "/v1/groups/{name}/members/{node}", "/v1/groups/g/members/web2", None),
    ("DELETE", "/v1/groups/{name}/members/{node}", "/v1/groups/g/members/web2", None),
    ("DELETE", "/v1/groups/{name}", "/v1/groups/g", None),
    ("POST", "/v1/certs", "/v1/certs", {"names": [CERT], "access": ["web1", "web2"]}),
    ("POST", "/v1/certs", "/v1/certs", {"names": ["m.example"], "issuer": "manual"}),
    ("GET", "/v1/certs", "/v1/certs", None),
    ("GET", "/v1/certs/{name}", "/v1/certs/" + CERT, None),
    ("GET", "/v1/certs/{name}", "/v1/certs/m.example", None),
    ("GET", "/v1/certs/{name}/chain", f"/v1/certs/{CERT}/chain", None),
    ("PUT", "/v1/certs/{name}/checks", f"/v1/certs/{CERT}/checks", {"add": ["127.0.0.1:1"]}),
    ("POST", "/v1/certs/{name}/check", f"/v1/certs/{CERT}/check", {}),
    ("GET", "/v1/certs/{name}", "/v1/certs/" + CERT, None),
    ("PUT", "/v1/certs/{name}/preferred-root", f"/v1/certs/{CERT}/preferred-root", {"root": "CN"}),
    ("GET", "/v1/certs/{name}/csr", "/v1/certs/m.example/csr", None),
    ("POST", "/v1/certs/{name}/submitted", "/v1/certs/m.example/submitted", None),
    ("POST", "/v1/certs/{name}/submit", "/v1/certs/m.example/submit", {"new_key": True}),
    ("POST", "/v1/certs/{name}/renew", f"/v1/certs/{CERT}/renew", {}),
    ("POST", "/v1/certs/{name}/change", f"/v1/certs/{CERT}/change", {"add_names": ["w.example"]}),
    ("POST", "/v1/certs/{name}/change", f"/v1/certs/{CERT}/change", {"add_names": ["w.example"]}),
    ("POST", "/v1/certs/{name}/export", f"/v1/certs/{CERT}/export", {}),
    ("GET", "/v1/certs/{name}/generations", f"/v1/certs/{CERT}/generations", None),
    ("POST", "/v1/certs/{name}/generations/{number}/activate",
     f"/v1/certs/{CERT}/generations/1/activate", None),
    ("POST", "/v1/certs/{name}/generations/{number}/archive",
     f"/v1/certs/{CERT}/generations/2/archive", None),
    ("POST", "/v1/certs/{name}/revoke", f"/v1/certs/{CERT}/revoke",
     {"generation": 2, "reason": "superseded"}),
    ("POST", "/v1/certs/{name}/rekey", f"/v1/certs/{CERT}/rekey", {"reason": "revoke"}),
    ("PUT", "/v1/certs/{name}/access", f"/v1/certs/{CERT}/access", {"remove": ["web2"]}),
    ("GET", "/v1/managers", "/v1/managers", None),
    ("POST", "/v1/imports", "/v1/imports",
     {"imports": [{"certificates": ["AA=="], "nonce": "00" * 16, "sealed": "AA=="}]}),
    ("GET", "/v1/explain", f"/v1/explain?name={CERT}&node=web1", None),
    ("GET", "/v1/who-can-read", f"/v1/who-can-read?cert={CERT}", None),
    ("GET", "/v1/why-not", f"/v1/why-not?cert={CERT}&node=web1", None),
    ("POST", "/v1/exposures", "/v1/exposures", {"node": "web1"}),
    ("GET", "/v1/exposures", "/v1/exposures", None),
    ("POST", "/v1/certs/{name}/archive", f"/v1/certs/{CERT}/archive", {"archived": True}),
    ("DELETE", "/v1/certs/{name}", f"/v1/certs/{CERT}", None),
    ("POST", "/v1/cas", "/v1/cas", {"name": "inner"}),
    ("GET", "/v1/cas", "/v1/cas", None),
    ("PUT", "/v1/cas/{name}", "/v1/cas/inner",
     {"address": "http://pki.test", "state": "enabled", "default": True}),
    ("GET", "/v1/cas/{name}", "/v1/cas/default", None),
    ("GET", "/v1/cas/{name}/crl", "/v1/cas/default/crl", None),
    ("POST", "/v1/cas/{name}/renew", "/v1/cas/inner/renew", {"new_key": True}),
    ("GET", "/v1/cas/{name}", "/v1/cas/inner.1", None),
    ("POST", "/v1/trust", "/v1/trust",
     lambda: {"certificates": [foreign_root()], "label": "corporate"}),
    ("GET", "/v1/trust", "/v1/trust", None),
    ("GET", "/v1/trust/{name}", "/v1/trust/corporate", None),
    ("DELETE", "/v1/trust/{name}", "/v1/trust/corporate", None),
    ("GET", "/v1/settings", "/v1/settings", None),
    ("PUT", "/v1/settings/{name}", "/v1/settings/lifetime", {"value": "30d"}),
    ("GET", "/v1/settings/{name}", "/v1/settings/lifetime", None),
    ("DELETE", "/v1/settings/{name}", "/v1/settings/lifetime", None),
    ("PUT", "/v1/settings/default-access", "/v1/settings/default-access", {"access": ["web1"]}),
    ("GET", "/v1/settings/default-access", "/v1/settings/default-access", None),
    ("DELETE", "/v1/nodes/{name}", "/v1/nodes/web2", None),
]
# A stream, and those that need the work of another side.
OTHERS = {("GET", "/v1/watch"), ("POST", "/v1/join"), ("POST", "/v1/certs/{name}/paste"),
          ("POST", "/v1/certs/{name}/chain")}


def resolve(schema):
    while "$ref" in schema:
        found = SPEC
        for step in schema["$ref"].lstrip("#/").split("/"):
            found = found[step]
        schema = found
    if "allOf" not in schema:
        return schema
    parts = [resolve(part) for part in schema["allOf"]]
    return {"properties": {k: v for part in parts for k, v in part["properties"].items()}}


def differences(schema, value, at):
    """Members that are not documented, and values of another type or outside their enum."""
    schema = resolve(schema)
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for key, member in value.items():
            if key in known or rest is not None:
                yield from differences(known.get(key, rest), member, f"{at}.{key}")
            else:
                yield f"{at}.{key} is not documented"
    elif isinstance(value, list):
        for item in value:
            yield from differences(schema.get("items", {}), item, at + "[]")
    elif value is None:
        if not schema.get("nullable"):
            yield f"{at} is null"
    elif TYPES[type(value)] != schema.get("type", TYPES[type(value)]):
        yield f"{at} is a {TYPES[type(value)]}"
    elif value not in schema.get("enum", [value]):
        yield f"{at} is {value}"


def test_every_answer_is_documented(pair):
    api = Api(str(pair.data / "server/api.sock"))
    wrong = []
    wait_for(lambda: pair.json("status")["nodes"]["connected"] == 2, 10, "both replicas")
    for method, address, path, body in CALLS:
        answer = SPEC["paths"][address][method.lower()]["responses"]["200"]
        schema = resolve(answer)["content"]["application/json"]["schema"]
        body = body() if callable(body) else body
        wrong += differences(schema, api.ask(method, path, body), f"{method} {address}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_every_address_is_asked():
    documented = {(method.upper(), address) for address, methods in SPEC["paths"].items()
                  for method in methods if method in ("get", "post", "put", "delete")}
    assert documented == {(method, address) for method, address, _, _ in CALLS} | OTHERS
