/*
 * view.js: what the page shows.
 *
 * Nothing of a receipt is shown before all of it has been verified.
 */

const RECEIPT_MAX = 4 << 20, GENESIS_MAX = 16 << 20;
const SLICE_MS = 12; /* of work, before the browser gets its turn */

/* ---- the ring: a dot for each replica, full if it has signed ------------------------------------ */

function svg(name, attributes) {
	const made = document.createElementNS("http://www.w3.org/2000/svg", name);
	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	return made;
}

const SIGNS = {good: "M-15 1 L-5 11 L15 -10", bad: "M-11 -11 L11 11 M11 -11 L-11 11", waiting: "", busy: ""};

function drawSeal(kind, n, signers) {
	const picture = svg("svg", {viewBox: "-50 -50 100 100"});
	picture.append(svg("circle", {r: 42, class: "ring"}));
	for (let i = 0; i < n; i++) {
		const turn = 2 * Math.PI * i / n, size = Math.min(5, 90 / n);
		picture.append(svg("circle", {
			cx: (42 * Math.sin(turn)).toFixed(2), cy: (-42 * Math.cos(turn)).toFixed(2), r: size,
			class: signers.includes(i) ? "signed" : "silent",
		}));
	}
	picture.append(svg("path", {d: SIGNS[kind], class: "sign"}));
	byId("seal").replaceChildren(picture);
}

/* ---- the verdict ---------------------------------------------------------------------------------- */

function say(kind, answer, reason, genesis, signers = []) {
	byId("verdict").className = kind;
	byId("verdict").setAttribute("aria-busy", kind === "busy"); /* a screen reader waits for the end of it */
	byId("answer").textContent = answer;
	byId("reason").textContent = visible(reason.replace(/^[a-z]+(?= )/, (word) => word[0].toUpperCase() + word.slice(1)));
	drawSeal(kind, genesis?.replicas.length ?? 4, signers);
	byId("proven").hidden = kind !== "good";
	document.title = `${kind === "waiting" ? "Verify a receipt" : answer} · quorate`;
	if (kind === "good" || kind === "bad")
		byId("verdict").scrollIntoView({block: "nearest"});
}

function timeText(ms) {
	if (ms > TIME_MAX_MS)
		return `${ms} ms after 1970-01-01`;
	return new Date(Number(ms)).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
}

const code = (text) => element("code", {class: "hex"}, text);
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/* A member of a list of facts. */
const fact = (name, ...what) => element("div", {class: "fact"}, element("dt", {}, name), element("dd", {}, ...what));

function memoFact(memo) {
	if (memo.length === 0)
		return undefined;
	try {
		const text = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(memo);
		return fact("Memo", element("bdi", {class: "memo"}, visible(text)));
	} catch {
		return fact("Memo, which is no text", code(hexOf(memo)));
	}
}

function lockText(g, lock) {
	const replica = g.replicas[lock.value]?.name ?? `replica ${lock.value}`;
	return {
		[LOCK_STAKE]: `staked for ${replica}`,
		[LOCK_RELEASE]: `released stake of ${replica}`,
		[LOCK_FROZEN]: `frozen for ever, for an offence of ${replica}`,
	}[lock.kind];
}

function outputsFact(g, outputs) {
	const rows = outputs.map(({owner, amount, lock}) => element("tr", {},
		element("td", {class: "amount"}, `${amount}`),
		element("td", {}, code(addressText(owner)),
			lock.kind === LOCK_NONE ? undefined : element("span", {class: "lock"}, lockText(g, lock)))));
	const head = element("tr", {}, element("th", {scope: "col", class: "amount"}, "Amount"),
		element("th", {scope: "col"}, "To the address"));
	return fact(`Pays ${plural(outputs.length, "output")}`,
		element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

function signersFact(g, r) {
	const names = r.cert.sigs.map(({replica}) => element("li", {}, g.replicas[replica].name));
	const above = r.headers.length - 1;
	return fact("Certified by",
		element("ul", {class: "names"}, ...names),
		element("p", {class: "note"}, `${names.length} of ${plural(g.replicas.length, "replica")} signed ` +
			`${r.cert.kind === CHECKPOINT ? "a checkpoint at" : "the commit of"} ` +
			`${above === 0 ? "this block" : `block ${r.cert.vote.height}, ${above} above this one`}; ` +
			`the chain needs ${g.quorum}.`));
}

function showProven(g, r) {
	const block = r.headers[0];
	const facts = element("dl", {},
		fact("Transaction", code(hexOf(r.tx.id))),
		outputsFact(g, r.tx.outputs),
		memoFact(r.tx.memo),
		fact("Paid by", element("ul", {class: "plain"}, ...r.tx.owners.map((o) => element("li", {}, code(addressText(o)))))),
		...r.tx.offence.map((o) => fact("Convicts",
			`${g.replicas[o.replica].name}, which signed two contradicting statements at height ${o.first.height}`)),
		fact("Block", element("span", {class: "height"}, `${block.height}`), ` · ${timeText(block.timeMs)}`,
			element("br", {}), code(hexOf(block.hash))),
		signersFact(g, r),
		fact("Chain", g.name, element("br", {}), code(hexOf(g.chain))));
	byId("proven").replaceChildren(element("h2", {}, "What is proven"), facts);
}

/* Lets the browser have its turn. */
const turn = () => new Promise((resume) => setTimeout(resume));

/* ---- files ------------------------------------------------------------------------------------------ */

const state = {genesis: null, receipt: null, run: 0};
const limits = {genesis: GENESIS_MAX, receipt: RECEIPT_MAX};

/* Refusals are said; anything else is our mistake, and no verdict either. */
const reasonOf = (e) => e instanceof Refused ? e.message : `this page cannot tell, because of a mistake in itself: ${e}`;

function setSlot(kind, className, said) {
	byId(`slot-${kind}`).className = `slot ${className}`;
	byId(`said-${kind}`).textContent = visible(said);
}

/* What a file says that it is, whatever it was chosen for. */
function kindOf(bytes, otherwise) {
	try {
		const root = jsonOf(bytes).value;
		return root.has("quorate-genesis") ? "genesis" : root.has("certificate") ? "receipt" : otherwise;
	} catch {
		return otherwise;
	}
}

function take(kind, name, bytes) {
	try {
		const value = kind === "genesis" ? genesisOf(bytes) : receiptOf(bytes);
		state[kind] = {value};
		setSlot(kind, "ready", kind === "genesis" ? `${value.name}, of ${plural(value.replicas.length, "replica")}: ` +
			`chain ${hexOf(value.chain)}` : name);
	} catch (e) {
		state[kind] = {fault: reasonOf(e), proof: e instanceof NoProof};
		setSlot(kind, "wrong", name);
	}
}

/* A file that was dropped anywhere is what it says that it is; and only a genesis can be large. */
async function open(file, wanted) {
	let kind = wanted ?? (file.size > RECEIPT_MAX ? "genesis" : "receipt");
	const refuse = (fault) => {
		state[kind] = {fault};
		setSlot(kind, "wrong", file.name);
	};
	if (file.size > GENESIS_MAX)
		return refuse(`${file.size} bytes are more than this page reads, ${GENESIS_MAX}`);
	let bytes;
	say("busy", "Reading", file.name);
	await turn(); /* or a large one would be read before this is seen */
	try {
		bytes = new Uint8Array(await file.arrayBuffer());
	} catch (e) {
		return refuse(`the browser cannot read the file: ${e.message}`);
	}
	if (bytes.length <= RECEIPT_MAX)
		kind = kindOf(bytes, kind);
	if (bytes.length > limits[kind])
		return refuse(`larger than ${limits[kind]} bytes, and so no ${kind}`);
	return take(kind, file.name, bytes);
}

/* ---- verifying ----------------------------------------------------------------------------------------- */

/* False: another run has begun meanwhile. */
async function run(g, r) {
	const mine = ++state.run;
	let pause = performance.now() + SLICE_MS;
	for (const [done, total] of verification(g, r)) {
		if (performance.now() < pause)
			continue;
		say("busy", "Checking", `Signature ${done + 1} of ${total}`, g);
		await turn();
		if (mine !== state.run)
			return false;
		pause = performance.now() + SLICE_MS;
	}
	return true;
}

async function judge() {
	const {genesis, receipt} = state;
	if (genesis?.fault)
		return say("bad", "This is no genesis", `${genesis.fault}.`);
	if (receipt?.fault)
		return say("bad", receipt.proof ? "Not a proof" : "This is no receipt", `${receipt.fault}.`, genesis?.value);
	if (!genesis || !receipt)
		return say("waiting", genesis || receipt ? "One file more" : "Nothing to check yet",
			genesis ? "Now the receipt." : receipt ? "Now the genesis of the chain, which is what you trust."
				: "Choose both files, or drop them anywhere on this page.", genesis?.value);
	const g = genesis.value, r = receipt.value;
	try {
		if (!await run(g, r))
			return undefined;
		showProven(g, r);
		return say("good", "Verified", `This transaction is final on ${g.name}, in block ${r.headers[0].height}.`, g,
			r.cert.sigs.map(({replica}) => replica));
	} catch (e) {
		return say("bad", e instanceof NoProof ? "Not a proof" : "No verdict", `${reasonOf(e)}.`, g);
	}
}

async function openAll(files, wanted) {
	state.run++; /* what is being verified is of no interest any more */
	for (const file of files)
		await open(file, wanted);
	await judge();
}

for (const kind of ["genesis", "receipt"])
	byId(kind).addEventListener("change", async (event) => {
		await openAll([...event.target.files], kind);
		event.target.value = ""; /* the same file may be chosen again, when it has changed */
	});
addEventListener("dragover", (event) => {
	event.preventDefault();
	document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
	if (!event.relatedTarget)
		document.body.classList.remove("dragging");
});
addEventListener("drop", (event) => {
	event.preventDefault();
	document.body.classList.remove("dragging");
	openAll([...event.dataTransfer.files]);
});
judge();
