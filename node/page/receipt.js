/*
 * receipt.js: a receipt from its file, and whether it proves what it says: what ledger/receipt_file.c and
 * ledger/receipt.c do, in their order and their words.
 */

const RECEIPT_FORMAT = "quorate receipt 1";
const NUMBER_MAX = 1n << 62n; /* of views and heights in votes */

/* It was read, and does not prove anything. */
class NoProof extends Refused {}

function prove(condition, otherwise) {
	if (!condition)
		throw new NoProof(otherwise);
}

/* ---- transactions ------------------------------------------------------------------ */

function voteWellFormed(kind, {view, height, state}) {
	if (height === 0n || height > NUMBER_MAX || view > NUMBER_MAX)
		return false;
	if (kind === PREPARE || kind === COMMIT)
		return state.every((b) => b === 0);
	return kind === CHECKPOINT && view === 0n;
}

/* Two votes of one kind, view and height with different content: an honest replica signs at most one. */
function offenceWellFormed({kind, first, second}) {
	return voteWellFormed(kind, first) && voteWellFormed(kind, second) &&
		first.view === second.view && first.height === second.height &&
		!(sameBytes(first.block, second.block) && sameBytes(first.state, second.state));
}

function amountsHold(outputs) {
	let sum = 0n;
	return outputs.every(({amount}) => {
		sum += amount;
		return amount > 0n && sum <= INT64_MAX;
	});
}

const ascending = (list) => list.every((x, i) => i === 0 || list[i - 1] < x);

/* What is wrong with a transaction by itself, signatures apart; undefined: nothing. */
function faultOf({inputs, outputs, witnesses, offence}, owners) {
	if (inputs.length === 0)
		return "a transaction needs at least one input";
	if (outputs.length === 0)
		return "a transaction needs at least one output";
	if (witnesses.length === 0 || witnesses.length > inputs.length)
		return "the witnesses are not exactly the owners of the inputs";
	if (!amountsHold(outputs))
		return "an amount must be from 1 to 2^63-1, and so their sum";
	if (new Set(inputs.map(({tx, index}) => `${hexOf(tx)} ${index}`)).size < inputs.length)
		return "an output is named twice as input";
	if (offence.some((o) => !offenceWellFormed(o)))
		return "the offence that it reports is none";
	if (!ascending(owners.map(hexOf)))
		return "witnesses must be in strictly ascending order of address";
	return undefined;
}

/* The transaction in these bytes, with its id on this chain and its Merkle leaf. */
function transactionOf(chain, raw) {
	const refuse = (why) => {
		throw new NoProof(`transaction: is refused: ${why}`);
	};
	const reader = new XdrReader(raw);
	let body, witnesses;
	try {
		body = txBody.read(reader);
		body.length = reader.at;
		witnesses = listUpTo(1024, witness).read(reader);
		if (reader.left > 0)
			throw new Malformed();
	} catch (e) {
		if (!(e instanceof Malformed))
			throw e;
		refuse(e instanceof TooLong ? "more inputs, outputs, witnesses or bytes than allowed"
			: "not the canonical encoding of a transaction");
	}
	const tx = {...body, witnesses}, owners = witnesses.map(({key}) => addressOfKey(key));
	const fault = faultOf(tx, owners);
	if (fault)
		refuse(fault);
	tx.id = taggedHash("quorate/tx/v1", chain, raw.slice(0, body.length));
	tx.leaf = sha256(concat([0], raw));
	tx.owners = owners;
	return tx;
}

/* ---- the file ------------------------------------------------------------------------ */

/* What is said of something that is not even like a receipt. */
function noReceipt(read) {
	try {
		return read();
	} catch (e) {
		throw e instanceof Refused ? new Refused(`this is no receipt: ${e.message}`) : e;
	}
}

/* What else of ours it may be is said, for that is the likeliest mistake. */
function checkFormat(root) {
	const members = root.value instanceof Map ? root.value : new Map(), name = members.get("format");
	if (typeof name === "string" && name.startsWith("quorate evidence"))
		throw new Refused("this is evidence, no receipt; see `quorate evidence verify FILE`");
	if (members.has("allocations"))
		throw new Refused("this is a genesis, no receipt; see `quorate genesis show FILE`");
	noReceipt(() => root.object("format chain txid height block transaction index path headers certificate"));
	if (name !== RECEIPT_FORMAT)
		root.field("format").wrong(`must be "${RECEIPT_FORMAT}"`);
}

function readEncoded(field, max, type, what) {
	const raw = field.bytes(max);
	try {
		return {...decode(type, raw), raw};
	} catch (e) {
		if (!(e instanceof Malformed))
			throw e;
		return field.wrong(`is not the canonical encoding of a ${what}`);
	}
}

function readHeader(field) {
	const h = readEncoded(field, 256, header, "block header");
	return {...h, hash: taggedHash("quorate/block/v1", h.raw)};
}

/* What the file says in words has to be what follows from the proof in it. */
function checkWords(root, r) {
	const checkHash = (name, proven, whose) => {
		prove(sameBytes(root.field(name).hex(32), proven),
			`${name}: is not that of the ${whose} in this receipt, which is ${hexOf(proven)}`);
	};
	checkHash("txid", r.tx.id, "transaction");
	const height = root.field("height").integer(0n, INT64_MAX);
	checkHash("block", r.headers[0].hash, "first header");
	prove(height === r.headers[0].height,
		`height: is not that of the first header in this receipt, which is ${r.headers[0].height}`);
}

/* A receipt has one text: this. */
function textOf(r) {
	const list = (items) => items.length === 0 ? "[]" : `[\n    ${items.map((b) => `"${hexOf(b)}"`).join(",\n    ")}\n  ]`;
	const members = [
		["format", `"${RECEIPT_FORMAT}"`],
		["chain", `"${hexOf(r.chain)}"`],
		["txid", `"${hexOf(r.tx.id)}"`],
		["height", r.headers[0].height],
		["block", `"${hexOf(r.headers[0].hash)}"`],
		["transaction", `"${hexOf(r.raw)}"`],
		["index", r.index],
		["path", list(r.path)],
		["headers", list(r.headers.map((h) => h.raw))],
		["certificate", `"${hexOf(r.cert.raw)}"`],
	];
	return `{\n${members.map(([name, value]) => `  "${name}": ${value}`).join(",\n")}\n}\n`;
}

function checkText(bytes, own) {
	let at = 0;
	while (at < bytes.length && at < own.length && bytes[at] === own.charCodeAt(at))
		at++;
	if (at === own.length && at === bytes.length)
		return;
	const lines = own.slice(0, at).split("\n");
	const member = own.lastIndexOf("\n  \"", at - 1);
	const where = at === own.length ? "the end"
		: member < 0 ? "the beginning" : own.slice(member + 4, own.indexOf("\"", member + 4));
	throw new Refused(`${where}: line ${lines.length}, column ${lines.at(-1).length + 1} is not as this receipt is ` +
		"written, and it has only one text");
}

/* Throws Refused. */
function receiptOf(bytes) {
	const root = noReceipt(() => jsonOf(bytes));
	checkFormat(root);
	const r = {chain: root.field("chain").hex(32), raw: root.field("transaction").bytes(TX_BYTES_MAX)};
	r.index = Number(root.field("index").integer(0n, UINT32_MAX));
	r.path = root.field("path").array(32).map((field) => field.hex(32));
	r.headers = root.field("headers").array(HEADERS_MAX).map(readHeader);
	r.cert = readEncoded(root.field("certificate"), 8192, certificate, "certificate");
	if (r.headers.length === 0)
		throw new Refused("headers: has no element; the transaction's block comes first");
	prove(r.headers[0].height <= INT64_MAX, "headers[0]: its height is beyond 2^63-1");
	r.tx = transactionOf(r.chain, r.raw);
	checkWords(root, r);
	checkText(bytes, textOf(r));
	return r;
}

/* ---- seals (consensus/rules/seal.c) ------------------------------------------------------ */

const targetOfBits = (bits) => (1n << BigInt(256 - bits)) - 1n;
const least = (a, b) => a < b ? a : b;

/* The target of the block above `below`: a 32nd of the way to what the last block's time asks for. */
function targetAbove(rules, below) {
	if (rules.interval_ms === 0 || below.beforeMs === 0n)
		return below.target;
	const interval = BigInt(rules.interval_ms), hardest = targetOfBits(rules.bits_max);
	const took = least(below.timeMs > below.beforeMs ? below.timeMs - below.beforeMs : 0n, 5n * interval);
	const target = below.target * (31n * interval + took) / (32n * interval);
	return target <= hardest ? hardest : least(target, targetOfBits(rules.bits));
}

function sealHolds(g, h) {
	if (h.seal.kind !== g.seal.kind)
		return false;
	if (g.seal.kind === SEAL_NONE)
		return true;
	const target = bigEndian(h.seal.value.target), rules = g.seal.value;
	return target >= targetOfBits(rules.bits_max) && target <= targetOfBits(rules.bits) && bigEndian(h.hash) <= target;
}

/* ---- the proof ------------------------------------------------------------------------------ */

/* The headers form one chain, sealed where the genesis asks for it. */
function checkHeaders(g, headers) {
	const rules = g.seal.kind === SEAL_POW ? g.seal.value : null, onGenesis = headers[0].height === 1n;
	let below = {timeMs: g.timeMs, beforeMs: 0n, target: rules && targetOfBits(rules.bits)};
	headers.forEach((h, i) => {
		const check = (condition, what) => prove(condition, `header ${i} of the receipt ${what}`);
		check(h.format === 1, `has format ${h.format}, not 1`);
		check(h.height > 0n && h.height === headers[0].height + BigInt(i), `is out of line: height ${h.height}`);
		check(i === 0 || sameBytes(h.parent, headers[i - 1].hash), "does not name the one before as parent");
		check(sealHolds(g, h), "is not sealed as this chain asks");
		/* What the targets of the first two follow from is not shown, unless they stand on the genesis. */
		check(!rules || (i < 2 && !onGenesis) || bigEndian(h.seal.value.target) === targetAbove(rules, below),
			"has another target than the headers below ask for");
		below = {
			timeMs: h.timeMs,
			beforeMs: h.height > 1n ? below.timeMs : 0n,
			target: rules && bigEndian(h.seal.value.target),
		};
	});
}

/* Does the path lead from the leaf at `index` of `count` to the root?  RFC 9162, section 2.1.3.2. */
function merkleHolds(leaf, index, count, path, root) {
	const node = (left, right) => sha256(concat([1], left, right));
	const up = (n) => Math.floor(n / 2);
	let last = count - 1, current = leaf;
	if (index > last)
		return false;
	for (const sibling of path) {
		if (last === 0)
			return false;
		if (index % 2 === 1 || index === last) {
			current = node(sibling, current);
			/* On the right edge, a node without sibling moves up unpaired. */
			while (index % 2 === 0 && index !== 0)
				[index, last] = [up(index), up(last)];
		} else {
			current = node(current, sibling);
		}
		[index, last] = [up(index), up(last)];
	}
	return last === 0 && sameBytes(current, root);
}

/* What replicas sign: the tag, the chain and the message that carries the vote. */
function voteVerify(g, replica, kind, statement, sig) {
	if (replica >= g.replicas.length || !voteWellFormed(kind, statement))
		return false;
	const tag = ascii("quorate/replica/v1");
	return ed25519Verify(g.replicas[replica].key,
		concat([tag.length], tag, g.chain, encode(u32, kind), encode(vote, statement)), sig);
}

const offenceVerify = (g, o) =>
	voteVerify(g, o.replica, o.kind, o.first, o.firstSig) && voteVerify(g, o.replica, o.kind, o.second, o.secondSig);

function certWellFormed(g, {kind, vote: statement, sigs}) {
	const signers = sigs.map(({replica}) => replica);
	return voteWellFormed(kind, statement) && signers.length >= g.quorum && ascending(signers) &&
		signers.every((replica) => replica < g.replicas.length);
}

/*
 * Checks all that receipt_verify() checks; throws NoProof with what does not hold.  Yields before every signature, a
 * few milliseconds each, so that whoever runs it can show how far it is: [what was checked, of how many].
 */
function* verification(g, r) {
	const first = r.headers[0], last = r.headers.at(-1), total = r.tx.witnesses.length + r.cert.sigs.length;
	let done = 0;
	prove(sameBytes(r.chain, g.chain), "the receipt is of another chain than this genesis");
	checkHeaders(g, r.headers);
	prove(r.cert.kind === COMMIT || r.cert.kind === CHECKPOINT,
		"the receipt's certificate makes nothing final: it is not of COMMITs or CHECKPOINTs");
	prove(r.cert.vote.height === last.height && sameBytes(r.cert.vote.block, last.hash),
		"the receipt's certificate is for another block than its last header");
	prove(merkleHolds(r.tx.leaf, r.index, first.txCount, r.path, first.merkleRoot),
		`the receipt's Merkle path does not lead from the transaction to block ${first.height}`);
	for (const {key, sig} of r.tx.witnesses) {
		yield [done++, total];
		prove(ecdsaVerify(key, r.tx.id, sig), "a signature of the receipt's transaction does not hold");
	}
	prove(r.tx.offence.every((o) => offenceVerify(g, o)), "a signature of the receipt's transaction does not hold");
	prove(certWellFormed(g, r.cert), `the receipt's certificate is not well formed: it needs ${g.quorum} of this chain's ` +
		`${g.replicas.length} replicas, in order`);
	for (const {replica, sig} of r.cert.sigs) {
		yield [done++, total];
		prove(voteVerify(g, replica, r.cert.kind, r.cert.vote, sig),
			`the signature of replica ${replica} in the receipt's certificate does not hold`);
	}
}
