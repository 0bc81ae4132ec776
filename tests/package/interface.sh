# interface.sh: what the program says of itself, asked in another way than its man pages and its completion
# ask: by --usage. Wants $quorate.

# usage WORD...: what `quorate WORD... --usage` prints, on one line.
usage() {
	ARGP_HELP_FMT=rmargin=9999 "$quorate" "$@" --usage 2>/dev/null
}

# commands: each command, each followed by its subcommands: those words of its help that have a usage of their own.
commands() {
	local command word
	"$quorate" --help | sed -nE '/^  quorate /d; s/^  ([a-z]+) .*/\1/p' | while read -r command; do
		echo "$command"
		for word in $("$quorate" "$command" --help | grep -oE "^  [a-z]+ |quorate $command [a-z]+" | sed 's/ $//; s/.* //' | sort -u); do
			case $(usage "$command" "$word") in
			"Usage: quorate $command $word "*) echo "$command $word" ;;
			esac
		done
	done
}

# options WORD...: each option of a command, --long or -s, sorted; none of a command that only has subcommands.
options() {
	{ usage "$@" || true; } | awk '{
		for (i = 1; i <= NF; i++)
			if (match($i, /^\[--[a-z-]+/))
				print substr($i, 2, RLENGTH - 1)
			else if ($i ~ /^\[-[A-Za-z?]+\]?$/) { # [-a?V]: those without a value, all in one; [-o FILE]
				gsub(/[][-]/, "", $i)
				for (j = 1; j <= length($i); j++)
					print "-" substr($i, j, 1)
			}
	}' | sort -u
}
