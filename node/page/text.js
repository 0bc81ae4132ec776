/*
 * text.js: how text gets into a page.
 *
 * Whatever comes from a file or a node gets there as text alone (textContent), with what could disguise it made visible:
 * a memo is a stranger's.
 */

const byId = (id) => document.getElementById(id);

/* An element with text or elements in it; undefined ones are left out. */
function element(name, attributes, ...children) {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	made.append(...children.flat().filter((child) => child !== undefined));
	return made;
}

/* Controls, marks that turn the writing's direction and other invisible characters, as \u{...}. */
const visible = (text) =>
	String(text).replace(/[^\P{C}\n]|[\p{Z}--[ ]]/gv, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
