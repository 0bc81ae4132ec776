/*
 * served.c: the page as a person meets it: from a node and from a file, with a receipt of a real chain, with
 * files that are none, on a phone, in the dark, by keyboard.
 *
 * PAGE_PICTURES names a directory for pictures of what was seen; without it there are none.
 */
#include "chain.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "browser.h"
#include "receipt_file.h"
#include "wholefile.h"

static struct chain *chain;
static struct browser *browser;
static struct qreceipt proof; /* of the one payment, as in the file */
static char txid[QHASH_HEX], bob[ADDRESS_TEXT], served[128];
static char genesis[512], receipt[512], spoilt[512], empty[512], large[512], brackets[512];

/* ---- the chain and its files ---------------------------------------------------------- */

static void write_text(char path[512], const char *name, const char *text, size_t len)
{
	snprintf(path, 512, "%s/%s", chain->dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void make_payment(void)
{
	struct account *alice = chain_account(chain, "alice"), *other = chain_account(chain, "bob");
	struct qaccount_key key = account_key(alice), other_key = account_key(other);
	struct qaddress from = account_address(&key), to = account_address(&other_key);
	uint64_t amount;
	struct qoutpoint in = chain_allocation(chain, &from, &amount);
	struct tx *tx = pay(chain->genesis, alice, in, amount, to, 1234567, MEMO);

	assert_true(chain_submit(chain, 0, &tx, 1, NULL));
	assert_true(chain_final(chain, 0, &tx->id, NULL, 0, NULL, 0));
	hex_encode(txid, tx->id.b, sizeof tx->id.b);
	address_format(&to, bob);
	tx_unref(tx);
	account_free(alice);
	account_free(other);
}

/* One hex digit of the certificate is another: the last, a signature's. */
static void make_files(void)
{
	size_t len;

	snprintf(genesis, sizeof genesis, "%s/genesis.json", chain->dir);
	snprintf(receipt, sizeof receipt, "%s/receipt.json", chain->dir);
	assert_int_equal(quorate(NULL, NULL, "receipt", txid, "-o", receipt, "--node", chain->http[0], NULL),
	                 0);
	assert_true(receipt_read(receipt, &proof, NULL));
	char *text = wholefile_read(receipt, 1 << 20, &len, NULL), *last = strrchr(text, '"') - 1;
	*last = *last == '0' ? '1' : '0';
	write_text(spoilt, "spoilt.json", text, len);
	free(text);
	write_text(empty, "empty.json", "", 0);
	text = xcalloc(10 << 20, 1);
	memset(text, '[', 10 << 20);
	write_text(brackets, "brackets.json", text, 10 << 20);
	free(text);
	write_text(large, "large.json", "", 0);
	assert_int_equal(truncate(large, 1LL << 30), 0);
}

static int setup(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	if (!browser_there())
		return 0;
	chain = chain_up(4, NULL, 0);
	make_payment();
	make_files();
	snprintf(served, sizeof served, "%s/verify", chain->http[0]);
	browser = browser_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (browser) {
		browser_close(browser);
		wire_free(WIRE(qreceipt), &proof);
		chain_down(chain);
	}
	return 0;
}

/* ---- what is seen ------------------------------------------------------------------------ */

static void see(const char *expression, const char *part)
{
	char *text = browser_text(browser, expression);

	if (!strstr(text, part))
		fail_msg("%s: \"%s\" is not in \"%s\"", expression, part, text);
	free(text);
}

/* Waits for a verdict of this kind. */
static void verdict(const char *kind, const char *answer, const char *reason)
{
	char *expression;

	assert_true(asprintf(&expression,
	                     "!['waiting', 'busy'].includes(byId('verdict').className) && "
	                     "byId('reason').innerText.includes(%s)",
	                     reason) > 0);
	browser_wait(browser, expression);
	free(expression);
	see("byId('verdict').className", kind);
	see("byId('answer').innerText", answer);
	assert_int_equal(browser_true(browser, "byId('proven').checkVisibility()"),
	                 strcmp(kind, "good") == 0);
}

static void open_page(const char *url)
{
	if (!browser)
		skip();
	browser_goto(browser, url);
	see("byId('answer').innerText", "Nothing to check yet");
}

static void choose_both(void)
{
	browser_choose(browser, "#genesis", genesis);
	browser_wait(browser, "byId('answer').innerText === 'One file more'");
	browser_choose(browser, "#receipt", receipt);
	verdict("good", "Verified", "'final on'");
}

/* ---- the page ------------------------------------------------------------------------------ */

static void tells_what_is_proven(const char *url)
{
	char signed_by[64];

	open_page(url);
	choose_both();
	see("byId('proven').innerText", txid);
	see("byId('proven').innerText", bob);
	see("byId('proven').innerText", "1234567");
	snprintf(signed_by, sizeof signed_by, "%u of 4 replicas signed", proof.cert.sigs.sigs_len);
	see("byId('proven').innerText", signed_by);
	see("byId('proven').innerText", chain->genesis->g.name);
	for (u_int i = 0; i < proof.cert.sigs.sigs_len; i++)
		see("[...document.querySelectorAll('.names li')].map((li) => li.innerText).join()",
		    chain->genesis->g.replicas.replicas_val[proof.cert.sigs.sigs_val[i].replica].name);
	see("document.title", "Verified");
	assert_string_equal(browser_complaints(browser), "");
}

static void verifies_a_receipt_as_a_node_serves_it(void **state)
{
	(void)state;
	tells_what_is_proven(served);
	browser_picture(browser, "verified");
}

static void verifies_it_from_a_file(void **state)
{
	(void)state;
	tells_what_is_proven("file://" PAGE);
}

static void is_the_same_from_both(void **state)
{
	(void)state;
	size_t len, file_len;
	int status;
	char *body;

	if (!browser)
		skip();
	assert_true(http_call(chain->client[1], "/verify", NULL, NULL, 0, &status, &body, &len, NULL));
	char *file = wholefile_read(PAGE, 1 << 20, &file_len, NULL);
	assert_int_equal(status, 200);
	assert_int_equal(len, file_len);
	assert_memory_equal(body, file, len);
	free(file);
	free(body);
}

/* The header of GET /verify as it is on the wire. */
static void has_a_policy_that_allows_itself_alone(void **state)
{
	(void)state;
	static const char request[] = "GET /verify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char head[8192];
	size_t len = 0;

	if (!browser)
		skip();
	a.sin_port = htons((uint16_t)strtoul(strrchr(chain->http[0], ':') + 1, NULL, 10));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
	for (ssize_t got;
	     len < sizeof head - 1 && (got = recv(fd, head + len, sizeof head - 1 - len, 0)) > 0;)
		len += (size_t)got;
	close(fd);
	head[len] = '\0';
	*strstr(head, "\r\n\r\n") = '\0';
	assert_non_null(strstr(head, "Content-Security-Policy: default-src 'none'; script-src 'sha256-"));
	assert_non_null(strstr(head, "frame-ancestors 'none'"));
	assert_null(strstr(head, "unsafe"));
	assert_non_null(strstr(head, "Content-Type: text/html; charset=utf-8"));
	assert_non_null(strstr(head, "X-Content-Type-Options: nosniff"));
}

/* From a file it is the policy within the page that forbids. */
static void can_reach_nothing_and_run_nothing_else(void **state)
{
	(void)state;
	const char *const urls[] = {served, "file://" PAGE};
	char *fetch;

	if (!browser)
		skip();
	assert_true(asprintf(&fetch, "fetch('%s/v1/status').then(() => 'reached', () => 'refused')",
	                     chain->http[0]) > 0);
	for (size_t i = 0; i < 2; i++) {
		open_page(urls[i]);
		see(fetch, "refused");
		see("(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
		    " document.body.append(s); return String(window.ran); })()",
		    "undefined");
		see("(() => { try { return setTimeout('window.ran = 1'), eval('1'), 'ran'; } catch { return "
		    "'refused'; } })()",
		    "refused");
		assert_string_not_equal(browser_complaints(browser), "");
	}
	free(fetch);
}

static void shows_hostile_text_as_text(void **state)
{
	(void)state;
	open_page(served);
	choose_both();
	json_t *memo = browser_value(browser, "document.querySelector('.memo').textContent");
	assert_string_equal(json_string_value(memo), MEMO_SHOWN);
	json_decref(memo);
	assert_true(browser_true(browser, "document.images.length === 0"));
	assert_string_equal(browser_complaints(browser), "");
}

/* ---- other files ------------------------------------------------------------------------------ */

static void refuses_a_spoilt_receipt_after_a_good_one(void **state)
{
	(void)state;
	open_page(served);
	choose_both();
	browser_choose(browser, "#receipt", spoilt);
	verdict("bad", "Not a proof", "'The signature of replica'");
	browser_picture(browser, "refused");
	browser_choose(browser, "#receipt", receipt);
	verdict("good", "Verified", "'final on'");
	assert_string_equal(browser_complaints(browser), "");
}

static void refuses_the_genesis_of_another_chain(void **state)
{
	(void)state;
	struct genesis *g = genesis_load(genesis, NULL);
	char other[512];

	open_page(served);
	g->g.time_ms++;
	char *text = genesis_format(g);
	write_text(other, "other.json", text, strlen(text));
	browser_choose(browser, "#receipt", receipt);
	browser_wait(browser, "byId('answer').innerText === 'One file more'");
	browser_choose(browser, "#genesis", other);
	verdict("bad", "Not a proof", "'The receipt is of another chain than this genesis'");
	free(text);
	genesis_free(g);
}

static void says_of_other_files_what_they_are_not(void **state)
{
	(void)state;
	const struct {
		const char *path, *answer, *reason;
	} files[] = {
	    {empty, "This is no receipt", "'This is no receipt: line 1, column 1: '"},
	    {brackets, "This is no receipt", "'Larger than 4194304 bytes'"},
	    {large, "This is no receipt", "'more than this page reads'"},
	    {PAGE, "This is no receipt", "'This is no receipt: line 1'"},
	};
	open_page(served);
	browser_choose(browser, "#genesis", genesis);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		browser_choose(browser, "#receipt", files[i].path);
		verdict("bad", files[i].answer, files[i].reason);
	}
	browser_choose(browser, "#genesis", brackets);
	verdict("bad", "This is no genesis", "'brackets within brackets'");
	assert_string_equal(browser_complaints(browser), "");
}

/* ---- ways to use it ------------------------------------------------------------------------------- */

static void takes_files_that_are_dropped_anywhere_in_any_order(void **state)
{
	(void)state;
	open_page("file://" PAGE);
	browser_drop(browser, "h1", (const char *const[]){receipt, genesis, NULL});
	verdict("good", "Verified", "'final on'");
	browser_drop(browser, "#slot-genesis", (const char *const[]){spoilt, NULL});
	verdict("bad", "Not a proof", "'The signature of replica'");
	assert_string_equal(browser_complaints(browser), "");
}

static void takes_files_that_are_chosen_in_each_others_place(void **state)
{
	(void)state;
	open_page(served);
	browser_choose(browser, "#genesis", receipt);
	browser_wait(browser, "byId('answer').innerText === 'One file more'");
	browser_choose(browser, "#receipt", genesis);
	verdict("good", "Verified", "'final on'");
}

static void can_be_used_by_keyboard(void **state)
{
	(void)state;
	static const char *const stops[] = {"genesis", "receipt", "SUMMARY", "SUMMARY"};
	open_page(served);
	for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
		browser_key(browser, "Tab", 9);
		see("document.activeElement.id || document.activeElement.tagName", stops[i]);
		/* Where the focus is can be seen. */
		assert_true(browser_true(
		    browser, "[document.activeElement, document.activeElement.parentElement].some("
		             "(e) => getComputedStyle(e).outlineStyle === 'solid')"));
	}
}

/* What a screen reader is told. */
static void names_everything(void **state)
{
	(void)state;
	open_page(served);
	choose_both();
	json_t *tree = browser_call(browser, "Accessibility.getFullAXTree", NULL), *node;
	size_t i;
	unsigned files = 0, live = 0;
	json_array_foreach(json_object_get(tree, "nodes"), i, node)
	{
		const char *role = "", *name = "";
		json_unpack(node, "{s?{s?s}, s?{s?s}}", "role", "value", &role, "name", "value", &name);
		live += strcmp(role, "status") == 0;
		if (strcmp(role, "button") == 0 &&
		    (strstr(name, "The chain's genesis") || strstr(name, "The receipt")))
			files++;
	}
	json_decref(tree);
	assert_int_equal(files, 2);
	assert_int_equal(live, 1);
	see("byId('verdict').ariaLive", "polite");
	see("byId('verdict').getAttribute('aria-busy')", "false");
	see("document.documentElement.lang", "en");
}

/* WCAG's contrast of every text against what is behind it. */
#define LEAST_CONTRAST                                                                                      \
	"(() => {"                                                                                          \
	" const rgb = (c) => c.match(/[\\d.]+/g).map(Number);"                                              \
	" const light = (c) => rgb(c).slice(0, 3).map((v) => v / 255)"                                      \
	"  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)"                            \
	"  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);"                               \
	" const behind = (e) => { const c = getComputedStyle(e).backgroundColor;"                           \
	"  return rgb(c)[3] === 0 && e.parentElement ? behind(e.parentElement) : c; };"                     \
	" let least = 21;"                                                                                  \
	" for (const e of document.querySelectorAll('main *')) {"                                           \
	"  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) " \
	"continue;"                                                                                         \
	"  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];"                            \
	"  least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)); }"                   \
	" return least; })()"

static void can_be_read_light_and_dark_on_a_phone(void **state)
{
	(void)state;
	static const char *const schemes[] = {"light", "dark"};
	open_page(served);
	for (size_t i = 0; i < 2; i++)
		for (int width = 320; width <= 1280; width *= 2) {
			json_decref(browser_call(browser, "Emulation.setEmulatedMedia",
			                         json_pack("{s:[{s:s, s:s}]}", "features", "name",
			                                   "prefers-color-scheme", "value", schemes[i])));
			json_decref(
			    browser_call(browser, "Emulation.setDeviceMetricsOverride",
			                 json_pack("{s:i, s:i, s:i, s:b}", "width", width, "height", 800,
			                           "deviceScaleFactor", 1, "mobile", width < 600)));
			browser_goto(browser, served);
			choose_both();
			assert_true(
			    browser_true(browser, "document.documentElement.scrollWidth <= innerWidth"));
			json_t *contrast = browser_value(browser, LEAST_CONTRAST);
			if (json_number_value(contrast) < 4.5)
				fail_msg("%s, %d wide: a contrast of %f", schemes[i], width,
				         json_number_value(contrast));
			json_decref(contrast);
			char name[64];
			snprintf(name, sizeof name, "%s-%d", schemes[i], width);
			browser_picture(browser, name);
		}
	json_decref(browser_call(browser, "Emulation.clearDeviceMetricsOverride", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verifies_a_receipt_as_a_node_serves_it),
	    cmocka_unit_test(verifies_it_from_a_file),
	    cmocka_unit_test(is_the_same_from_both),
	    cmocka_unit_test(has_a_policy_that_allows_itself_alone),
	    cmocka_unit_test(can_reach_nothing_and_run_nothing_else),
	    cmocka_unit_test(shows_hostile_text_as_text),
	    cmocka_unit_test(refuses_a_spoilt_receipt_after_a_good_one),
	    cmocka_unit_test(refuses_the_genesis_of_another_chain),
	    cmocka_unit_test(says_of_other_files_what_they_are_not),
	    cmocka_unit_test(takes_files_that_are_dropped_anywhere_in_any_order),
	    cmocka_unit_test(takes_files_that_are_chosen_in_each_others_place),
	    cmocka_unit_test(can_be_used_by_keyboard),
	    cmocka_unit_test(names_everything),
	    cmocka_unit_test(can_be_read_light_and_dark_on_a_phone),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
