/*
 * curves.js: the two signatures that a receipt consists of, Ed25519 (RFC 8032) of replicas and ECDSA on secp256k1
 * (SEC 1) of accounts.
 *
 * Only verifying, and only of public data, so nothing has to take constant time.  Additions are by complete
 * formulas: they hold for all pairs of points, equal ones and the neutral one included, so there are no cases to
 * get wrong.
 */

function mod(a, m) {
	const rest = a % m;
	return rest < 0n ? rest + m : rest;
}

function power(base, exponent, m) {
	let result = 1n;
	for (base = mod(base, m); exponent > 0n; exponent >>= 1n) {
		if (exponent & 1n)
			result = result * base % m;
		base = base * base % m;
	}
	return result;
}

/* For prime m (Fermat); of 0 it is 0. */
const inverse = (a, m) => power(a, m - 2n, m);

function bigEndian(bytes) {
	let n = 0n;
	for (const b of bytes)
		n = n << 8n | BigInt(b);
	return n;
}
const littleEndian = (bytes) => bigEndian(Uint8Array.from(bytes).reverse());

const sameBytes = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

/* a * P + b * Q: one pass over the bits of both (Straus). */
function combine(curve, a, P, b, Q) {
	const both = curve.add(P, Q);
	let sum = curve.neutral;
	for (let bit = BigInt(Math.max(a.toString(2).length, b.toString(2).length)) - 1n; bit >= 0n; bit--) {
		sum = curve.add(sum, sum);
		const chosen = [null, P, Q, both][Number(a >> bit & 1n) + 2 * Number(b >> bit & 1n)];
		if (chosen)
			sum = curve.add(sum, chosen);
	}
	return sum;
}

/* ---- Ed25519 --------------------------------------------------------------- */

/* Points are (X : Y : Z : T) with x = X/Z, y = Y/Z, xy = T/Z. */
const ED = {p: 2n ** 255n - 19n, order: 2n ** 252n + 27742317777372353535851937790883648493n};
ED.d = mod(-121665n * inverse(121666n, ED.p), ED.p);
ED.rootOfMinus1 = power(2n, (ED.p - 1n) / 4n, ED.p);
ED.neutral = [0n, 1n, 1n, 0n];

/* Hisil, Wong, Carter & Dawson 2008, for a = -1. */
ED.add = ([X1, Y1, Z1, T1], [X2, Y2, Z2, T2]) => {
	const p = ED.p;
	const A = (Y1 - X1) * (Y2 - X2) % p, B = (Y1 + X1) * (Y2 + X2) % p;
	const C = 2n * ED.d * T1 % p * T2 % p, D = 2n * Z1 * Z2 % p;
	const E = B - A, F = D - C, G = D + C, H = B + A;
	return [E * F % p, G * H % p, F * G % p, E * H % p];
};

/* The point that 32 bytes encode, or null: y is not below p, or no point of the curve has it. */
ED.decode = (bytes) => {
	const p = ED.p, bits = littleEndian(bytes), sign = bits >> 255n, y = bits & (1n << 255n) - 1n;
	if (y >= p)
		return null;
	const u = mod(y * y - 1n, p), v = mod(ED.d * y * y + 1n, p);
	/* x^2 = u/v, and p = 5 mod 8. */
	let x = u * v ** 3n % p * power(u * v ** 7n % p, (p - 5n) / 8n, p) % p;
	if (v * x % p * x % p !== u)
		x = x * ED.rootOfMinus1 % p;
	if (v * x % p * x % p !== u)
		return null;
	if ((x & 1n) !== sign)
		x = mod(-x, p);
	return [x, y, 1n, x * y % p];
};

ED.encode = ([X, Y, Z]) => {
	const p = ED.p, z = inverse(mod(Z, p), p), x = mod(X * z, p), y = mod(Y * z, p);
	const bits = y | (x & 1n) << 255n;
	return Uint8Array.from({length: 32}, (_, i) => Number(bits >> BigInt(8 * i) & 0xffn));
};

ED.negative = ([X, Y, Z, T]) => [-X, Y, Z, -T];
ED.isNeutral = ([X, Y, Z]) => mod(X, ED.p) === 0n && mod(Y - Z, ED.p) === 0n;
ED.isSmallOrder = (P) => {
	for (let i = 0; i < 3; i++)
		P = ED.add(P, P);
	return ED.isNeutral(P);
};
/* y = 4/5 with even x. */
ED.base = ED.decode(Uint8Array.from({length: 32}, (_, i) => i === 0 ? 0x58 : 0x66));

/*
 * Exactly what libsodium's releases take, which is a rule of the protocol: S below the group's order; key and R
 * canonical and not of small order; and the equation without the cofactor, as bytes of R.
 */
function ed25519Verify(key, message, sig) {
	const r = sig.slice(0, 32), s = littleEndian(sig.slice(32));
	const A = ED.decode(key), R = ED.decode(r);
	if (s >= ED.order || !A || !R || ED.isSmallOrder(A) || ED.isSmallOrder(R))
		return false;
	const h = mod(littleEndian(sha512(concat(r, key, message))), ED.order);
	return sameBytes(ED.encode(combine(ED, s, ED.base, h, ED.negative(A))), r);
}

/* A key that a genesis may name: canonical, and of the main subgroup. */
function ed25519KeyValid(key) {
	const A = ED.decode(key);
	return A !== null && !ED.isSmallOrder(A) && ED.isNeutral(combine(ED, ED.order, A, 0n, ED.neutral));
}

/* ---- secp256k1 ------------------------------------------------------------- */

/* Points are (X : Y : Z) with x = X/Z, y = Y/Z; Z = 0 is the point at infinity. */
const SECP = {
	p: 2n ** 256n - 2n ** 32n - 977n,
	order: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
	neutral: [0n, 1n, 0n],
};

/* Renes, Costello & Batina 2016, for y^2 = x^3 + 7. */
SECP.add = ([X1, Y1, Z1], [X2, Y2, Z2]) => {
	const p = SECP.p, xx = X1 * X2 % p, yy = Y1 * Y2 % p, bzz = 21n * Z1 * Z2 % p;
	const xy = (X1 * Y2 + X2 * Y1) % p, yz = (Y1 * Z2 + Y2 * Z1) % p, xz = (X1 * Z2 + X2 * Z1) % p;
	const less = yy - bzz, more = yy + bzz;
	return [(xy * less - 21n * yz * xz) % p, (more * less + 63n * xx * xz) % p, (yz * more + 3n * xx * xy) % p];
};

/* The point that 33 bytes, a compressed key, encode; or null. */
SECP.decode = (bytes) => {
	const p = SECP.p, x = bigEndian(bytes.slice(1)), square = (x ** 3n + 7n) % p;
	const y = power(square, (p + 1n) / 4n, p); /* p = 3 mod 4 */
	if ((bytes[0] !== 2 && bytes[0] !== 3) || x >= p || y * y % p !== square)
		return null;
	return [x, (y & 1n) === BigInt(bytes[0] & 1) ? y : p - y, 1n];
};
SECP.base = SECP.decode(concat([2], Uint8Array.from(
	"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".match(/../g), (x) => parseInt(x, 16))));

/* Compact r and s; a high s is another encoding of the same consent, and refused. */
function ecdsaVerify(key, hash, sig) {
	const n = SECP.order, r = bigEndian(sig.slice(0, 32)), s = bigEndian(sig.slice(32));
	const Q = SECP.decode(key);
	if (!Q || r === 0n || r >= n || s === 0n || s > n / 2n)
		return false;
	const w = inverse(s, n);
	const [X, , Z] = combine(SECP, bigEndian(hash) * w % n, SECP.base, r * w % n, Q);
	if (mod(Z, SECP.p) === 0n)
		return false;
	return mod(X * inverse(mod(Z, SECP.p), SECP.p), SECP.p) % n === r;
}
