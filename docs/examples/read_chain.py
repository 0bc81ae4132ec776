#!/usr/bin/env python3
"""read_chain.py: reads a chain over HTTP and checks what can be checked with hashes alone.

    python3 read_chain.py http://HOST:PORT [--from HEIGHT] [--until HEIGHT] [--chain ID]

Nothing but Python's standard library.  For each block, from the first one on: its header has the hash that the
next one names as its parent (the first one names the chain's id); its transactions have the header's Merkle root;
each transaction's bytes say what is printed, and have its id.  Without --until it follows the chain for ever.

What it does not check is signatures: the standard library knows neither Ed25519 nor secp256k1. So it shows that a
node's story is one story, bound to the chain's id (--chain, which a genesis gives), but not that a quorum signed it:
for that there are receipts, and libquorate or `quorate verify`.

Exit code: 0 all of it fits, 1 it does not, 3 no answer.
"""
import argparse
import hashlib
import http.client
import json
import struct
import sys
import time
import urllib.error
import urllib.request

ANSWER_MAX = 64 << 20  # bytes


class Lie(Exception):
    """What a node said does not fit."""


def must(holds, what):
    if not holds:
        raise Lie(what)


def printable(what):
    """What a node says is not for the terminal to obey."""
    return "".join(c if c.isprintable() else "?" for c in str(what))


# ---- HTTP -----------------------------------------------------------------------------------------------


def get(node, path):
    """The JSON of an answer, or None if there is no such thing (yet)."""
    try:
        with urllib.request.urlopen(node + path, timeout=30) as answer:
            text = answer.read(ANSWER_MAX + 1)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    must(len(text) <= ANSWER_MAX, f"the answer to {path} has no end")
    return json.loads(text)


def await_block(node, height):
    """Long polls, until the node has it."""
    while get(node, f"/v1/blocks/{height}/transactions?wait=10000") is None:
        time.sleep(0.1)  # for a node that does not wait: too many do
    return get(node, f"/v1/blocks/{height}")


# ---- hashes ---------------------------------------------------------------------------------------------


def tagged(tag, data):
    tag = tag.encode()
    return hashlib.sha256(bytes([len(tag)]) + tag + data).digest()


def merkle_root(leaves):
    """RFC 6962; a node without a sibling moves up as it is."""
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        above = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2])]
        level = above + level[len(level) & ~1 :]
    return level[0] if level else hashlib.sha256(b"").digest()


def header_bytes(block):
    """As net/wire/quorate.x has it (XDR: big-endian)."""
    raw = struct.pack(">IQ", 1, block["height"])
    raw += bytes.fromhex(block["parent"]) + bytes.fromhex(block["merkle_root"])
    raw += struct.pack(">IIQ", block["tx_count"], block["proposer"], block["time_ms"])
    seal = block.get("seal")
    if seal is None:
        return raw + struct.pack(">I", 0)
    return raw + struct.pack(">I", 1) + bytes.fromhex(seal["target"]) + struct.pack(">Q", int(seal["nonce"]))


# ---- transactions ----------------------------------------------------------------------------------------


class Reader:
    """Takes canonical bytes apart."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def bytes(self, count):
        must(count <= len(self.raw) - self.at, "a transaction ends too early")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self):
        return struct.unpack(">I", self.bytes(4))[0]

    def long(self):
        return struct.unpack(">Q", self.bytes(8))[0]

    def list(self, item):
        return [item() for _ in range(self.number())]


def address(raw):
    """As text: the digits, and four bytes of checksum."""
    return "q" + (raw + tagged("quorate/address-checksum/v1", raw)[:4]).hex()


def transaction(chain, raw):
    """Its id, inputs (txid, index), outputs (owner, amount), memo and expiry."""
    r = Reader(raw)

    def output():
        owner, amount, lock = r.bytes(20), r.long(), r.number()
        if lock != 0:
            r.number()  # the replica for which it is locked
        return address(owner), amount

    inputs = r.list(lambda: (r.bytes(32).hex(), r.number()))
    outputs = r.list(output)
    memo = r.bytes(r.number())
    r.bytes(-len(memo) % 4)
    expiry = r.long()
    r.list(lambda: r.bytes(296))  # the proof of an offence
    body = raw[: r.at]
    r.list(lambda: r.bytes(100))  # keys and signatures
    must(r.at == len(raw), "a transaction has bytes behind its end")
    return tagged("quorate/tx/v1", chain + body).hex(), inputs, outputs, memo, expiry


# ---- the chain -------------------------------------------------------------------------------------------


def read_transaction(node, chain, txid):
    told = get(node, f"/v1/transactions/{txid}")
    must(told is not None and "raw" in told, f"transaction {txid} is in a block, but not to be had")
    raw = bytes.fromhex(told["raw"])
    its_id, inputs, outputs, memo, _ = transaction(chain, raw)
    must(its_id == txid, f"transaction {txid} has the id {its_id}")
    said = [(o["owner"], int(o["amount"])) for o in told["outputs"]]
    must(said == outputs, f"transaction {txid} pays something else than its bytes say")
    for owner, amount in outputs:
        print(f"  {txid[:16]}  {amount:>20} to {owner}")
    if memo:
        print(f"  {txid[:16]}  memo {ascii(memo.decode(errors='replace'))}")
    return raw


def read_block(node, chain, height, parent):
    where, block = f"block {height}", await_block(node, height)
    must(block["height"] == height, f"{where} says that it is block {block['height']}")
    block_id = tagged("quorate/block/v1", header_bytes(block)).hex()
    must(block_id == block["hash"], f"{where} says that its hash is {block['hash']}, but it is {block_id}")
    must(parent in (None, block["parent"]), f"{where} does not name the block below as its parent")
    print(f"{where}  {block_id}  {block['tx_count']} transactions")
    raws = [read_transaction(node, chain, txid) for txid in block["transactions"]]
    must(len(raws) == block["tx_count"], f"{where} says it has {block['tx_count']} transactions, not {len(raws)}")
    must(merkle_root(raws).hex() == block["merkle_root"], f"{where} holds other transactions than its header says")
    sys.stdout.flush()
    return block_id


def read_chain(node, first, last, chain_id):
    status = get(node, "/v1/status")
    chain_id = chain_id or status["chain"]
    must(status["chain"] == chain_id, f"{node} runs chain {status['chain']}")
    chain = bytes.fromhex(chain_id)
    parent = chain_id if first == 1 else None
    height = first
    while last is None or height <= last:
        parent = read_block(node, chain, height, parent)
        height += 1


def main():
    options = argparse.ArgumentParser(description="Reads a chain over HTTP and checks its hashes.")
    options.add_argument("node", help="http://HOST:PORT")
    options.add_argument("--from", dest="first", type=int, default=1, help="the first block (default: 1)")
    options.add_argument("--until", dest="last", type=int, help="the last block (default: none)")
    options.add_argument("--chain", help="the chain's id, which a genesis gives (default: what the node says)")
    args = options.parse_args()
    try:
        read_chain(args.node.rstrip("/"), max(args.first, 1), args.last, args.chain)
    except Lie as lie:
        print(f"{args.node}: {printable(lie)}", file=sys.stderr)
        return 1
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError, RecursionError,
            struct.error) as error:
        print(f"{args.node}: no answer to work with: {error!a}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
