# Completion of quorate's commands and options for bash. It knows none itself: it asks the program, with
# --help and nothing else, so it always fits the one that is installed.

# _quorate_help WORD...: the help of a command, an option and what it is for on one line.
_quorate_help() {
	ARGP_HELP_FMT=rmargin=9999 quorate "$@" --help 2>/dev/null
}

# _quorate_commands [COMMAND]: the words that may come next: those of the table, and those that the text
# calls commands, if the program agrees.
_quorate_commands() {
	local help word
	help=$(_quorate_help "$@")
	sed -nE '/^  quorate /d; s/^  ([a-z]+) +[^ ].*/\1/p' <<<"$help"
	for word in $(grep -oE "quorate ${1:-COMMAND} [a-z]+" <<<"$help" | sed 's/.* //' | sort -u); do
		[[ $(_quorate_help "$@" "$word") != "Usage: quorate $* $word "* ]] || echo "$word"
	done
}

_quorate() {
	local current=${COMP_WORDS[COMP_CWORD]} commands=() words= i
	for ((i = 1; i < COMP_CWORD && i <= 2; i++)); do
		[[ ${COMP_WORDS[i]} =~ ^[a-z]+$ ]] || break
		commands+=("${COMP_WORDS[i]}")
	done
	if [[ $current == -* ]]; then
		words=$(_quorate_help "${commands[@]}" | sed -nE 's/^ +(-., +)?(--[a-z-]+=?).*/\2/p')
	elif ((i == COMP_CWORD && i <= 2)); then
		words=$(_quorate_commands "${commands[@]}" | sort -u)
	fi
	# Where nothing fits, -o default below completes file names.
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
		compopt -o nospace 2>/dev/null # the value follows at once
	fi
}
complete -o default -F _quorate quorate
