/*
 * choice.c: what a run is made of, as text.
 */
#include "choice.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "traitor.h"

/* ---- lists of names ----------------------------------------------------------------------------- */

struct names {
	const char *what, *option;
	unsigned cnt;
	const char *(*name)(unsigned i);
};

static const char *name_of_fault(unsigned i)
{
	return fault_name((enum sim_fault)i);
}

static const char *name_of_behaviour(unsigned i)
{
	return behaviour_name((enum behaviour)i);
}

static const struct names fault_names = {"fault", "--faults", FAULT_CNT, name_of_fault};
static const struct names behaviour_names = {"behaviour", "--behaviours", BEHAVIOUR_CNT, name_of_behaviour};

static sim_set all_of(const struct names *names)
{
	return sim_set_below(names->cnt);
}

static bool add_word(const struct names *names, const char *word, size_t len, bool first, sim_set *mask,
                     struct err *err)
{
	bool less = len > 0 && word[0] == '-';

	if (first)
		*mask = less ? all_of(names) : 0;
	word += less;
	len -= less;
	if (len == 3 && memcmp(word, "all", 3) == 0) {
		*mask = less ? 0 : all_of(names);
		return true;
	}
	if (len == 4 && memcmp(word, "none", 4) == 0)
		return true;
	for (unsigned i = 0; i < names->cnt; i++)
		if (strlen(names->name(i)) == len && memcmp(names->name(i), word, len) == 0) {
			*mask = less ? *mask & ~sim_set_of(i) : *mask | sim_set_of(i);
			return true;
		}
	return err_set(err, ERR_INPUT, "%s \"%.*s\": there is no such %s; `quorate sim --list` shows them",
	               names->option, (int)len, word, names->what);
}

static bool parse_names(const struct names *names, const char *text, sim_set *mask, struct err *err)
{
	bool first = true;

	do {
		size_t len = strcspn(text, ",");
		if (!add_word(names, text, len, first, mask, err))
			return false;
		first = false;
		text += len;
	} while (*text++ == ',');
	return true;
}

static char *names_text(const struct names *names, sim_set mask)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	const char *comma = "";

	must(f);
	if (mask == all_of(names))
		fputs("all", f);
	else if (mask == 0)
		fputs("none", f);
	else
		for (unsigned i = 0; i < names->cnt; i++)
			if (sim_set_has(mask, i)) {
				fprintf(f, "%s%s", comma, names->name(i));
				comma = ",";
			}
	must(fclose(f) == 0);
	return text;
}

bool choice_faults(const char *text, uint64_t *faults, struct err *err)
{
	sim_set set = 0;

	if (!parse_names(&fault_names, text, &set, err))
		return false;
	*faults = (uint64_t)set;
	return true;
}

bool choice_behaviours(const char *text, sim_set *behaviours, struct err *err)
{
	return parse_names(&behaviour_names, text, behaviours, err);
}

char *choice_faults_text(uint64_t faults)
{
	return names_text(&fault_names, faults);
}

char *choice_behaviours_text(sim_set behaviours)
{
	return names_text(&behaviour_names, behaviours);
}

/* One of a few. Their numbers begin with 1: 0 is left to the seed. */
static bool one_of(const char *option, const char *text, const char *(*name)(unsigned i), unsigned cnt,
                   unsigned *which, struct err *err)
{
	for (*which = 1; *which <= cnt; ++*which)
		if (strcmp(text, name(*which)) == 0)
			return true;
	return err_set(err, ERR_INPUT, "%s \"%s\": there is no such kind; `quorate sim --list` shows them",
	               option, text);
}

static const char *name_of_seal(unsigned i)
{
	return sim_seal_name((enum sim_seal)i);
}

static const char *name_of_proposer(unsigned i)
{
	return sim_proposer_name((enum sim_proposer)i);
}

bool choice_seal(const char *text, enum sim_seal *seal, struct err *err)
{
	unsigned which;
	bool ok = one_of("--seal", text, name_of_seal, SIM_SEAL_END - 1, &which, err);

	*seal = ok ? (enum sim_seal)which : SIM_SEAL_ANY;
	return ok;
}

bool choice_proposer(const char *text, enum sim_proposer *proposer, struct err *err)
{
	unsigned which;
	bool ok = one_of("--proposer", text, name_of_proposer, SIM_PROPOSER_END - 1, &which, err);

	*proposer = ok ? (enum sim_proposer)which : SIM_PROPOSER_ANY;
	return ok;
}

/* ---- numbers -------------------------------------------------------------------------------------- */

static bool number(const char **text, uint64_t *n)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*n = strtoull(*text, &end, 10);
	*text = end;
	return true;
}

static bool one_range(const char **text, struct sim_range *range)
{
	if (!number(text, &range->first))
		return false;
	range->last = range->first;
	if (**text == '-') {
		++*text;
		if (!number(text, &range->last))
			return false;
	}
	return range->first <= range->last;
}

bool choice_ranges(const char *text, struct sim_range **ranges, size_t *cnt, struct err *err)
{
	const char *at = text;

	*ranges = NULL;
	*cnt = 0;
	do {
		struct sim_range range;
		if (!one_range(&at, &range) || (*cnt > 0 && (*ranges)[*cnt - 1].last >= range.first) ||
		    (*at != ',' && *at != '\0')) {
			free(*ranges);
			*ranges = NULL;
			*cnt = 0;
			return err_set(err, ERR_INPUT, "--without \"%s\": not ranges like 3-17,20, ascending",
			               text);
		}
		*ranges = xrealloc(*ranges, (*cnt + 1) * sizeof **ranges);
		(*ranges)[(*cnt)++] = range;
	} while (*at++ == ',');
	return true;
}

bool choice_seeds(const char *text, uint64_t *first, uint64_t *last, struct err *err)
{
	const char *at = text;
	bool ok = number(&at, first);

	*last = *first;
	if (ok && strncmp(at, "..", 2) == 0) {
		at += 2;
		ok = number(&at, last);
	}
	if (!ok || *at != '\0' || *first > *last)
		return err_set(err, ERR_INPUT, "--seeds \"%s\": not a range like 1..1000", text);
	return true;
}

/* ---- the command ------------------------------------------------------------------------------------- */

char *choice_command(const struct sim_options *o)
{
	char *text = NULL, *names;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	must(f);
	fprintf(f, "quorate sim --seed %" PRIu64, o->seed);
	if (o->n)
		fprintf(f, " --replicas %u", o->n);
	if (o->seal)
		fprintf(f, " --seal %s", sim_seal_name(o->seal));
	if (o->proposer)
		fprintf(f, " --proposer %s", sim_proposer_name(o->proposer));
	if (o->healthy)
		fputs(" --healthy", f);
	if (o->mining_ms)
		fprintf(f, " --mining %u", o->mining_ms);
	if (o->storm_ms)
		fprintf(f, " --ticks %" PRIu64, o->storm_ms);
	if (o->faults >= 0) {
		names = choice_faults_text((uint64_t)o->faults);
		fprintf(f, " --faults %s", names);
		free(names);
	}
	if (o->behaviours && (o->faults < 0 || o->faults >> FAULT_TRAITOR & 1)) {
		names = choice_behaviours_text(o->behaviours);
		fprintf(f, " --behaviours %s", names);
		free(names);
	}
	if (o->real_crypto >= 0)
		fprintf(f, " --crypto %s", o->real_crypto ? "real" : "stand-in");
	if (o->load)
		fprintf(f, " --load %u", o->load);
	if (o->unchecked_calm)
		fputs(" --no-calm", f);
	for (size_t i = 0; i < o->without_cnt; i++) {
		fprintf(f, "%s%" PRIu64, i == 0 ? " --without " : ",", o->without[i].first);
		if (o->without[i].last > o->without[i].first)
			fprintf(f, "-%" PRIu64, o->without[i].last);
	}
	must(fclose(f) == 0);
	return text;
}
