/*
 * genesis.js: a chain's constitution from its JSON, under the rules of genesis/genesis.c, and the chain id.
 */

const NAME_MAX = 64, ADDRESS_MAX = 256, ALLOCATIONS_MAX = 1048576;
const TIME_MAX_MS = 253402300799999n; /* the year 9999 */

/* ---- addresses -------------------------------------------------------------------- */

const addressCheck = (owner) => taggedHash("quorate/address-checksum/v1", owner).slice(0, 4);
const addressText = (owner) => `q${hexOf(owner)}${hexOf(addressCheck(owner))}`;
const addressOfKey = (key) => taggedHash("quorate/address/v1", key).slice(0, 20);

function readAddress(field) {
	const text = field.string(ADDRESS_MAX), length = Math.min(textBytes(text).length, 100);
	if (text[0] !== "q")
		field.wrong("an address begins with 'q'");
	if (length !== 49)
		field.wrong(`an address has 49 characters; this one has ${length < 100 ? "" : "at least "}${length}`);
	const stray = text.slice(1).search(/[^0-9a-f]/);
	if (stray >= 0)
		field.wrong(`character ${stray + 2} of the address is no digit of 0-9 a-f`);
	const bytes = bytesOfHex(text.slice(1)), owner = bytes.slice(0, 20);
	if (!sameBytes(addressCheck(owner), bytes.slice(20)))
		field.wrong("the address's checksum does not fit: look for a typing error");
	return owner;
}

/* ---- reading ------------------------------------------------------------------------ */

const DEFAULT_PARAMS = {
	checkpoint_interval: 64, window: 16, block_txs_max: 2000, block_bytes_max: 1 << 20, timeout_ms: 2000,
	timeout_cap_ms: 64000, drift_ms: 5000, pool_source_max: 20000, pool_owner_max: 4096,
};
const DEFAULT_POW = {bits: 20, bits_max: 20, interval_ms: 0, hash_rate: 2000000};
const defaultStake = (n) =>
	({epoch: 1016, turn: 8, proposers: n, unbonding: 4064, penalty: 50, delegator_penalty: 10});

/* How small and how large numbers of any genesis may be (genesis/ranges.h). What the others of the same genesis leave of
 * that is for the rules below. */
const RANGES = {
	checkpoint_interval: [4, HEADERS_MAX], window: [2, 64], block_txs_max: [1, 8192],
	block_bytes_max: [TX_BYTES_MAX, 4 << 20], timeout_ms: [50, 600000], timeout_cap_ms: [50, 3600000],
	drift_ms: [1, 3600000], pool_source_max: [1, 1000000], pool_owner_max: [1, 1000000],
	bits: [1, 48], bits_max: [1, 48], interval_ms: [0, 3600000], hash_rate: [1, UINT32_MAX],
	epoch: [8, 1000000], turn: [1, 1000000], proposers: [1, REPLICAS_MAX], unbonding: [24, UINT32_MAX],
	penalty: [0, 100], delegator_penalty: [0, 100],
};

/* The numbers that are given; the others keep their defaults. */
function readNumbers(object, names, defaults) {
	const numbers = {...defaults};
	for (const name of names.split(" ")) {
		const field = object.field(name);
		if (!field.isThere)
			continue;
		const fits = field.value >= 0n && field.value <= UINT32_MAX && typeof field.value === "bigint";
		numbers[name] = Number(fits ? field.value : field.integer(...RANGES[name]));
	}
	return numbers;
}

function readParams(field) {
	if (!field.isThere)
		return {...DEFAULT_PARAMS};
	field.object("", PARAMS);
	return readNumbers(field, PARAMS, DEFAULT_PARAMS);
}

function readKind(object, word) {
	const kind = object.field("kind");
	if (kind.string(NAME_MAX) !== word)
		kind.wrong(`must be "${word}"; leave out ${object.path} for a chain without`);
}

function readSeal(field) {
	if (!field.isThere)
		return {kind: SEAL_NONE};
	field.object("kind", POW_RULES);
	readKind(field, "pow");
	const value = readNumbers(field, POW_RULES, DEFAULT_POW);
	if (!field.field("bits_max").isThere) {
		if (value.interval_ms > 0)
			field.field("bits_max").wrong(
				"missing; with seal.interval_ms the target moves from bits to bits_max");
		value.bits_max = value.bits;
	}
	return {kind: SEAL_POW, value};
}

function readProposer(field, n) {
	if (!field.isThere)
		return {kind: PROPOSER_PRIMARY};
	field.object("kind", STAKE_RULES);
	readKind(field, "stake");
	return {kind: PROPOSER_STAKE, value: readNumbers(field, STAKE_RULES, defaultStake(n))};
}

function readReplica(field) {
	field.object("name key address", "account");
	const account = field.field("account");
	const accounts = account.isThere ? [readAddress(account)] : [];
	return {
		name: field.field("name").string(NAME_MAX),
		key: field.field("key").hex(32),
		address: field.field("address").string(ADDRESS_MAX),
		account: accounts,
	};
}

function readAllocation(field, replicas) {
	field.object("address amount", "stake");
	const owner = readAddress(field.field("address")), amount = field.field("amount").amount();
	const stake = field.field("stake");
	if (!stake.isThere)
		return {owner, amount, lock: {kind: LOCK_NONE}};
	const name = stake.string(NAME_MAX), replica = replicas.findIndex((r) => r.name === name);
	if (replica < 0)
		stake.wrong("must be the name of a replica");
	return {owner, amount, lock: {kind: LOCK_STAKE, value: replica}};
}

/* Where the chain before this one ended; the format says whether there is one. */
function readParent(field, format) {
	if (format === 1) {
		if (field.isThere)
			field.wrong("has no meaning in format 1");
		return undefined;
	}
	if (!field.isThere)
		field.wrong("missing; a genesis of format 2 has one");
	field.object("chain height block state");
	return {
		chain: field.field("chain").hex(32),
		height: field.field("height").integer(0n, INT64_MAX),
		block: field.field("block").hex(32),
		state: field.field("state").hex(32),
	};
}

function readGenesis(root) {
	root.object("quorate-genesis name time_ms replicas allocations", "parent params seal proposer");
	const format = Number(root.field("quorate-genesis").integer(1n, 2n));
	const parent = readParent(root.field("parent"), format);
	const name = root.field("name").string(NAME_MAX), timeMs = root.field("time_ms").integer(0n, TIME_MAX_MS);
	const params = readParams(root.field("params"));
	const replicas = root.field("replicas").array(REPLICAS_MAX).map(readReplica);
	const seal = readSeal(root.field("seal")), proposer = readProposer(root.field("proposer"), replicas.length);
	const allocations = root.field("allocations").array(ALLOCATIONS_MAX).map((f) => readAllocation(f, replicas));
	return {format, parent, name, timeMs, params, seal, proposer, replicas, allocations};
}

/* ---- rules ---------------------------------------------------------------------------- */

function between(field, is, min, max) {
	if (is < min || is > max)
		throw new Refused(`${field}: is ${is}; must be ${min} to ${max}`);
}

const isPlain = (text, also) =>
	text.length >= 1 && text.length <= NAME_MAX && new RegExp(`^[0-9A-Za-z${also}]*$`).test(text) &&
	!text.startsWith(" ") && !text.endsWith(" ");
const isUrl = (url) => {
	const port = /^(?:tls\+)?tcp:\/\/(?:\[[0-9a-fA-F:.]+\]|[0-9A-Za-z._-]+):([1-9][0-9]{0,4})$/.exec(url)?.[1];
	return port !== undefined && Number(port) <= 65535;
};

function checkReplica(g, i) {
	const r = g.replicas[i], byStake = g.proposer.kind === PROPOSER_STAKE;
	const wrong = (field, what) => {
		throw new Refused(`replicas[${i}].${field}: ${what}`);
	};
	if (!isPlain(r.name, "._\\-"))
		wrong("name", "must be 1 to 64 of A-Z a-z 0-9 . _ -");
	if (!ed25519KeyValid(r.key))
		wrong("key", "is not an Ed25519 public key");
	if (!isUrl(r.address))
		wrong("address", "must be tcp://HOST:PORT or tls+tcp://HOST:PORT, with a port from 1 to 65535");
	if (byStake && r.account.length === 0)
		wrong("account", "is missing; proposers are by stake");
	if (!byStake && r.account.length > 0)
		wrong("account", "has no meaning; proposers are not by stake");
	g.replicas.slice(0, i).forEach((other, j) => {
		if (byStake && sameBytes(r.account[0], other.account[0]))
			wrong("account", `is that of replicas[${j}], too`);
		if (r.name === other.name)
			wrong("name", `is that of replicas[${j}], too`);
		if (sameBytes(r.key, other.key))
			wrong("key", `is that of replicas[${j}], too`);
	});
}

/* The widest window whose NEW-VIEW, a quorum of VIEW-CHANGEs with a certificate for every height of the window, fits
 * into one envelope. */
function windowFitting(g) {
	const signature = 4 + 64, rest = 256, bodyMax = 6291456;
	const prepared = certificate.least + g.replicas.length * signature + header.least +
		(g.seal.kind === SEAL_POW ? 32 + 8 : 0);
	const change = Math.floor((bodyMax - rest) / g.quorum) - rest;
	return Math.min(Math.floor(change / prepared) - 2, 64);
}

function checkParams(g) {
	const p = g.params;
	const check = (name, min, max) => between(`params.${name}`, p[name], min, max);
	check("checkpoint_interval", 4, HEADERS_MAX);
	check("window", 2, Math.min(windowFitting(g), 2 * p.checkpoint_interval));
	check("block_txs_max", 1, 8192);
	check("block_bytes_max", TX_BYTES_MAX, 4 << 20);
	check("timeout_ms", 50, 600000);
	check("timeout_cap_ms", p.timeout_ms, 3600000);
	check("drift_ms", 1, 3600000);
	check("pool_source_max", 1, 1000000);
	check("pool_owner_max", 1, 1000000);
}

/* The longest that mining may take an honest proposer: 20 times the mean, at the hardest target, rounded up. */
function miningMs(p) {
	const tries = 20n << BigInt(p.bits_max), rate = BigInt(p.hash_rate);
	return (tries * 1000n + rate - 1n) / rate;
}

function checkSeal(g) {
	if (g.seal.kind === SEAL_NONE)
		return;
	const p = g.seal.value;
	between("seal.bits", p.bits, 1, 48);
	between("seal.bits_max", p.bits_max, p.bits, p.interval_ms > 0 ? 48 : p.bits);
	between("seal.interval_ms", p.interval_ms, 0, 3600000);
	between("seal.hash_rate", p.hash_rate, 1, Number(UINT32_MAX));
	const ms = miningMs(p);
	if (ms > 600000n)
		throw new Refused(`seal.bits_max: ${p.bits_max} bits at seal.hash_rate ${p.hash_rate} take up to ${ms} ms; ` +
			"must be at most 600000 ms: ask for fewer bits, or promise a higher hash rate");
}

function checkProposer(g) {
	if (g.proposer.kind === PROPOSER_PRIMARY)
		return;
	const p = g.proposer.value;
	const check = (name, min, max) => between(`proposer.${name}`, p[name], min, max);
	check("epoch", Math.max(2 * g.params.checkpoint_interval, 3 * g.params.window), 1000000);
	check("turn", 1, p.epoch);
	check("proposers", g.f + 1, g.replicas.length);
	check("unbonding", 3 * p.epoch, Number(UINT32_MAX));
	check("penalty", 0, 100);
	check("delegator_penalty", 0, 100);
	if (p.epoch % p.turn !== 0)
		throw new Refused(`proposer.turn: is ${p.turn}; must divide proposer.epoch, ${p.epoch}`);
}

function checkAllocations(g) {
	let supply = 0n;
	if (g.allocations.length < 1)
		throw new Refused(`allocations: are 0; must be 1 to ${ALLOCATIONS_MAX}`);
	g.allocations.forEach(({amount, lock}, i) => {
		supply += amount;
		if (supply > INT64_MAX)
			throw new Refused(`allocations[${i}].amount: the sum so far exceeds ${INT64_MAX}`);
		if (lock.kind !== LOCK_NONE && g.proposer.kind !== PROPOSER_STAKE)
			throw new Refused(`allocations[${i}].stake: has no meaning; proposers are not by stake`);
	});
}

function checkGenesis(g) {
	const n = g.replicas.length;
	if (!isPlain(g.name, "._\\- "))
		throw new Refused("name: must be 1 to 64 of A-Z a-z 0-9 . _ - and inner spaces");
	between("time_ms", g.timeMs, 0n, TIME_MAX_MS);
	if (n !== 1 && n < 4)
		throw new Refused(`replicas: are ${n}; must be 4 to ${REPLICAS_MAX}, or 1 for development`);
	g.replicas.forEach((_, i) => checkReplica(g, i));
	checkParams(g);
	checkSeal(g);
	checkProposer(g);
	checkAllocations(g);
}

/* The genesis with what follows from it: chain (its id), f, quorum.  Throws Refused. */
function genesisOf(bytes) {
	const g = readGenesis(jsonOf(bytes)), n = g.replicas.length;
	g.f = Math.floor((n - 1) / 3);
	g.quorum = Math.ceil((n + g.f + 1) / 2);
	checkGenesis(g);
	const names = (r) => ({...r, name: ascii(r.name), address: ascii(r.address)});
	const genesis = {...g, name: ascii(g.name), replicas: g.replicas.map(names)};
	g.chain = g.parent === undefined
		? taggedHash("quorate/genesis/v1", encode(genesisType, genesis))
		: taggedHash("quorate/successor/v1", encode(successor, {genesis, parent: g.parent}));
	return g;
}
