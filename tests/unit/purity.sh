#!/bin/sh
# purity.sh LIBRARY: the agreement engine and the rules below it are pure.  Whatever their object files import must
# stand on this list: no clock, socket, file, thread, random source or output; and they own no variable.
set -eu

allowed='mem(cmp|cpy|move|set)|strlen|free|x(calloc|realloc|memdup)|must_failed|err_set|bytes_free'
allowed="$allowed|wire_[a-z_]+|xdr_[a-z_]+|hash_[a-z]+|merkle_[a-z]+|cert_[a-z_]+|vote_(verify|well_formed)"
allowed="$allowed|block_[a-z_]+|ident_verify|proposal_well_formed|evidence_(verify|facts)|carry_over|(seal|schedule)_[a-z_]+|ldexp"
# what compilers add
allowed="$allowed|__u(div|mod|divmod)ti[34]|__(memcpy|memmove|memset)_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_"
allowed="$allowed|__(asan|ubsan|tsan|sanitizer|gcov|llvm_profile)_[A-Za-z0-9_]+"

made=$(nm --defined-only "$1" 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u)
test -n "$made" || { echo "$1: no symbols: is it the engine's library?" >&2; exit 1; }
foreign=$(nm -u "$1" | awk '$1 == "U" { print $2 }' | sort -u | grep -vxF "$made" | grep -vxE "$allowed" || true)
if [ -n "$foreign" ]; then
	echo "the agreement engine imports what is not pure, or not on the list of $0:" >&2
	for name in $foreign; do
		nm -uA "$1" | awk -v name="$name" '$NF == name { print "  " $0 }' >&2
	done
	exit 1
fi
variables=$(nm --defined-only "$1" 2>/dev/null | awk 'NF == 3 && $2 ~ /[BbC]/ && $3 !~ /^(__|\.)/ { print $3 }')
if [ -n "$variables" ]; then
	echo "the agreement engine has variables of its own:" $variables >&2
	exit 1
fi
