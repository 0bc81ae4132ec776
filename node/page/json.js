/*
 * json.js: reading JSON strictly, in the words of net/wire/jread.c.
 *
 * The browser's own reader takes a key that is given twice, and keeps integers as doubles: the files that pass here
 * are about money.  Integers become BigInts, other numbers NaN (nothing of ours has any), objects Maps.
 */

/* What was read is refused; the text is meant for people. */
class Refused extends Error {}

const DEPTH_MAX = 16; /* our files have four levels */
const LIST_MAX = 1 << 20; /* the allocations of a genesis */
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const STRING_END = /["\\\u0000-\u001f]/g;

class JsonReader {
	constructor(text) {
		this.text = text;
		this.at = 0;
	}

	wrong(what) {
		const lines = this.text.slice(0, this.at).split("\n");
		throw new Refused(`line ${lines.length}, column ${lines.at(-1).length + 1}: ${what}`);
	}

	/* Takes what the sticky pattern matches here; undefined: nothing. */
	take(pattern) {
		pattern.lastIndex = this.at;
		const found = pattern.exec(this.text)?.[0];
		this.at += found?.length ?? 0;
		return found;
	}

	space() {
		while (" \t\n\r".includes(this.text[this.at] ?? "end"))
			this.at++;
	}

	is(char) {
		this.space();
		const yes = this.text[this.at] === char;
		this.at += yes ? 1 : 0;
		return yes;
	}

	/* Where a string may end, from `at`: at its quote, an escape, or what must not be in it. */
	stringEnd(at) {
		STRING_END.lastIndex = at;
		return STRING_END.exec(this.text)?.index ?? this.text.length;
	}

	string() {
		const from = this.at;
		if (this.text[from] !== "\"")
			this.wrong("a string was expected");
		let end = this.stringEnd(from + 1), text;
		while (this.text[end] === "\\")
			end = this.stringEnd(end + 2);
		if (this.text[end] !== "\"")
			this.wrong("a string does not end");
		this.at = end + 1;
		try {
			text = JSON.parse(this.text.slice(from, this.at)); /* which knows the escapes */
		} catch {
			this.wrong("a string with an escape that there is not");
		}
		if (text.includes("\0") || !text.isWellFormed())
			this.wrong("a string with a NUL, or with half a character");
		return text;
	}

	/* `read` one element after the other, up to the closing bracket. */
	elements(end, depth, read) {
		this.at++;
		if (depth >= DEPTH_MAX)
			this.wrong("brackets within brackets within brackets: no file of ours");
		if (this.is(end))
			return;
		let count = 0;
		do {
			if (++count > LIST_MAX)
				this.wrong("a list longer than any of ours");
			this.space();
			read();
		} while (this.is(","));
		if (!this.is(end))
			this.wrong(`"," or "${end}" was expected`);
	}

	object(depth) {
		const members = new Map();
		this.elements("}", depth, () => {
			const key = this.string();
			if (members.has(key))
				this.wrong(`"${key}" is given twice`);
			if (!this.is(":"))
				this.wrong("\":\" was expected");
			members.set(key, this.value(depth + 1));
		});
		return members;
	}

	array(depth) {
		const list = [];
		this.elements("]", depth, () => list.push(this.value(depth + 1)));
		return list;
	}

	number() {
		const text = this.take(NUMBER);
		if (text === undefined)
			this.wrong("a value was expected");
		const real = /[.eE]/.test(text), value = real ? NaN : BigInt(text.slice(0, 20));
		if (value > INT64_MAX || value < -INT64_MAX - 1n || (real ? !isFinite(text) : text.length > 20))
			this.wrong("a number that is too large");
		return value;
	}

	value(depth) {
		this.space();
		const first = this.text[this.at];
		if (first === "{")
			return this.object(depth);
		if (first === "[")
			return this.array(depth);
		if (first === "\"")
			return this.string();
		const word = this.take(WORD);
		return word === undefined ? this.number() : JSON.parse(word);
	}
}

/* The document in a file's bytes, as a field without a name. */
function jsonOf(bytes) {
	let text;
	try {
		text = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
	} catch {
		throw new Refused("line 1, column 1: this is no text");
	}
	const reader = new JsonReader(text);
	reader.space();
	if (!"[{".includes(text[reader.at] ?? "end"))
		reader.wrong("\"{\" was expected");
	const value = reader.value(0);
	reader.space();
	if (reader.at < text.length)
		reader.wrong("the document has ended, and something follows it");
	return new Field(value, "");
}

const textBytes = (text) => new TextEncoder().encode(text);
const HEX_DIGITS = /^(?:[0-9a-f]{2})*$/;
const HEX = Array.from({length: 256}, (_, b) => b.toString(16).padStart(2, "0"));

function hexOf(bytes) {
	let text = "";
	for (const b of bytes)
		text += HEX[b];
	return text;
}

function bytesOfHex(hex) {
	const bytes = new Uint8Array(hex.length / 2);
	for (let i = 0; i < bytes.length; i++)
		bytes[i] = parseInt(hex[2 * i] + hex[2 * i + 1], 16);
	return bytes;
}

/* A value and where it stands; every reader below throws when it is not as expected. */
class Field {
	constructor(value, path) {
		this.value = value;
		this.path = path;
	}

	get isThere() {
		return this.value !== undefined;
	}

	wrong(what) {
		throw new Refused(`${this.path || "the document"}: ${what}`);
	}

	field(key) {
		return new Field(this.value.get(key), this.path ? `${this.path}.${key}` : key);
	}

	/* An object with every key of `must` and none but those and `may`: lists of words. */
	object(must, may = "") {
		if (!this.isThere)
			this.wrong("missing");
		if (!(this.value instanceof Map))
			this.wrong("must be an object");
		const words = (list) => list.split(" ").filter((word) => word !== "");
		const known = [...words(must), ...words(may)];
		for (const key of this.value.keys())
			if (!known.includes(key))
				this.field(key).wrong("unknown field");
		for (const key of words(must))
			if (!this.value.has(key))
				this.field(key).wrong("missing");
	}

	array(max) {
		if (!Array.isArray(this.value))
			this.wrong("must be an array");
		if (this.value.length > max)
			this.wrong(`has ${this.value.length} elements; at most ${max} are allowed`);
		return this.value.map((value, i) => new Field(value, `${this.path}[${i}]`));
	}

	string(max) {
		if (typeof this.value !== "string")
			this.wrong("must be a string");
		const length = textBytes(this.value).length;
		if (length > max)
			this.wrong(`has ${length} bytes; at most ${max} are allowed`);
		return this.value;
	}

	/* Exactly so many bytes as lower-case hex. */
	hex(length) {
		if (typeof this.value !== "string" || this.value.length !== 2 * length || !HEX_DIGITS.test(this.value))
			this.wrong(`must be a string of ${2 * length} lower-case hex digits`);
		return bytesOfHex(this.value);
	}

	/* At most so many. */
	bytes(max) {
		if (!HEX_DIGITS.test(this.string(2 * max)))
			this.wrong("must be lower-case hex digits, two a byte");
		return bytesOfHex(this.value);
	}

	integer(min, max) {
		if (typeof this.value !== "bigint")
			this.wrong(`must be an integer from ${min} to ${max}`);
		if (this.value < min || this.value > max)
			this.wrong(`is ${this.value}; must be ${min} to ${max}`);
		return this.value;
	}

	amount() {
		const text = typeof this.value === "string" ? this.value : "";
		if (!/^[1-9][0-9]{0,18}$/.test(text) || BigInt(text) > INT64_MAX)
			this.wrong(`must be an amount: a decimal string from "1" to "${INT64_MAX}"`);
		return BigInt(text);
	}
}

const INT64_MAX = (1n << 63n) - 1n;
const UINT32_MAX = 0xffffffffn;
