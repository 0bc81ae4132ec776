/*
 * browser.c: see browser.h.
 */
#include "browser.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "err.h"

struct browser {
	pid_t pid;
	int to, from;
	char profile[64];
	char *buf; /* what has come, messages ended by NUL */
	size_t len, cap;
	json_int_t last_id;
	char *session;  /* of the one page */
	unsigned loads; /* pages loaded so far */
	char complaints[4096];
};

/* ---- the program ------------------------------------------------------------------ */

static bool find(char path[PATH_MAX])
{
	const char *named = getenv("QUORATE_CHROMIUM");
	char *dirs = xstrdup(getenv("PATH") ? getenv("PATH") : ""), *rest = NULL;
	bool found =
	    named != NULL && snprintf(path, PATH_MAX, "%s", named) < PATH_MAX && access(path, X_OK) == 0;

	for (char *dir = strtok_r(dirs, ":", &rest); dir && !named && !found;
	     dir = strtok_r(NULL, ":", &rest))
		found = snprintf(path, PATH_MAX, "%s/chromium", dir) < PATH_MAX && access(path, X_OK) == 0;
	free(dirs);
	return found;
}

bool browser_there(void)
{
	char path[PATH_MAX];

	if (find(path))
		return true;
	printf("skipped: no chromium to run the page in (docker/install-packages test)\n");
	return false;
}

/* Reads commands from 3, writes answers to 4. */
static void become(const char *path, const char *profile, int in, int out)
{
	char profile_arg[128], *argv[] = {"chromium",
	                                  "--headless=new",
	                                  "--no-sandbox", /* it may be root in a container */
	                                  "--disable-gpu",
	                                  "--disable-dev-shm-usage",
	                                  "--disable-background-networking",
	                                  "--disable-component-update",
	                                  "--disable-sync",
	                                  "--no-first-run",
	                                  "--no-default-browser-check",
	                                  "--no-proxy-server",
	                                  "--remote-debugging-pipe",
	                                  profile_arg,
	                                  "about:blank",
	                                  NULL};
	int null = open("/dev/null", O_RDWR);

	snprintf(profile_arg, sizeof profile_arg, "--user-data-dir=%s", profile);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not leave it behind */
	in = fcntl(in, F_DUPFD, 10);
	out = fcntl(out, F_DUPFD, 10);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	dup2(in, 3);
	dup2(out, 4);
	close(in);
	close(out);
	execv(path, argv);
	_exit(127);
}

/* ---- messages ----------------------------------------------------------------------- */

static void send_text(struct browser *b, const char *text)
{
	size_t left = strlen(text) + 1;

	while (left > 0) {
		ssize_t done = write(b->to, text, left);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			fail_msg("the browser does not listen: %s", strerror(errno));
		text += done;
		left -= (size_t)done;
	}
}

static void receive_more(struct browser *b)
{
	struct pollfd p = {b->from, POLLIN, 0};

	if (b->cap - b->len < 65536) {
		b->cap = 2 * b->cap + 65536;
		b->buf = xrealloc(b->buf, b->cap);
	}
	if (poll(&p, 1, BROWSER_PATIENCE_MS) == 0)
		fail_msg("the browser has said nothing for %d s", BROWSER_PATIENCE_MS / 1000);
	ssize_t got = read(b->from, b->buf + b->len, b->cap - b->len);
	if (got <= 0)
		fail_msg("the browser is gone: %s", got < 0 ? strerror(errno) : "it has ended");
	b->len += (size_t)got;
}

static json_t *receive(struct browser *b)
{
	char *end;

	while (b->len == 0 || !(end = memchr(b->buf, '\0', b->len)))
		receive_more(b);
	size_t used = (size_t)(end - b->buf) + 1;
	json_t *message = json_loads(b->buf, 0, NULL);
	assert_non_null(message);
	memmove(b->buf, b->buf + used, b->len - used);
	b->len -= used;
	return message;
}

static void complain(struct browser *b, const char *text)
{
	size_t used = strlen(b->complaints);

	snprintf(b->complaints + used, sizeof b->complaints - used, "%s\n", text ? text : "?");
}

/* Everything that a person with the console open would see in red or yellow. */
static void note_event(struct browser *b, const char *method, json_t *params)
{
	const char *text = NULL, *level = NULL, *type = NULL;

	if (strcmp(method, "Page.loadEventFired") == 0) {
		b->loads++;
	} else if (strcmp(method, "Runtime.exceptionThrown") == 0) {
		json_unpack(params, "{s:{s?{s?s}, s?s}}", "exceptionDetails", "exception", "description",
		            &text, "text", &level);
		complain(b, text ? text : level);
	} else if (strcmp(method, "Log.entryAdded") == 0) {
		json_unpack(params, "{s:{s:s, s:s}}", "entry", "level", &level, "text", &text);
		if (level && (strcmp(level, "error") == 0 || strcmp(level, "warning") == 0))
			complain(b, text);
	} else if (strcmp(method, "Runtime.consoleAPICalled") == 0) {
		json_unpack(params, "{s:s, s:[{s?s}]}", "type", &type, "args", "value", &text);
		if (type && (strcmp(type, "error") == 0 || strcmp(type, "warning") == 0))
			complain(b, text);
	}
}

static void note(struct browser *b, json_t *message)
{
	const char *method = json_string_value(json_object_get(message, "method"));

	if (method)
		note_event(b, method, json_object_get(message, "params"));
	json_decref(message);
}

json_t *browser_call(struct browser *b, const char *method, json_t *params)
{
	json_t *command =
	    json_pack("{s:I, s:s, s:o*}", "id", ++b->last_id, "method", method, "params", params);

	if (b->session)
		json_object_set_new(command, "sessionId", json_string(b->session));
	char *text = json_dumps(command, JSON_COMPACT);
	assert_non_null(text);
	send_text(b, text);
	free(text);
	json_decref(command);
	for (;;) {
		json_t *message = receive(b);
		if (json_integer_value(json_object_get(message, "id")) != b->last_id) {
			note(b, message);
			continue;
		}
		json_t *result = json_incref(json_object_get(message, "result")),
		       *error = json_object_get(message, "error");
		if (error)
			fail_msg("%s: %s", method, json_string_value(json_object_get(error, "message")));
		json_decref(message);
		return result;
	}
}

static void tell(struct browser *b, const char *method, json_t *params)
{
	json_decref(browser_call(b, method, params));
}

/* ---- life ------------------------------------------------------------------------------- */

static void attach(struct browser *b)
{
	json_t *targets = browser_call(b, "Target.getTargets", NULL), *info;
	const char *id = NULL, *session = NULL;
	size_t i;

	json_array_foreach(json_object_get(targets, "targetInfos"), i, info)
	{
		if (strcmp(json_string_value(json_object_get(info, "type")), "page") == 0)
			id = json_string_value(json_object_get(info, "targetId"));
	}
	assert_non_null(id);
	json_t *attached =
	    browser_call(b, "Target.attachToTarget", json_pack("{s:s, s:b}", "targetId", id, "flatten", 1));
	json_unpack(attached, "{s:s}", "sessionId", &session);
	assert_non_null(session);
	b->session = xstrdup(session);
	json_decref(attached);
	json_decref(targets);
	tell(b, "Page.enable", NULL);
	tell(b, "Runtime.enable", NULL);
	tell(b, "Log.enable", NULL);
	tell(b, "DOM.enable", NULL);
}

struct browser *browser_open(void)
{
	struct browser *b = xcalloc(1, sizeof *b);
	char path[PATH_MAX];
	int to[2], from[2];

	signal(SIGPIPE, SIG_IGN);
	assert_true(find(path));
	snprintf(b->profile, sizeof b->profile, "/tmp/quorate-browser-XXXXXX");
	assert_non_null(mkdtemp(b->profile));
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0)
		become(path, b->profile, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	b->to = to[1];
	b->from = from[0];
	attach(b);
	return b;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void browser_close(struct browser *b)
{
	char rest[4096];

	/* Asked to, it ends its own processes first; nobody holds the pipe or writes to the profile after
	 * that. */
	send_text(b, "{\"id\": 0, \"method\": \"Browser.close\"}");
	while (read(b->from, rest, sizeof rest) > 0)
		;
	while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(b->to);
	close(b->from);
	nftw(b->profile, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(b->session);
	free(b->buf);
	free(b);
}

/* ---- pages -------------------------------------------------------------------------------- */

void browser_goto(struct browser *b, const char *url)
{
	unsigned before = b->loads;
	const char *error = NULL;

	b->complaints[0] = '\0';
	json_t *result = browser_call(b, "Page.navigate", json_pack("{s:s}", "url", url));
	json_unpack(result, "{s?s}", "errorText", &error);
	if (error)
		fail_msg("%s: %s", url, error);
	json_decref(result);
	while (b->loads == before)
		note(b, receive(b));
}

json_t *browser_value(struct browser *b, const char *expression)
{
	json_t *params = json_pack("{s:s, s:b, s:b, s:b}", "expression", expression, "returnByValue", 1,
	                           "awaitPromise", 1, "allowUnsafeEvalBlockedByCSP", 0);
	assert_non_null(params); /* else the expression is no UTF-8 */
	json_t *result = browser_call(b, "Runtime.evaluate", params), *value;
	json_t *thrown = json_object_get(result, "exceptionDetails");

	if (thrown) {
		char *text = json_dumps(thrown, JSON_COMPACT);
		fail_msg("%.200s: %s", expression, text);
	}
	value = json_incref(json_object_get(json_object_get(result, "result"), "value"));
	json_decref(result);
	return value;
}

char *browser_text(struct browser *b, const char *expression)
{
	json_t *value = browser_value(b, expression);
	const char *text = json_string_value(value);
	char *copy = xstrdup(text ? text : "");

	json_decref(value);
	return copy;
}

bool browser_true(struct browser *b, const char *expression)
{
	json_t *value = browser_value(b, expression);
	bool is = json_is_true(value);

	json_decref(value);
	return is;
}

void browser_wait(struct browser *b, const char *expression)
{
	char *promise;

	assert_true(asprintf(&promise,
	                     "new Promise((resolve) => {"
	                     " const look = () => (%s) && (watch.disconnect(), resolve(true));"
	                     " const watch = new MutationObserver(look);"
	                     " watch.observe(document, {subtree: true, childList: true, attributes: true,"
	                     " characterData: true}); look(); })",
	                     expression) > 0);
	json_decref(browser_value(b, promise));
	free(promise);
}

void browser_choose(struct browser *b, const char *selector, const char *path)
{
	json_t *root = browser_call(b, "DOM.getDocument", NULL);
	json_int_t node = json_integer_value(json_object_get(json_object_get(root, "root"), "nodeId"));
	json_t *found = browser_call(b, "DOM.querySelector",
	                             json_pack("{s:I, s:s}", "nodeId", node, "selector", selector));

	node = json_integer_value(json_object_get(found, "nodeId"));
	assert_true(node > 0);
	tell(b, "DOM.setFileInputFiles", json_pack("{s:I, s:[s]}", "nodeId", node, "files", path));
	json_decref(found);
	json_decref(root);
}

static void drag(struct browser *b, const char *type, double x, double y, json_t *files)
{
	tell(b, "Input.dispatchDragEvent",
	     json_pack("{s:s, s:f, s:f, s:{s:[], s:O, s:i}}", "type", type, "x", x, "y", y, "data", "items",
	               "files", files, "dragOperationsMask", 1));
}

void browser_drop(struct browser *b, const char *selector, const char *const paths[])
{
	json_t *files = json_array(), *middle;
	double x = 0, y = 0;
	char *expression;

	for (; *paths; paths++)
		json_array_append_new(files, json_string(*paths));
	assert_true(asprintf(&expression,
	                     "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
	                     "(document.querySelector('%s').getBoundingClientRect())",
	                     selector) > 0);
	middle = browser_value(b, expression);
	assert_int_equal(json_unpack(middle, "[F, F]", &x, &y), 0);
	drag(b, "dragEnter", x, y, files);
	drag(b, "dragOver", x, y, files);
	drag(b, "drop", x, y, files);
	json_decref(middle);
	json_decref(files);
	free(expression);
}

void browser_key(struct browser *b, const char *key, int code)
{
	static const char *const types[] = {"keyDown", "keyUp"};

	for (int i = 0; i < 2; i++)
		tell(b, "Input.dispatchKeyEvent",
		     json_pack("{s:s, s:s, s:s, s:i}", "type", types[i], "key", key, "code", key,
		               "windowsVirtualKeyCode", code));
}

void browser_picture(struct browser *b, const char *name)
{
	const char *dir = getenv("PAGE_PICTURES");
	char path[512];

	if (!dir)
		return;
	snprintf(path, sizeof path, "%s/%s.png", dir, name);
	json_t *result = browser_call(b, "Page.captureScreenshot",
	                              json_pack("{s:s, s:b}", "format", "png", "captureBeyondViewport", 1));
	const char *text = json_string_value(json_object_get(result, "data"));
	size_t cap = text ? strlen(text) : 0, len = 0;
	uint8_t *data = xcalloc(cap, 1);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(
	    sodium_base642bin(data, cap, text, cap, NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL), 0);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	free(data);
	json_decref(result);
}

const char *browser_complaints(const struct browser *b)
{
	return b->complaints;
}
