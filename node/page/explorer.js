/*
 * explorer.js: a chain as one of its nodes sees it.
 *
 * /v1/events pushes the node's status; blocks that it tells of are asked for once and put in front of the list.  The address behind the # says
 * which page is shown.
 */

const LISTED = 20; /* blocks in the list */

const count = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
const short = (id) => `${id.slice(0, 12)}…`;
const when = (ms) => new Date(Number(ms)).toLocaleString();
const link = (to, text, name = "id") => element("a", {href: to, class: name}, visible(text));
const toBlock = (height) => link(`#/block/${height}`, count(height), "");
const toTransaction = (id, text = id) => link(`#/transaction/${id}`, text, text === id ? "id" : "id short");
const toAddress = (address) => link(`#/address/${address}`, address);

const state = {status: undefined, genesis: undefined, blocks: [], shown: 0};

const replicaName = (index) => state.genesis?.replicas[index]?.name ?? `replica ${index}`;

class Refused extends Error {}

/* What the node answers; Refused: its own words why not. */
async function ask(path) {
	const answer = await fetch(path, {headers: {Accept: "application/json"}});
	const said = await answer.json();
	if (!answer.ok)
		throw new Refused(said.error?.message ?? `the node answered ${answer.status}`);
	return said;
}

/* ---- parts ------------------------------------------------------------------------------------------ */

const facts = (...pairs) => element("dl", {class: "facts"}, pairs.filter(([, value]) => value !== undefined)
	.map(([name, ...value]) => element("div", {}, element("dt", {}, name), element("dd", {}, ...value))));

const cell = (value, name = "") => element("td", {class: name}, ...[value].flat());

function table(heads, rows) {
	const line = heads.map(([text, name = ""]) => element("th", {scope: "col", class: name}, text));
	return element("div", {class: "scroll"},
		element("table", {}, element("thead", {}, element("tr", {}, line)), element("tbody", {}, rows)));
}

function signers(certificate) {
	if (!certificate)
		return "not certified by a height of its own";
	const names = certificate.signers.map((index) => visible(replicaName(index))).join(", ");
	return `${certificate.signers.length} of ${state.genesis?.replicas.length ?? "?"} replicas signed at height ` +
		`${count(certificate.height)}, view ${certificate.view}: ${names}`;
}

/* ---- the chain now ------------------------------------------------------------------------------------ */

function showNow(s) {
	const tiles = [
		["Height", count(s.height)], ["Transactions", count(s.transactions)], ["Waiting", count(s.mempool)],
		["View", String(s.view)], ["Next proposer", s.proposer === null ? "?" : visible(replicaName(s.proposer))],
	];
	const troubles = [];
	if (s.muted)
		troubles.push(`This replica does not vote: ${visible(s.muted)}`);
	if (!s.active)
		troubles.push("This replica asks for another view: the primary made no block in time");
	if (s.certified > s.height + 1)
		troubles.push(`This replica is catching up: block ${count(s.certified)} is certified`);
	byId("now").replaceChildren(
		element("dl", {}, tiles.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
		...troubles.map((text) => element("p", {class: "trouble"}, text)));
}

function replicaRows(s) {
	const own = {index: s.replica, height: s.height, view: s.view, connected: true, own: true};
	return [...s.peers, own].sort((a, b) => a.index - b.index).map((peer) => {
		const behind = peer.height === null ? undefined : s.height - peer.height;
		const [kind, word] = peer.own ? ["good", "this node"] : !peer.connected ? ["bad", "not connected"] :
			behind === undefined ? ["wait", "not heard yet"] :
			behind > 1 ? ["wait", `${count(behind)} blocks behind`] : ["good", "with us"];
		return element("tr", {}, cell(visible(replicaName(peer.index))), cell(element("span", {class: kind}, word)),
			cell(peer.height === null ? "?" : count(peer.height), "number"),
			cell(peer.view === null ? "?" : String(peer.view), "number"),
			cell(s.primary === peer.index ? "primary" : "", "wide"));
	});
}

function auditText(scrub) {
	if (scrub.running)
		return ["wait", `under way, at height ${count(scrub.height)}`];
	return scrub.last_ok_at_ms === null ? ["wait", "not yet"] :
		["good", `every row right, up to height ${count(scrub.height)}, ${when(scrub.last_ok_at_ms)}`];
}

/* ---- the list of blocks --------------------------------------------------------------------------------- */

const blockRow = (block, fresh) => element("tr", fresh ? {class: "fresh"} : {},
	cell(toBlock(block.height)), cell(count(block.tx_count), "number"),
	cell(visible(replicaName(block.proposer))), cell(when(block.time_ms), "time"), cell(short(block.hash), "id wide"));

/* Asks for what is above the newest block here, and puts it in front. */
async function followBlocks() {
	const height = state.status.height, known = state.blocks[0]?.height ?? 0;
	if (height <= known)
		return;
	const from = Math.max(known + 1, height - LISTED + 1, 1);
	const said = await ask(`/v1/blocks?from=${from}&limit=${LISTED}`);
	state.blocks = [...said.blocks.reverse(), ...state.blocks.filter((b) => b.height < from)].slice(0, LISTED);
	const list = byId("blocks")?.querySelector("tbody");
	list?.replaceChildren(...state.blocks.map((block) => blockRow(block, known > 0 && block.height > known)));
}

function overview() {
	const s = state.status, [kind, text] = auditText(s.scrub);
	return [
		element("h2", {}, "Replicas"),
		element("div", {id: "replicas"},
			table([["Name"], ["Health"], ["Height", "number"], ["View", "number"], ["", "wide"]], replicaRows(s))),
		element("h2", {}, "Blocks"),
		element("div", {id: "blocks"},
			table([["Height"], ["Transactions", "number"], ["Proposer"], ["Time"], ["Hash", "wide"]],
				state.blocks.map((block) => blockRow(block, false)))),
		element("h2", {}, "This node's ledger"),
		facts(["Own audit", element("span", {id: "audit", class: kind}, text)],
			["Unspent", `${count(s.unspent)} outputs, ${count(s.supply)} in all`], ["Chain", element("span", {class: "id"}, s.chain)],
			["Succeeds", s.parent ? element("span", {class: "id"}, `${s.parent.chain} at height ${count(s.parent.height)}`) : undefined]),
	];
}

/* ---- single things --------------------------------------------------------------------------------------- */

async function blockPage(height) {
	const b = await ask(`/v1/blocks/${encodeURIComponent(height)}`);
	return [
		element("h1", {}, `Block ${count(b.height)}`),
		facts(["Time", when(b.time_ms)], ["Proposer", visible(replicaName(b.proposer))], ["Signed", signers(b.certificate)],
			["Hash", element("span", {class: "id"}, b.hash)],
			["Parent", b.height > 1 ? link(`#/block/${b.height - 1}`, b.parent) : element("span", {class: "id"}, `${b.parent} (the genesis)`)],
			["Merkle root", element("span", {class: "id"}, b.merkle_root)]),
		element("h2", {}, `${count(b.tx_count)} transactions`),
		table([["Transaction"]], b.transactions.map((id) => element("tr", {}, cell(toTransaction(id))))),
	];
}

const amounts = (outputs, row) => table([["Amount", "number"], ["Owner"], [row]], outputs);

/* Its bytes are anybody's: text if they are UTF-8. */
function memo(hex) {
	const bytes = Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
	try {
		return visible(new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes));
	} catch {
		return `${hex} (no text)`;
	}
}

function transactionPage(t) {
	const kind = {final: "good", pending: "wait"}[t.status] ?? "bad";
	const attempts = (t.attempts ?? []).map((a) => element("tr", {}, cell(toTransaction(a.winner, short(a.winner))),
		cell(toTransaction(a.loser, short(a.loser))), cell(toAddress(a.signer)),
		cell(element("a", {href: `/v1/evidence/${a.entry}`, download: `evidence-${a.entry}.json`}, "Download"))));
	return [
		element("h1", {}, "Transaction"),
		facts(["Id", element("span", {class: "id"}, t.txid)],
			["Status", element("span", {class: kind}, t.message ? visible(`${t.status}: ${t.message}`) : t.status)],
			["Its output was spent by", t.spent_by ? toTransaction(t.spent_by) : undefined],
			["Block", t.height ? toBlock(t.height) : undefined], ["Time", t.block ? when(t.block.time_ms) : undefined],
			["Signed", t.certificate ? signers(t.certificate) : undefined],
			["Memo", t.memo_hex ? element("span", {class: "memo", id: "memo"}, memo(t.memo_hex)) : undefined],
			["Receipt", t.status === "final" ? element("a", {href: `/v1/receipts/${t.txid}`, download: `receipt-${t.txid.slice(0, 12)}.json`},
				"Download; it can be checked without this node") : undefined]),
		...(t.inputs ? [element("h2", {}, "Spends"), amounts(t.inputs.map((i) => element("tr", {}, cell(count(i.amount ?? "?"), "number"),
			cell(i.owner ? toAddress(i.owner) : "?"), cell(toTransaction(i.txid, `${short(i.txid)} ${i.index}`)))), "Output of")] : []),
		...(t.outputs ? [element("h2", {}, "Pays"), amounts(t.outputs.map((o) => element("tr", {}, cell(count(o.amount), "number"),
			cell(toAddress(o.owner)), cell(o.spent_by ? toTransaction(o.spent_by, short(o.spent_by)) : "not spent"))), "Spent by")] : []),
		...(attempts.length > 0 ? [element("h2", {}, "Attempts to spend the same twice"), table([["Final"], ["Refused"], ["Signed by"], ["Proof"]], attempts)] : []),
	];
}

async function addressPage(address) {
	const a = await ask(`/v1/addresses/${encodeURIComponent(address)}`);
	return [
		element("h1", {}, "Address"),
		facts(["Address", element("span", {class: "id"}, a.address)], ["Holds", element("strong", {id: "amount"}, count(a.amount))],
			["Free to spend", count(a.free)], ["Staked", a.stake === "0" ? undefined : count(a.stake)]),
		element("h2", {}, `${count(a.count)} unspent outputs`),
		table([["Amount", "number"], ["Since height", "number"], ["Output of"]], a.outputs.map((o) => element("tr", {},
			cell(count(o.amount), "number"), cell(o.height > 0 ? toBlock(o.height) : "genesis", "number"),
			cell(o.height > 0 ? toTransaction(o.txid, `${short(o.txid)} ${o.index}`) : "allocation")))),
		a.count > a.outputs.length ? element("p", {class: "note"}, `The first ${count(a.outputs.length)} are shown.`) : undefined,
	].filter((part) => part !== undefined);
}

async function evidencePage() {
	const said = await ask("/v1/evidence?limit=50");
	return [
		element("h1", {}, "Evidence"),
		element("p", {class: "note"}, "Signed contradictions that this node has come by: replicas that signed both of two things, and clients that spent an output twice. " +
			"Each is a file that proves itself."),
		said.evidence.length === 0 ? element("p", {id: "none"}, "There is none.") :
			table([["No."], ["What"], ["File", ""]], said.evidence.map((e) => element("tr", {}, cell(String(e.seq)),
				cell(visible(e.what)), cell(element("a", {href: `/v1/evidence/${e.seq}`, download: `evidence-${e.seq}.json`}, "Download"))))),
	];
}

/* ---- which page -------------------------------------------------------------------------------------------- */

const PAGES = {
	block: blockPage,
	transaction: async (id) => transactionPage(await ask(`/v1/transactions/${encodeURIComponent(id)}`)),
	address: addressPage,
	evidence: evidencePage,
};

async function show() {
	const [, kind, arg] = location.hash.split("/"), turn = ++state.shown;
	if (!state.status)
		return; /* the first event calls again */
	let parts;
	try {
		parts = Object.hasOwn(PAGES, kind ?? "") ? await PAGES[kind](decodeURIComponent(arg ?? "")) : overview();
	} catch (error) {
		parts = [element("h1", {}, "Not found"), element("p", {id: "refused"}, visible(error.message))];
	}
	if (turn !== state.shown)
		return; /* another page was asked for meanwhile */
	byId("page").replaceChildren(...parts);
	document.title = `${byId("page").querySelector("h1")?.textContent ?? visible(state.status.name)} · quorate`;
}

/* What kind of name is that? Heights are numbers, ids 64 hex digits, addresses begin with q. */
function find(text) {
	const query = text.trim();
	if (/^\d{1,16}$/.test(query))
		return `#/block/${query}`;
	if (/^[0-9a-f]{64}$/i.test(query))
		return `#/transaction/${query.toLowerCase()}`;
	if (/^q[0-9a-f]{48}$/i.test(query))
		return `#/address/${query.toLowerCase()}`;
	return undefined;
}

byId("search").addEventListener("submit", (event) => {
	event.preventDefault();
	const to = find(byId("query").value);
	byId("search-said").textContent = to ? "" : "That is no height (a number), transaction (64 hex digits) or address (q and 48 hex digits).";
	if (to)
		location.hash = to;
});
addEventListener("hashchange", () => {
	byId("search-said").textContent = "";
	show().then(() => byId("content").focus());
});

/* ---- live ----------------------------------------------------------------------------------------------------- */

function live(kind, text) {
	if (byId("live").textContent !== text)
		byId("live").textContent = text;
	byId("live").className = kind;
}

async function onStatus(status) {
	const first = !state.status;
	state.status = status;
	byId("name").textContent = visible(status.name);
	showNow(status);
	await followBlocks();
	live("on", "Live");
	if (first) {
		await show();
		return;
	}
	byId("replicas")?.querySelector("tbody").replaceChildren(...replicaRows(status));
	const audit = byId("audit"), [kind, text] = auditText(status.scrub);
	if (audit) {
		audit.className = kind;
		audit.textContent = text;
	}
}

/* The news, for as long as the page is shown: a browser keeps pages that were left, to go back to them, and a connection with
 * each; of six to one host none would be left for the page that is shown. */
function follow() {
	const events = new EventSource("/v1/events");
	events.addEventListener("status", (event) => onStatus(JSON.parse(event.data)).catch(() => undefined)); /* the next one tries again */
	events.addEventListener("error", () => live("off", "This node does not answer; trying again …"));
	addEventListener("pagehide", () => events.close(), {once: true});
}

addEventListener("pageshow", (event) => {
	if (event.persisted)
		follow();
});

async function begin() {
	state.genesis = await ask("/v1/genesis").catch(() => undefined); /* names; numbers will do */
	follow();
}

begin();
