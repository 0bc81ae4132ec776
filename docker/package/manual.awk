# manual.awk: a man page in scdoc's language, from its source in docs/man and from what the program says of
# itself, so that no page can know other commands or options than the program.
#
#   awk -v program=FILE -v version=0.1.0 -f manual.awk docs/man/quorate-node.1.scd | scdoc
#
# A source may have these lines; all others stay as they are:
#   @page node@   NAME to OPTIONS of a command and of its subcommands, from their --help
#   @commands@    the table of commands
#   @header@      the library's header (-v header=FILE), a section for each of its own
# and @version@ anywhere.

/^@page [a-z]+@$/ {
	gsub(/@|page /, "")
	page($0)
	next
}
/^@commands@$/ {
	commands()
	next
}
/^@header@$/ {
	library()
	next
}
{
	gsub(/@version@/, version)
	print
}

# The lines of `quorate WORDS --help` go to lines[1] ...; what each option is stays on the option's line.
function help(words, lines,    command, n) {
	command = "ARGP_HELP_FMT=rmargin=9999,opt-doc-col=60,dup-args-note=0 " program " " words " --help 2>&1"
	split("", lines)
	while ((command | getline lines[++n]) > 0)
		;
	close(command)
	delete lines[n]
	return n - 1
}

# Text of the program as scdoc wants it: `code` is bold, all else means itself.
function plain(text) {
	gsub(/[\\*_]/, "\\\\&", text)
	gsub(/`/, "*", text)
	return text ~ /^[-#.|\];[]/ ? "\\" text : text
}

# What the table of commands in lines[] says of one of them.
function told(lines, n, command,    i) {
	for (i = 1; i <= n; i++)
		if (match(lines[i], "^  " command " +"))
			return substr(lines[i], RLENGTH + 1)
	return ""
}

# The subcommands go to found[1] ...: words that the command's own help names and that it has a --help for.
function subcommands(command, found,    lines, n, i, start, text, word, seen, answer, cnt) {
	start = "quorate " command " "
	split("", found)
	n = help(command, lines)
	text = ""
	for (i = 1; i <= n; i++) # the table first: its order is the better one
		if (match(lines[i], /^  [a-z]+ /))
			text = text start substr(lines[i], 3, RLENGTH - 2)
	for (i = 1; i <= n; i++)
		text = text lines[i] " "
	while (match(text, start "[a-z]+")) {
		word = substr(text, RSTART + length(start), RLENGTH - length(start))
		text = substr(text, RSTART + RLENGTH)
		if (!seen[word]++ && help(command " " word, answer) > 0 && answer[1] ~ "^Usage: " start word " ")
			found[++cnt] = word
	}
	return cnt + 0
}

# One option: "  -a, --amount=N     How much".
function option(line,    names, text, at) {
	match(substr(line, 7), /(  +|$)/) # the name is over where two spaces are
	at = 6 + RSTART
	names = substr(line, 1, at - 1)
	text = substr(line, at)
	gsub(/^ +| +$/, "", names)
	gsub(/^ +| +$/, "", text)
	if (names ~ /--(help|usage|version)$/)
		return # quorate(1) has them
	gsub(/[\\*_]/, "\\\\&", names)
	if (match(names, /=/))
		names = substr(names, 1, RSTART - 1) "*=_" substr(names, RSTART + 1) "_"
	else
		names = names "*"
	sub(/, /, "*, *", names)
	printf "*%s\n\t%s\n\n", names, plain(text)
}

# SYNOPSIS: each line of usage, the command in bold. True if there is one.
function usage(words,    lines, n, i, at) {
	n = help(words, lines)
	for (i = 1; i <= n && lines[i] ~ /^(Usage:|  or: ) /; i++) {
		sub(/^(Usage:|  or: ) +/, "", lines[i])
		match(lines[i], /^quorate( [a-z]+)*/)
		printf "%s*%s*%s", usages++ ? "++\n" : "", substr(lines[i], 1, RLENGTH), plain(substr(lines[i], RLENGTH + 1))
	}
	return i > 1
}

# What a command does, then its options, then what is to be said after them.
function about(words,    lines, n, i) {
	n = help(words, lines)
	for (i = 1; i <= n; i++) {
		if (lines[i] ~ /^(Usage:|  or: ) /)
			continue
		else if (lines[i] ~ /^ +(-.,|   ) ?--/)
			option(lines[i])
		else if (lines[i] ~ /^ [^ ].*:$/)
			printf "%s\n\n", plain(substr(lines[i], 2))
		else if (lines[i] != "")
			printf "%s\n\n", plain(lines[i])
	}
}

# Of a command that only has subcommands: its first line, and what is indented before their table.
function introduction(command, first,    lines, n, i, open) {
	n = help(command, lines)
	sub("^quorate " command ": ", "", lines[1])
	printf "%s%s\n\n", toupper(substr(lines[1], 1, 1)), plain(substr(lines[1], 2))
	for (i = 2; i <= n && lines[i] !~ "^  " first " "; i++)
		if (lines[i] ~ /^  /) {
			if (!open++)
				print "```"
			print substr(lines[i], 3)
		}
	if (open)
		print "```\n"
}

function page(command,    table, n, found, cnt, i, own, lines) {
	n = help("", table)
	if (told(table, n, command) == "") {
		print FILENAME ": " program " has no command " command > "/dev/stderr"
		exit 1
	}
	printf "# NAME\n\nquorate-%s - %s\n\n# SYNOPSIS\n\n", command, plain(told(table, n, command))
	own = usage(command)
	cnt = subcommands(command, found)
	for (i = 1; i <= cnt; i++)
		usage(command " " found[i])
	print "\n\n# DESCRIPTION\n"
	if (own)
		about(command)
	else
		introduction(command, found[1])
	if (cnt > 0)
		print "# COMMANDS\n"
	for (i = 1; i <= cnt; i++) {
		printf "## quorate %s %s\n\n", command, found[i]
		about(command " " found[i])
	}
}

function commands(    lines, n, i, name) {
	n = help("", lines)
	for (i = 1; i <= n; i++)
		if (match(lines[i], /^  [a-z]+ +/) && lines[i] !~ /^  quorate /) {
			name = lines[i]
			sub(/^  /, "", name)
			sub(/ .*/, "", name)
			printf "*%s*\n\t%s; see *quorate-%s*(1)\n\n", name, plain(substr(lines[i], RLENGTH + 1)), name
		}
}

# The header: its first comment as prose, then its comments and declarations as they are, without what is for the
# preprocessor alone.
function library(    line, word, code) {
	while ((getline line < header) > 0 && line != " */")
		if (line != "/*")
			code = prose(substr(line, 4), code)
	code = literal(0, code)
	print ""
	while ((getline line < header) > 0) {
		gsub(/\t/, "        ", line)
		if (line ~ /^\/\* ---- [a-z]+ -+ \*\/$/) {
			split(line, word, " ")
			code = literal(0, code)
			printf "# %s\n\n", toupper(word[3])
		} else if (line !~ /^(#(ifn?def|if|else|endif|pragma|include|define (QUORATE_H|QUORATE_CHECKED))|extern "C"|}$)/ && (line != "" || code)) {
			code = literal(1, code)
			print line
		}
	}
	literal(0, code)
}
function prose(text, code) {
	if (text != "")
		code = literal(text ~ /^    /, code)
	print code ? substr(text, 5) : plain(text)
	return code
}
# Begins or ends a block that is shown as it is.
function literal(want, is) {
	if (want != is)
		print want ? "```" : "```\n"
	return want
}
