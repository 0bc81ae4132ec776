#!/bin/sh
# The same seed gives the same trace, byte for byte: in two runs of one program, and in programs of different
# compilers and optimisation levels.
#
#     determinism.sh [-s FIRST..LAST] PROGRAM [OTHER ...]
#
# Each PROGRAM is a `quorate` binary. Exit: 0 all traces are the same, 1 some are not.
set -eu

seeds=1..8
if [ "${1:-}" = -s ]; then
	seeds=$2
	shift 2
fi
if [ $# -eq 0 ]; then
	echo "usage: determinism.sh [-s FIRST..LAST] PROGRAM [OTHER ...]" >&2
	exit 2
fi
first=${seeds%%..*}
last=${seeds##*..}
one=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# A violation is no matter of this test: the trace is the same up to it.
run() { # program, seed, file
	"$1" sim --seed "$2" --no-shrink --trace "$3" >"$3.out" 2>&1 || [ $? -eq 1 ] || {
		echo "determinism: $1 could not run seed $2:"
		cat "$3.out"
		exit 1
	}
}

compare() { # what, seed
	if ! cmp -s "$dir/a" "$dir/b" || ! cmp -s "$dir/a.out" "$dir/b.out"; then
		echo "determinism: seed $2: $1"
		cmp "$dir/a" "$dir/b" || true
		diff "$dir/a" "$dir/b" | head -n 10
		diff "$dir/a.out" "$dir/b.out" | head -n 10
		exit 1
	fi
}

seed=$first
while [ "$seed" -le "$last" ]; do
	run "$one" "$seed" "$dir/a"
	if [ ! -s "$dir/a" ]; then
		echo "determinism: seed $seed left no trace"
		exit 1
	fi
	run "$one" "$seed" "$dir/b"
	compare "two runs of $one differ" "$seed"
	for other in "$@"; do
		[ "$other" = "$one" ] && continue
		run "$other" "$seed" "$dir/b"
		compare "$one and $other differ" "$seed"
	done
	seed=$((seed + 1))
done
echo "seeds $first to $last: the same traces, twice and in $# program(s)"
