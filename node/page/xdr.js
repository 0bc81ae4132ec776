/*
 * xdr.js: the codec of net/wire/quorate.x (XDR, RFC 4506), for as much of it as a receipt and a genesis hold.
 *
 * A value has exactly one accepted encoding: padding is zero, lists are within their bounds, nothing follows.  So the
 * bytes that were read are the bytes that were hashed, and nothing is encoded again.  A type here knows how to
 * read and to write itself, and the least bytes that it takes.
 */

class Malformed extends Error {}
/* A list is longer than its bound, and that is all that is wrong. */
class TooLong extends Malformed {}

class XdrReader {
	constructor(bytes) {
		this.bytes = bytes;
		this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
		this.at = 0;
	}

	get left() {
		return this.bytes.length - this.at;
	}

	skip(length) {
		if (length > this.left)
			throw new Malformed();
		this.at += length;
		return this.at - length;
	}

	opaque(length) {
		const at = this.skip(length), value = this.bytes.slice(at, at + length), pad = this.skip(-length & 3);
		for (let i = pad; i < this.at; i++)
			if (this.bytes[i] !== 0)
				throw new Malformed();
		return value;
	}

	count(max, least) {
		const count = this.view.getUint32(this.skip(4));
		if (count * least > this.left)
			throw new Malformed();
		if (count > max)
			throw new TooLong();
		return count;
	}
}

class XdrWriter {
	constructor() {
		this.parts = [];
	}

	number(value, length) {
		const view = new DataView(new ArrayBuffer(length));
		if (length === 4)
			view.setUint32(0, Number(value));
		else
			view.setBigUint64(0, value);
		this.parts.push(new Uint8Array(view.buffer));
	}

	opaque(bytes) {
		this.parts.push(bytes, new Uint8Array(-bytes.length & 3));
	}

	get bytes() {
		return join(this.parts);
	}
}

/* ---- makers of types -------------------------------------------------------- */

const u32 = {least: 4, read: (r) => r.view.getUint32(r.skip(4)), write: (w, v) => w.number(v, 4)};
const u64 = {least: 8, read: (r) => r.view.getBigUint64(r.skip(8)), write: (w, v) => w.number(v, 8)};

const opaque = (length) => ({least: (length + 3) & ~3, read: (r) => r.opaque(length), write: (w, v) => w.opaque(v)});

const bytesUpTo = (max) => ({
	least: 4,
	read: (r) => r.opaque(r.count(max, 1)),
	write(w, v) {
		w.number(v.length, 4);
		w.opaque(v);
	},
});

const listUpTo = (max, type) => ({
	least: 4,
	read: (r) => Array.from({length: r.count(max, type.least)}, () => type.read(r)),
	write(w, v) {
		w.number(v.length, 4);
		v.forEach((item) => type.write(w, item));
	},
});

function struct(fields) {
	const names = Object.keys(fields);
	return {
		least: names.reduce((sum, name) => sum + fields[name].least, 0),
		read: (r) => Object.fromEntries(names.map((name) => [name, fields[name].read(r)])),
		write: (w, v) => names.forEach((name) => fields[name].write(w, v[name])),
	};
}

/* arms: kind -> the type of its value, or null for none. */
const union = (arms) => ({
	least: 4,
	read(r) {
		const kind = u32.read(r);
		if (!(kind in arms))
			throw new Malformed();
		return {kind, value: arms[kind]?.read(r)};
	},
	write(w, v) {
		w.number(v.kind, 4);
		arms[v.kind]?.write(w, v.value);
	},
});

/* ---- quorate.x ---------------------------------------------------------------- */

const hash = opaque(32), address = opaque(20), signature = opaque(64);

const [PREPARE, COMMIT, CHECKPOINT] = [2, 3, 4];
const vote = struct({view: u64, height: u64, block: hash, state: hash});

const [LOCK_NONE, LOCK_STAKE, LOCK_RELEASE, LOCK_FROZEN] = [0, 1, 2, 3];
const lock = union({[LOCK_NONE]: null, [LOCK_STAKE]: u32, [LOCK_RELEASE]: u32, [LOCK_FROZEN]: u32});
const outpoint = struct({tx: hash, index: u32});
const output = struct({owner: address, amount: u64, lock});
const offence = struct({
	replica: u32, kind: u32, first: vote, second: vote, firstSig: signature, secondSig: signature,
});
const txBody = struct({
	inputs: listUpTo(1024, outpoint),
	outputs: listUpTo(1024, output),
	memo: bytesUpTo(256),
	expiry: u64,
	offence: listUpTo(1, offence),
});
const witness = struct({key: opaque(33), sig: signature});
const TX_BYTES_MAX = 196608;

const [SEAL_NONE, SEAL_POW] = [0, 1];
const header = struct({
	format: u32, height: u64, parent: hash, merkleRoot: hash, txCount: u32, proposer: u32, timeMs: u64,
	seal: union({[SEAL_NONE]: null, [SEAL_POW]: struct({target: hash, nonce: u64})}),
});
const HEADERS_MAX = 256;

const REPLICAS_MAX = 64;
const certificate = struct({kind: u32, vote, sigs: listUpTo(REPLICAS_MAX, struct({replica: u32, sig: signature}))});

const [PROPOSER_PRIMARY, PROPOSER_STAKE] = [0, 1];
const PARAMS = "checkpoint_interval window block_txs_max block_bytes_max timeout_ms timeout_cap_ms drift_ms " +
	"pool_source_max pool_owner_max";
const POW_RULES = "bits bits_max interval_ms hash_rate";
const STAKE_RULES = "epoch turn proposers unbonding penalty delegator_penalty";
const numbers = (names) => struct(Object.fromEntries(names.split(" ").map((name) => [name, u32])));
const genesisType = struct({
	format: u32,
	name: bytesUpTo(64),
	timeMs: u64,
	params: numbers(PARAMS),
	seal: union({[SEAL_NONE]: null, [SEAL_POW]: numbers(POW_RULES)}),
	proposer: union({[PROPOSER_PRIMARY]: null, [PROPOSER_STAKE]: numbers(STAKE_RULES)}),
	replicas: listUpTo(REPLICAS_MAX, struct({
		name: bytesUpTo(64), key: opaque(32), address: bytesUpTo(256), account: listUpTo(1, address),
	})),
	allocations: listUpTo(1048576, output),
});
const successor = struct({
	genesis: genesisType, parent: struct({chain: hash, height: u64, block: hash, state: hash}),
});

/* ---- whole values ------------------------------------------------------------- */

/* Throws Malformed unless the bytes are the one encoding of a value. */
function decode(type, bytes) {
	const reader = new XdrReader(bytes), value = type.read(reader);
	if (reader.left > 0)
		throw new Malformed();
	return value;
}

function encode(type, value) {
	const writer = new XdrWriter();
	type.write(writer, value);
	return writer.bytes;
}
