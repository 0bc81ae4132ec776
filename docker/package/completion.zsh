#compdef quorate
# Completion of quorate's commands and options for zsh, with what each is for. It knows none itself: it asks the
# program, with --help and nothing else, so it always fits the one that is installed.

# _quorate_help WORD...: the help of a command, an option and what it is for on one line.
_quorate_help() {
	ARGP_HELP_FMT=rmargin=9999,dup-args-note=0 quorate "$@" --help 2>/dev/null
}

# _quorate_commands [COMMAND]: the words that may come next, as word:description: those of the table, and those that
# the text calls commands, if the program agrees.
_quorate_commands() {
	local help=$(_quorate_help "$@") word
	local table=$(sed -nE '/^  quorate /d; s/^  ([a-z]+) +([^ ].*)/\1:\2/p' <<<"$help")
	[[ -z $table ]] || print -r -- "$table"
	for word in $(grep -oE "quorate ${1:-COMMAND} [a-z]+" <<<"$help" | sed 's/.* //' | sort -u); do
		[[ $'\n'$table == *$'\n'$word:* || $(_quorate_help "$@" $word) != "Usage: quorate $* $word "* ]] || print -r -- $word
	done
}

_quorate() {
	local -a before offered
	local i
	for ((i = 2; i < CURRENT && i <= 3; i++)); do
		[[ $words[i] =~ '^[a-z]+$' ]] || break
		before+=$words[i]
	done
	if [[ $PREFIX == --*=* ]]; then
		compset -P '*='
		_files
	elif [[ $PREFIX == -* ]]; then
		local help=$(_quorate_help $before)
		offered=(${(f)"$(sed -nE 's/^ +(-., +)?(--[a-z-]+)( +(.*))?$/\2:\4/p' <<<"$help")}"})
		_describe -o option offered
		offered=(${(f)"$(sed -nE 's/^ +(-., +)?(--[a-z-]+=)[^ ]*( +(.*))?$/\2:\4/p' <<<"$help")}"})
		_describe -o option offered -S ''
	elif ((i == CURRENT && i <= 3)); then
		offered=(${(f)"$(_quorate_commands $before)"})
		((! $#offered)) || _describe command offered || _files
		(($#offered)) || _files
	else
		_files
	fi
}
_quorate "$@"
