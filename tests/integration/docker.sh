#!/usr/bin/env bash
# docker.sh: the image and docker/compose.yaml for real: four containers with addresses and volumes of their
# own agree on payments, lose their primary, take it back, and are audited, running and stopped.
# Skips with a message where there is no Docker engine, no compose, or no base image to build from.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
	echo "skipped: $*"
	exit 0
}
docker info >/dev/null 2>&1 || skip "no Docker engine answers"
if docker compose version >/dev/null 2>&1; then
	compose=(docker compose)
elif command -v docker-compose >/dev/null; then
	compose=(docker-compose)
else
	skip "neither docker compose nor docker-compose is here"
fi
base=$(sed -nE '1,/^FROM/s/^FROM ([^ ]+).*/\1/p' docker/Dockerfile)
docker image inspect "$base" >/dev/null 2>&1 || skip "the base image $base is not here; docker pull $base"

export QUORATE_IMAGE=quorate-test
export QUORATE_PORT0=0 QUORATE_PORT1=0 QUORATE_PORT2=0 QUORATE_PORT3=0 # free ones
compose+=(-p "quorate-test-$$" -f docker/compose.yaml)
log=$(mktemp)
finish() {
	local code=$?
	if [ $code -ne 0 ]; then
		cat "$log" >&2
		"${compose[@]}" logs --tail 20 >&2 || true
	fi
	"${compose[@]}" down -v >/dev/null 2>&1 || true
	rm -f "$log"
	exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

step() { printf '%4ds  %s\n' $SECONDS "$*"; }
fail() {
	echo "docker.sh: $*" >&2
	exit 1
}
quiet() { "$@" >"$log" 2>&1; }
# A command in a container of its own; what compose itself says goes to the log.
client() { "${compose[@]}" run --rm --no-deps -T client "$@" 2>"$log"; }
pay() { # NODE AMOUNT
	client send --json --genesis /chain/genesis.json --node "http://$1:7480" \
		--key /chain/alice.key --to /chain/bob.key --amount "$2" | grep -q '"outcome": "committed"' ||
		fail "the payment of $2 through $1 is not final"
}
field() { sed -nE 's/^ *"'"$1"'": "?([^",]*)"?,?$/\1/p' | head -n 1; }
audit() { client audit /homes/node{0,1,2,3} --genesis /chain/genesis.json >"$log" || fail "the audit failed: $(cat "$log")"; }
# All four at one height, with one block.
level() {
	local tip node
	for node in node1 node2 node3 node0; do
		for _ in $(seq 100); do
			tip=$(client status --json --node "http://$node:7480" | field block_hash) || tip=
			[ "${tip:-none}" != "${agreed:-$tip}" ] || break
		done
		agreed=${agreed:-$tip}
		[ -n "$tip" ] && [ "$tip" = "$agreed" ] || fail "$node does not get to block $agreed"
	done
	unset agreed
}

step "build the image"
quiet docker build --network host -f docker/Dockerfile -t "$QUORATE_IMAGE" .
step "ceremony, four nodes"
quiet "${compose[@]}" config
quiet "${compose[@]}" up -d --no-build
for _ in $(seq 100); do
	client status --json --node http://node0:7480 >/dev/null && break
done
step "payments through each of them"
pay node0 1
pay node1 2
pay node2 3
level
step "the primary is killed; payments go on"
primary=$(client status --json --node http://node3:7480 | field primary)
quiet "${compose[@]}" kill "node$primary"
pay node3 4
step "it comes back and catches up"
quiet "${compose[@]}" start "node$primary"
pay node2 5
level
audit
step "a node that loses its container keeps its volume"
quiet "${compose[@]}" rm -s -f node2
quiet "${compose[@]}" up -d --no-build
pay node2 6
level
step "stopped and audited"
quiet "${compose[@]}" stop
audit
step "started again: the same chain"
quiet "${compose[@]}" up -d --no-build
pay node1 7
level
[ "$(client balance /chain/bob.key --json | field amount)" = 1000028 ] || fail "bob does not hold what was paid"
[ "$(docker inspect -f '{{.Config.User}}' "$QUORATE_IMAGE")" = quorate ] || fail "the image runs as root"
step "ok"
