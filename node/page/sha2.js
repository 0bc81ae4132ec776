/*
 * sha2.js: SHA-256 and SHA-512 (FIPS 180-4), and the tagged hashes of quorate.
 *
 * The constants of both are defined as bits of roots of primes, and that is how they come about here.
 */

const PRIMES = [];
for (let n = 2; PRIMES.length < 80; n++)
	if (PRIMES.every((p) => n % p !== 0))
		PRIMES.push(n);

/* The first 64 bits of the fractional part of the k-th root of n. */
function rootBits(n, k) {
	const power = BigInt(n) << (64n * k);
	let low = 0n, high = 1n << 72n;
	while (high - low > 1n) {
		const middle = (low + high) >> 1n;
		if (middle ** k <= power)
			low = middle;
		else
			high = middle;
	}
	return BigInt.asUintN(64, low);
}

const SHA512_START = PRIMES.slice(0, 8).map((p) => rootBits(p, 2n));
const SHA512_ROUNDS = PRIMES.map((p) => rootBits(p, 3n));
const firstHalf = (bits) => Number(bits >> 32n);
const SHA256_START = Uint32Array.from(SHA512_START, firstHalf);
const SHA256_ROUNDS = Uint32Array.from(SHA512_ROUNDS.slice(0, 64), firstHalf);

function join(parts) {
	const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}
const concat = (...parts) => join(parts);

/* The message, a one bit, zeros, and its length in bits in the last 8 bytes of whole blocks; `field` is what the
 * standard reserves for the length. */
function padded(message, block, field) {
	const all = new Uint8Array(Math.ceil((message.length + 1 + field) / block) * block);
	all.set(message);
	all[message.length] = 0x80;
	new DataView(all.buffer).setBigUint64(all.length - 8, 8n * BigInt(message.length));
	return all;
}

const rotate32 = (x, n) => (x >>> n) | (x << (32 - n));

function sha256(message) {
	const state = SHA256_START.slice(), w = new Uint32Array(64);
	const view = new DataView(padded(message, 64, 8).buffer);
	for (let at = 0; at < view.byteLength; at += 64) {
		for (let i = 0; i < 16; i++)
			w[i] = view.getUint32(at + 4 * i);
		for (let i = 16; i < 64; i++) {
			const x = w[i - 15], y = w[i - 2];
			w[i] = w[i - 16] + w[i - 7] + (rotate32(x, 7) ^ rotate32(x, 18) ^ (x >>> 3)) +
				(rotate32(y, 17) ^ rotate32(y, 19) ^ (y >>> 10));
		}
		let [a, b, c, d, e, f, g, h] = state;
		for (let i = 0; i < 64; i++) {
			const t1 = (h + (rotate32(e, 6) ^ rotate32(e, 11) ^ rotate32(e, 25)) + ((e & f) ^ (~e & g)) +
				SHA256_ROUNDS[i] + w[i]) | 0;
			const t2 = ((rotate32(a, 2) ^ rotate32(a, 13) ^ rotate32(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
			h = g, g = f, f = e, e = (d + t1) | 0;
			d = c, c = b, b = a, a = (t1 + t2) | 0;
		}
		[a, b, c, d, e, f, g, h].forEach((x, i) => { state[i] += x; });
	}
	const out = new DataView(new ArrayBuffer(32));
	state.forEach((x, i) => out.setUint32(4 * i, x));
	return new Uint8Array(out.buffer);
}

const word64 = (x) => BigInt.asUintN(64, x);
const rotate64 = (x, n) => word64((x >> n) | (x << (64n - n)));

/* The same with words twice as long.  Only what replicas signed passes here: some hundred bytes. */
function sha512(message) {
	const state = SHA512_START.slice(), w = new Array(80);
	const view = new DataView(padded(message, 128, 16).buffer);
	for (let at = 0; at < view.byteLength; at += 128) {
		for (let i = 0; i < 16; i++)
			w[i] = view.getBigUint64(at + 8 * i);
		for (let i = 16; i < 80; i++) {
			const x = w[i - 15], y = w[i - 2];
			w[i] = word64(w[i - 16] + w[i - 7] + (rotate64(x, 1n) ^ rotate64(x, 8n) ^ (x >> 7n)) +
				(rotate64(y, 19n) ^ rotate64(y, 61n) ^ (y >> 6n)));
		}
		let [a, b, c, d, e, f, g, h] = state;
		for (let i = 0; i < 80; i++) {
			const t1 = h + (rotate64(e, 14n) ^ rotate64(e, 18n) ^ rotate64(e, 41n)) + ((e & f) ^ (word64(~e) & g)) +
				SHA512_ROUNDS[i] + w[i];
			const t2 = (rotate64(a, 28n) ^ rotate64(a, 34n) ^ rotate64(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c));
			h = g, g = f, f = e, e = word64(d + t1);
			d = c, c = b, b = a, a = word64(t1 + t2);
		}
		[a, b, c, d, e, f, g, h].forEach((x, i) => { state[i] = word64(state[i] + x); });
	}
	const out = new DataView(new ArrayBuffer(64));
	state.forEach((x, i) => out.setBigUint64(8 * i, x));
	return new Uint8Array(out.buffer);
}

/* Text that is ASCII, as bytes. */
const ascii = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

/* SHA-256 of the tag's length, the tag and the parts: no hash of one purpose passes for one of another. */
function taggedHash(tag, ...parts) {
	return sha256(concat([tag.length], ascii(tag), ...parts));
}
