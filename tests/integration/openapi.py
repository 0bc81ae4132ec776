"""What real nodes answer, held against the document that they serve at /v1/openapi.json: every status that it lists for
every path is provoked, every answer fits its schema, has nothing that is not described, and what is described has come.
"""
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import jsonschema

QUORATE = os.environ["QUORATE"]
ZEROS = 64 * "0"
NOT_PROVOKED = {
    # It takes a convicted replica, a damaged ledger, a successor chain, or a moment that passes.
    "Offence", "Conviction", "Misbehaviour", "Damaged", "Parent", "Status.parent", "Genesis.parent",
    "FinalTransaction.offence", "Stakes.replicas.conviction", "Verdict.penalty", "Verdict.free_at",
    "Mining.height", "Status.sealing", "Status.timer_ms", "Status.muted",
}


def fail(text):
    sys.exit("openapi: " + text)


def run(*args):
    done = subprocess.run([QUORATE, *args], capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"quorate {' '.join(args)}: {done.stderr}")
    return done.stdout


class Document:
    """The schemas as a strict reader takes them, and what of them has been seen."""

    def __init__(self, text):
        self.doc = json.loads(text)
        self.schemas = self.doc["components"]["schemas"]
        self.seen, self.answered = set(), set()
        self.close(self.doc)

    def close(self, node):
        """Nothing beyond what is described."""
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                node.setdefault("additionalProperties", False)
            for value in node.values():
                self.close(value)
        elif isinstance(node, list):
            for value in node:
                self.close(value)

    def validator(self, schema):
        return jsonschema.Draft202012Validator({"allOf": [schema], "components": self.doc["components"]})

    def note(self, schema, value, name):
        """Which properties have come, by the schema that describes them."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return self.note(self.schemas[name], value, name)
        for way in schema.get("oneOf", []) + schema.get("anyOf", []):
            if self.validator(way).is_valid(value):
                self.note(way, value, name)
        if isinstance(value, dict):
            self.seen.add(name)
            for key, inner in schema.get("properties", {}).items():
                if key in value:
                    if value[key] is not None:
                        self.seen.add(f"{name}.{key}")
                    self.note(inner, value[key], f"{name}.{key}")
        if isinstance(value, list) and "items" in schema:
            for one in value:
                self.note(schema["items"], one, name)

    def described(self, schema, name):
        if "properties" in schema:
            yield name
            for key, inner in schema["properties"].items():
                yield f"{name}.{key}"
                yield from self.described(inner, f"{name}.{key}")
        if isinstance(schema.get("items"), dict):
            yield from self.described(schema["items"], name)

    def judge(self, template, method, status, kind, body):
        op = self.doc["paths"][template][method]
        which = str(status) if str(status) in op["responses"] else "default"
        self.answered.add((template, method, which))
        where = f"{method} {template}: {status}"
        content = op["responses"][which].get("content", {})
        if not content:
            if body:
                fail(f"{where} has a body that is not described")
            return
        if kind.split(";")[0] not in content:
            fail(f"{where} is {kind}, which is not described")
        schema = content[kind.split(";")[0]]["schema"]
        if kind != "application/json":
            return
        self.fits(schema, json.loads(body), where)

    def fits(self, schema, value, where):
        error = jsonschema.exceptions.best_match(self.validator(schema).iter_errors(value))
        if error is not None:
            fail(f"{where}: {error.message[:500]} at {'/'.join(map(str, error.absolute_path))}: {str(value)[:1000]}")
        self.note(schema, value, where)

    def missing(self):
        for name, schema in self.schemas.items():
            for what in self.described(schema, name):
                if what not in self.seen and what not in NOT_PROVOKED and name not in NOT_PROVOKED:
                    yield f"{what} has not come"
        for path, item in self.doc["paths"].items():
            for method in ("get", "post"):
                for status in item.get(method, {}).get("responses", {}):
                    if status != "default" and (path, method, status) not in self.answered:
                        yield f"{method} {path} was never answered with {status}"


class Node:
    def __init__(self, document, url):
        self.document, self.url = document, url

    def ask(self, template, path=None, data=None, headers=None, expect=200):
        request = urllib.request.Request(self.url + (path or template), data=data, headers=headers or {})
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            kind = answer.headers.get("Content-Type", "")
            # Of what never ends, the first piece.
            body = answer.readline() if kind == "text/event-stream" else answer.read()
        if answer.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        method = "get" if data is None else "post"
        tag = answer.headers.get("ETag")
        if expect == 304 and answer.status == 200 and tag != headers["If-None-Match"]:  # it has changed meanwhile
            return self.ask(template, path, data, {**headers, "If-None-Match": tag}, expect)
        if answer.status != expect:
            fail(f"{method} {path or template}: {answer.status}, not {expect}: {body[:500]!r}")
        self.document.judge(template, method, answer.status, kind, body)
        if tag is not None and not (headers or {}).get("If-None-Match"):
            self.ask(template, path, None, {**(headers or {}), "If-None-Match": tag}, 304)
        return json.loads(body) if kind == "application/json" and answer.status != 304 else body

    def submit(self, *txs, query="", expect):
        request = {"transactions": list(txs)}
        if expect < 400:
            self.document.fits({"$ref": "#/components/schemas/Submission"}, request, "what is handed in")
        return self.ask("/v1/transactions", "/v1/transactions" + query, json.dumps(request).encode(),
                        {"Content-Type": "application/json"}, expect)


class Chain:
    def __init__(self, directory, *options):
        self.dir = directory
        said = json.loads(run("testnet", "up", "--dir", directory, "--base-port", "0", "--detach", "--json", *options))
        self.url = said["replicas"][0]["http"]
        self.made = 0

    def key(self, name):
        return f"{self.dir}/accounts/{name}.key"

    def address(self, name):
        return json.loads(run("key", "show", self.key(name), "--json"))["address"]

    def pay(self, amount):
        return json.loads(run("send", "--key", self.key("alice"), "--to", self.address("bob"), "--amount", str(amount),
                              "--memo", "hello", "--node", self.url, "--genesis", f"{self.dir}/genesis.json", "--json"))

    def signed(self, amount):
        """A payment that is not handed in: its hex."""
        self.made += 1
        made, signed = f"{self.dir}/made{self.made}.json", f"{self.dir}/signed{self.made}.json"
        run("tx", "make", "--from", self.key("alice"), "--to", self.address("bob"), "--amount", str(amount), "-o", made,
            "--node", self.url)
        run("tx", "sign", made, "--key", self.key("alice"), "-o", signed)
        return json.load(open(signed))["signed"]


def ask_pages(node):
    for path in ("/", "/verify", "/v1/openapi.json", "/v1/genesis"):
        node.ask(path)
        node.ask(path, headers={"Accept-Encoding": "gzip"})
    for path in ("/healthz", "/metrics", "/v1/status", "/v1/events"):
        node.ask(path)
    for path in ("/healthz", "/metrics", "/v1/openapi.json", "/v1/genesis", "/v1/status", "/v1/events", "/v1/stakes",
                 "/v1/blocks", "/v1/evidence"):
        said = node.ask(path, path + "?limt=1", expect=400)
        if "limt" not in said["error"]["message"]:
            fail(f"{path} does not name the key that it does not know")


def ask_blocks(node):
    listed = node.ask("/v1/blocks", "/v1/blocks?from=1&limit=1")
    if listed["height"] > 1 and listed["next"] != 2:
        fail(f"the next page is not named rightly: {listed}")
    if node.ask("/v1/blocks")["next"] is not None:
        fail("there is no page behind the newest blocks")
    node.ask("/v1/blocks", "/v1/blocks?limit=101", expect=400)
    block = "/v1/blocks/{height}"
    node.ask(block, "/v1/blocks/1")
    node.ask(block, "/v1/blocks/latest")
    node.ask(block, "/v1/blocks/first", expect=400)
    node.ask(block, "/v1/blocks/0", expect=404)
    said = node.ask(block, "/v1/blocks/1000000", expect=404)["error"]
    if f"the newest is {said['detail']['height']}" not in said["message"]:
        fail(f"a block that is not there: {said}")
    ids = block + "/transactions"
    node.ask(ids, "/v1/blocks/1/transactions")
    node.ask(ids, "/v1/blocks/1/transactions?wait=10", headers={"Accept": "application/octet-stream"})
    node.ask(ids, "/v1/blocks/1/transactions?wait=x", expect=400)
    node.ask(ids, "/v1/blocks/1000000/transactions?wait=1", expect=404)


def ask_transactions(chain, node):
    """Payments of every fate; the second of two that spend the same."""
    paid = chain.pay(5)["txid"]
    first, second = chain.signed(6), chain.signed(7)
    won = node.submit(first, expect=202)["results"][0]["txid"]
    lost = node.submit(second, expect=409)["results"][0]["txid"]
    one = "/v1/transactions/{txid}"
    said = node.ask(one, f"/v1/transactions/{won}?wait=10000")
    if said["status"] != "final":
        fail(f"a payment is not final in 10 s: {said}")
    node.submit(first, expect=200)
    node.submit(first, second, expect=200)
    third, fourth = chain.signed(8), chain.signed(9)
    node.submit(third, expect=202)
    node.submit(second, fourth, query="?brief=1", expect=200)
    node.submit("00", expect=400)
    node.submit("zz", expect=400)
    node.submit(first, query="?brief=2", expect=400)
    raw = bytes.fromhex(first)
    node.ask("/v1/transactions", data=struct.pack(">II", 1, len(raw)) + raw + bytes(-len(raw) % 4),
             headers={"Content-Type": "application/octet-stream"})
    node.ask("/v1/transactions", data=b"{}", headers={"Origin": "https://elsewhere.example"}, expect=403)
    node.ask("/v1/transactions", data=bytes((8 << 20) + 1), expect=413)
    for txid in (paid, won, lost):
        node.ask(one, f"/v1/transactions/{txid}")
    spent = node.ask(one, f"/v1/transactions/{paid}")["inputs"][0]["txid"]
    while spent not in (ZEROS, None):  # back to what the genesis allotted
        story = node.ask(one, f"/v1/transactions/{spent}")
        spent = story["inputs"][0]["txid"] if story["inputs"] else None
    node.ask(one, f"/v1/transactions/{ZEROS}", expect=404)
    node.ask(one, "/v1/transactions/x", expect=400)
    node.ask("/v1/receipts/{txid}", f"/v1/receipts/{paid}")
    node.ask("/v1/receipts/{txid}", f"/v1/receipts/{ZEROS}", expect=404)
    node.ask("/v1/receipts/{txid}", "/v1/receipts/x", expect=400)
    return paid


def ask_pending(chain, directory, document):
    """Where half of the replicas are away, what is accepted stays pending."""
    tx = chain.signed(9)
    run("testnet", "kill", "2", "--dir", directory)
    run("testnet", "kill", "3", "--dir", directory)
    node = Node(document, chain.url)
    txid = node.submit(tx, expect=202)["results"][0]["txid"]
    node.submit(tx, expect=200)
    if node.ask("/v1/transactions/{txid}", f"/v1/transactions/{txid}")["status"] != "pending":
        fail("what cannot become final is not pending")
    health = None
    while health != 503:  # a replica that is silent is believed to be there for some seconds
        try:
            health = urllib.request.urlopen(chain.url + "/healthz", timeout=60).status
        except urllib.error.HTTPError as error:
            health = error.code
    node.ask("/healthz", expect=503)
    node.ask("/v1/status")


def ask_holdings(chain, node):
    path = "/v1/addresses/{address}"
    bob = chain.address("bob")
    page = node.ask(path, f"/v1/addresses/{bob}?limit=1")
    node.ask(path, f"/v1/addresses/{bob}?limit=1000&after={page['next']}")
    nobody = f"{chain.dir}/nobody.key"
    run("key", "new", nobody, "--plain")
    unpaid = json.loads(run("key", "show", nobody, "--json"))["address"]
    node.ask(path, f"/v1/addresses/{unpaid}")
    node.ask(path, f"/v1/addresses/{bob}?after={ZEROS}:0", expect=409)
    node.ask(path, "/v1/addresses/bob", expect=400)


def ask_stakes(chain, node):
    """Stake is an output that is locked; released, it is locked in another way."""
    node.ask("/v1/stakes")
    for what in ("bond", "unbond"):
        said = json.loads(run("stake", what, "--key", chain.key("alice"), "--replica", "2", "--amount", "500", "--node",
                              chain.url, "--genesis", f"{chain.dir}/genesis.json", "--json"))
        node.ask("/v1/transactions/{txid}", f"/v1/transactions/{said['txid']}")
        node.ask("/v1/addresses/{address}", f"/v1/addresses/{chain.address('alice')}")


def ask_evidence(node):
    listed = node.ask("/v1/evidence", "/v1/evidence?from=1&limit=1")
    if listed["next"] != 2 or node.ask("/v1/evidence")["next"] is not None:
        fail(f"the next page is not named rightly: {listed}")
    listed = listed["evidence"]
    one = "/v1/evidence/{number}"
    node.ask(one, f"/v1/evidence/{listed[0]['seq']}")
    node.ask(one, "/v1/evidence/1000000", expect=404)
    node.ask(one, "/v1/evidence/x", expect=400)


def main():
    with tempfile.TemporaryDirectory(prefix="quorate-openapi-") as root:
        staked = Chain(root + "/staked", "--proposer", "stake", "--seal", "pow:8")
        try:
            plain = Chain(root + "/plain", "--replicas", "4")
            try:
                with urllib.request.urlopen(staked.url + "/v1/openapi.json") as served:
                    document = Document(served.read())
                node = Node(document, staked.url)
                ask_pages(node)
                ask_transactions(staked, node)
                ask_blocks(node)
                ask_holdings(staked, node)
                ask_stakes(staked, node)
                ask_evidence(node)
                node = Node(document, plain.url)
                plain.pay(5)
                ask_pages(node)
                ask_blocks(node)
                node.ask("/v1/stakes", expect=404)
                ask_pending(plain, plain.dir, document)
            finally:
                run("testnet", "down", "--dir", plain.dir)
        finally:
            run("testnet", "down", "--dir", staked.dir)
    missing = list(document.missing())
    if missing:
        fail("\n".join(missing))
    print(f"{len(document.answered)} kinds of answers, {len(document.seen)} described things have come")


main()
