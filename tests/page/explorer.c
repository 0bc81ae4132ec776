/*
 * explorer.c: the explorer as a person meets it: a real chain in a real browser, payments that appear by
 * themselves, memos of strangers, a search, a phone, the dark, a node that goes away.
 *
 * PAGE_PICTURES names a directory for pictures of what was seen; without it there are none.
 */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "browser.h"
#include "http.h"

static struct chain *chain;
static struct browser *browser;
static char alice_text[ADDRESS_TEXT], bob[ADDRESS_TEXT];
static struct qoutpoint change; /* alice's */
static uint64_t left;
static struct tx *first, *rival;

/* ---- payments ------------------------------------------------------------------------------- */

/* From alice to bob; the rest is alice's again. One reference. */
static struct tx *pay_bob(struct qoutpoint in, uint64_t amount, const char *memo)
{
	struct account *alice = chain_account(chain, "alice"), *other = chain_account(chain, "bob");
	struct qaccount_key other_key = account_key(other);
	struct tx *tx = pay(chain->genesis, alice, in, left, account_address(&other_key), amount, memo);

	account_free(alice);
	account_free(other);
	return tx;
}

static struct tx *pay_more(const char *memo)
{
	struct tx *tx = pay_bob(change, 1000, memo);

	assert_true(chain_submit(chain, 0, &tx, 1, NULL));
	change = (struct qoutpoint){.tx = tx->id, .index = 1};
	left -= 1000;
	return tx;
}

/* It succeeds a chain, of which nothing is known but zeros. */
static void succeed(struct qgenesis *g)
{
	g->format = GENESIS_SUCCESSOR;
}

static int setup(void **state)
{
	if (chain_setup(state) != 0)
		return -1;
	if (!browser_there())
		return 0;
	chain = chain_up_edited(4, succeed);
	struct account *alice = chain_account(chain, "alice"), *other = chain_account(chain, "bob");
	struct qaccount_key key = account_key(alice), other_key = account_key(other);
	struct qaddress from = account_address(&key), to = account_address(&other_key);

	address_format(&from, alice_text);
	address_format(&to, bob);
	change = chain_allocation(chain, &from, &left);
	rival = pay_bob(change, 7, "rival");
	first = pay_more(MEMO);
	assert_true(chain_final(chain, 0, &first->id, NULL, 0, NULL, 0));
	account_free(alice);
	account_free(other);
	browser = browser_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (browser) {
		browser_close(browser);
		tx_unref(first);
		tx_unref(rival);
		chain_down(chain);
	}
	return 0;
}

/* ---- what is seen ------------------------------------------------------------------------------ */

static void wait_text(const char *selector, const char *part)
{
	char *expression;

	assert_true(asprintf(&expression, "document.querySelector('%s')?.innerText.includes('%s')", selector,
	                     part) > 0);
	browser_wait(browser, expression);
	free(expression);
}

/* At a part behind the #, once the node is heard. */
static void open_page(const char *part)
{
	char url[512];

	if (!browser)
		skip();
	browser_goto(browser, "about:blank"); /* another # alone would load nothing */
	snprintf(url, sizeof url, "%s/%s", chain->http[0], part);
	browser_goto(browser, url);
	wait_text("#live", "Live");
}

static void no_complaints(void)
{
	assert_string_equal(browser_complaints(browser), "");
}

static void find(const char *text)
{
	char *expression;

	assert_true(asprintf(&expression,
	                     "(byId('query').value = '%s', byId('search').requestSubmit(), true)", text) > 0);
	json_decref(browser_value(browser, expression));
	free(expression);
}

/* ---- the page ------------------------------------------------------------------------------------ */

static void shows_the_chain_and_its_replicas(void **state)
{
	(void)state;
	open_page("");
	wait_text("#blocks tbody", "replica0");
	wait_text("#now", "Height");
	wait_text("#page", "Succeeds");
	wait_text("#page", "0000 at height 0");
	for (unsigned i = 0; i < 4; i++)
		wait_text("#replicas", chain->genesis->g.replicas.replicas_val[i].name);
	browser_wait(browser, "byId('replicas').querySelectorAll('.good').length === 4");
	browser_picture(browser, "explorer");
	no_complaints();
}

/* Nothing is reloaded: what the page was told before is still there. */
static void a_payment_appears_by_itself(void **state)
{
	(void)state;
	char *expression;

	open_page("");
	json_decref(browser_value(browser, "window.stayed = true"));
	json_t *before = browser_value(browser, "state.status.transactions");
	struct tx *tx = pay_more("by itself");
	assert_true(asprintf(&expression,
	                     "state.status.transactions > %lld && state.blocks[0].height === "
	                     "state.status.height && byId('blocks').querySelectorAll('tbody tr').length > 1",
	                     (long long)json_integer_value(before)) > 0);
	browser_wait(browser, expression);
	browser_wait(browser, "window.stayed");
	no_complaints();
	free(expression);
	json_decref(before);
	tx_unref(tx);
}

static void tells_a_transaction_and_its_block(void **state)
{
	(void)state;
	char id[QHASH_HEX], part[128];

	if (!browser)
		skip();
	hex_encode(id, first->id.b, sizeof first->id.b);
	snprintf(part, sizeof part, "#/transaction/%s", id);
	open_page(part);
	wait_text("#page", "final");
	wait_text("#page", bob);
	wait_text("#page", "of 4 replicas signed");
	json_t *memo = browser_value(browser, "byId('memo').textContent");
	assert_string_equal(json_string_value(memo), MEMO_SHOWN);
	json_decref(memo);
	browser_wait(browser, "document.images.length === 0");
	browser_picture(browser, "explorer-transaction");
	assert_true(browser_true(browser,
	                         "fetch(document.querySelector('a[download]').href).then((a) => a.json())"
	                         ".then((r) => r.format === 'quorate receipt 1')"));
	json_decref(
	    browser_value(browser, "(document.querySelector('#page a[href^=\"#/block/\"]').click(), true)"));
	wait_text("#page h1", "Block");
	wait_text("#page", id);
	no_complaints();
}

static void finds_by_height_id_and_address(void **state)
{
	(void)state;
	char id[QHASH_HEX];

	open_page("");
	find("1");
	wait_text("#page h1", "Block 1");
	hex_encode(id, first->id.b, sizeof first->id.b);
	find(id);
	wait_text("#page h1", "Transaction");
	find(bob);
	wait_text("#page h1", "Address");
	wait_text("#page", "unspent outputs");
	find("nothing of the kind");
	wait_text("#search-said", "That is no height");
	find("999999999");
	wait_text("#refused", "there is no block 999999999");
	find("0000000000000000000000000000000000000000000000000000000000000000");
	browser_wait(browser, "!byId('page').innerText.includes('999999999')");
}

/* A memo is not the only text of strangers: what stands behind the # comes from whoever made the link. */
static void a_hostile_link_is_text(void **state)
{
	(void)state;
	open_page("#/block/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E");
	wait_text("#page h1", "Not found");
	browser_wait(browser, "document.images.length === 0");
	open_page("#/__proto__/x");
	wait_text("#now", "Height");
}

/* The journal is written a moment after the refusal, and a page that was drawn before does not show it. */
static void await_evidence(void)
{
	for (bool listed = false; !listed;) {
		int status;
		json_t *json = chain_get(chain, 0, &status, "/v1/evidence");
		listed = json_array_size(json_object_get(json, "evidence")) > 0;
		json_decref(json);
	}
}

static void lists_double_spends_as_evidence(void **state)
{
	(void)state;
	char id[QHASH_HEX], part[128];

	if (!browser)
		skip();
	assert_true(chain_submit(chain, 0, &rival, 1, NULL)); /* it is refused */
	await_evidence();
	open_page("#/evidence");
	wait_text("#page h1", "Evidence");
	wait_text("#page", "Download");
	hex_encode(id, first->id.b, sizeof first->id.b);
	snprintf(part, sizeof part, "#/transaction/%s", id);
	open_page(part);
	wait_text("#page", "Attempts to spend the same twice");
	browser_picture(browser, "explorer-evidence");
	no_complaints();
}

static void is_for_phones_and_for_the_dark(void **state)
{
	(void)state;
	open_page("");
	json_decref(browser_call(browser, "Emulation.setDeviceMetricsOverride",
	                         json_pack("{s:i, s:i, s:i, s:b}", "width", 360, "height", 740,
	                                   "deviceScaleFactor", 2, "mobile", 1)));
	json_decref(browser_call(
	    browser, "Emulation.setEmulatedMedia",
	    json_pack("{s:[{s:s, s:s}]}", "features", "name", "prefers-color-scheme", "value", "dark")));
	browser_wait(browser, "document.documentElement.scrollWidth <= innerWidth");
	browser_wait(browser,
	             "getComputedStyle(document.documentElement).backgroundColor === 'rgb(21, 23, 27)'");
	browser_picture(browser, "explorer-phone");
	json_decref(browser_call(browser, "Emulation.clearDeviceMetricsOverride", NULL));
	json_decref(browser_call(browser, "Emulation.setEmulatedMedia", json_pack("{s:[]}", "features")));
	no_complaints();
}

static void is_used_by_keyboard(void **state)
{
	(void)state;
	open_page("");
	browser_key(browser, "Tab", 9);
	browser_wait(browser, "document.activeElement.className === 'skip'");
	browser_key(browser, "Tab", 9);
	browser_wait(browser, "document.activeElement.className === 'brand'");
	browser_key(browser, "Tab", 9);
	browser_wait(browser, "document.activeElement.id === 'query'");
	/* Every field and button says what it is. */
	browser_wait(browser, "[...document.querySelectorAll('input')].every((i) => i.labels.length > 0)");
	browser_wait(browser, "[...document.querySelectorAll('section')].length === 2");
}

/* Others' scripts cannot run, and it reaches nobody but its node. */
/* Six connections to a host are all that a browser makes. */
static void pages_that_were_left_hold_no_connection(void **state)
{
	char *text = NULL;
	time_t deadline =
	    time(NULL) + 30; /* a node sees that a follower has left when it tells the next news */

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		open_page("");
	struct http_client *client = http_client_new(chain->http[0], 5000, NULL);
	do {
		int status;
		size_t len;
		free(text);
		assert_true(http_call(client, "/metrics", NULL, NULL, 0, &status, &text, &len, NULL));
	} while (strstr(text, "quorate_http_followers 1\n") == NULL && time(NULL) < deadline);
	assert_non_null(strstr(text, "quorate_http_followers 1\n"));
	free(text);
	http_client_free(client);
	/* Who goes back to one sees it live again. */
	browser_goto(browser, "about:blank");
	json_decref(browser_value(browser, "(history.back(), true)"));
	wait_text("#live", "Live");
	json_t *before = browser_value(browser, "state.status.transactions");
	char *expression;
	assert_true(asprintf(&expression, "state.status.transactions > %lld",
	                     (long long)json_integer_value(before)) > 0);
	tx_unref(pay_more("back"));
	browser_wait(browser, expression);
	free(expression);
	json_decref(before);
}

static void its_policy_allows_itself_alone(void **state)
{
	(void)state;
	char *fetch;

	open_page("");
	assert_true(asprintf(&fetch, "fetch('%s/v1/status').then(() => false, () => true)", chain->http[1]) >
	            0);
	assert_true(browser_true(browser, fetch));
	assert_true(browser_true(
	    browser, "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
	             " document.body.append(s); return window.ran === undefined; })()"));
	free(fetch);
}

/* Last: it ends a node. */
static void says_when_its_node_is_away_and_comes_back(void **state)
{
	(void)state;
	open_page("");
	chain_signal(chain, "kill", 0);
	wait_text("#live", "does not answer");
	chain_signal(chain, "start", 0);
	wait_text("#live", "Live");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shows_the_chain_and_its_replicas),
	    cmocka_unit_test(a_payment_appears_by_itself),
	    cmocka_unit_test(tells_a_transaction_and_its_block),
	    cmocka_unit_test(finds_by_height_id_and_address),
	    cmocka_unit_test(a_hostile_link_is_text),
	    cmocka_unit_test(lists_double_spends_as_evidence),
	    cmocka_unit_test(is_for_phones_and_for_the_dark),
	    cmocka_unit_test(is_used_by_keyboard),
	    cmocka_unit_test(pages_that_were_left_hold_no_connection),
	    cmocka_unit_test(its_policy_allows_itself_alone),
	    cmocka_unit_test(says_when_its_node_is_away_and_comes_back),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
