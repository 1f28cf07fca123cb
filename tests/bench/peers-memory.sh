#!/bin/bash
# peers-memory.sh: resident memory of a daemon by the number of fleet members, offline and online. Root; takes minutes; no limits are checked.
#   tests/bench/peers-memory.sh [MEMBERS [ONLINE...]]      default: 1000 members, of which 0, 8 and 24 are online
# Real programs as packages ship them (scripts/publish.sh before), in network namespaces: a relay, the daemon that is measured, ONLINE other
# daemons. Members that are not online are random device addresses in the signed manifest.
# Prints: members, online, RSS and its anonymous part in MiB after it has settled, and what each step costs per member.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
MEMBERS="${1:-1000}"; shift || true
STEPS=("$@"); [ $# -gt 0 ] || STEPS=(0 8 24)
BIN="${PACKAGE:-$PWD/artifacts/package/linux-x64}"
SETTLE="${SETTLE:-45}"                                          # seconds: the daemon gives memory back half a minute after it came up
[ -x "$BIN/diode-tunneld" ] || { echo "no programs in $BIN: run scripts/publish.sh linux-x64" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "run as root" >&2; exit 1; }

WORK="$(mktemp -d)" NS="dtpm$$" PIDS=() SPACES=()
cleanup() {
  [ ${#PIDS[@]} = 0 ] || kill "${PIDS[@]}" 2>/dev/null || true
  sleep 1
  [ ${#PIDS[@]} = 0 ] || kill -9 "${PIDS[@]}" 2>/dev/null || true
  for space in "${SPACES[@]}"; do ip netns delete "$space" 2>/dev/null || true; rm -rf "/etc/netns/$space"; done
  rm -rf "$WORK"
}
trap cleanup EXIT

# host NAME NUMBER: a namespace with an address of 10.99.0.0/16 on the bridge of the hub
host() {
  local space="$NS-$1"
  ip netns add "$space"; SPACES+=("$space")
  mkdir -p "/etc/netns/$space"; echo "# none" > "/etc/netns/$space/resolv.conf"
  ip -n "$space" link set lo up
  ip -n "$space" link add up0 type veth peer name "v$2" netns "$NS-hub"
  ip -n "$space" address add "10.99.$(($2 / 250)).$(($2 % 250 + 1))/16" dev up0
  ip -n "$space" link set up0 up
  ip -n "$NS-hub" link set "v$2" master br0 up
}
# device NAME NUMBER: a daemon on a host of its own
device() {
  host "$1" "$2"
  ip netns exec "$NS-$1" "$BIN/diode-tunneld" run --state-dir "$WORK/$1" --socket "$WORK/$1.sock" --relays "$RELAY" > "$WORK/$1.log" 2>&1 &
  PIDS+=($!); LAST=$!
  for _ in $(seq 600); do [ -S "$WORK/$1.sock" ] && return; sleep 0.1; done
  echo "$1 does not start:" >&2; cat "$WORK/$1.log" >&2; exit 1
}
cli() { "$BIN/diode-tunnel" --socket "$WORK/$1.sock" "${@:2}"; }
post() { curl -sSf --unix-socket "$WORK/$1.sock" -H 'content-type: application/json' -d "$3" "http://localhost$2" > /dev/null; }
address() { cli "$1" whoami --json | sed -n 's/.*"device": *"\(0x[0-9a-f]*\)".*/\1/p'; }
counter() { cli "$1" status --json | sed -n "s/.*\"$2\": *\([0-9][0-9]*\).*/\1/p" | tail -1; }
memory() { awk '/^Rss:/{r=$2} /^Anonymous:/{a=$2} END{printf "%.1f %.1f", r/1024, a/1024}' "/proc/$1/smaps_rollup"; }

ip netns add "$NS-hub"; SPACES+=("$NS-hub")
ip -n "$NS-hub" link add br0 type bridge; ip -n "$NS-hub" link set br0 up
host relay 1
ip netns exec "$NS-relay" "$BIN/diode-tunneld" relay --state-dir "$WORK/relay" --listen 10.99.0.2:41046 > "$WORK/relay.log" 2>&1 & PIDS+=($!)
for _ in $(seq 300); do RELAY="$(grep -m1 '^diode://' "$WORK/relay.log" || true)"; [ -z "$RELAY" ] || break; sleep 0.1; done
device measured 2; MEASURED=$LAST
sleep "$SETTLE"
read -r rss anon <<< "$(memory "$MEASURED")"; last="$anon"
printf '%8s %7s %9s %10s %s\n' members online RSS_MiB anon_MiB step
printf '%8d %7d %9s %10s\n' 0 0 "$rss" "$anon"

cli measured fleet create crowd --label measured > /dev/null
mapfile -t offline < <(python3 -c "import os; [print('0x' + os.urandom(20).hex()) for _ in range($MEMBERS)]")
for i in $(seq 0 $((MEMBERS - 1 - ${STEPS[-1]}))); do
  post measured /v1/fleets/add "{\"device\":\"${offline[$i]}\",\"label\":\"m$i\"}"
done
online=0
for step in "${STEPS[@]}"; do
  before=$online
  while [ "$online" -lt "$step" ]; do
    online=$((online + 1))
    device "peer$online" $((online + 2))
    post measured /v1/fleets/add "{\"device\":\"$(address "peer$online")\",\"label\":\"peer$online\"}"
  done
  if [ "$online" -gt "$before" ]; then
    cli measured fleet export crowd -o "$WORK/crowd.fleet" > /dev/null
    for i in $(seq $((before + 1)) "$online"); do cli "peer$i" fleet join "$WORK/crowd.fleet" > /dev/null; done
  fi
  for _ in $(seq 600); do [ "$(counter measured peers_online)" -ge "$step" ] && break; sleep 0.5; done
  sleep "$SETTLE"
  read -r rss anon <<< "$(memory "$MEASURED")"
  members="$(counter measured peers)"
  if [ "$online" = 0 ]; then count=$members; else count=$((online - before)); fi
  printf '%8d %7d %9s %10s %s\n' "$members" "$(counter measured peers_online)" "$rss" "$anon" \
    "$(awk -v a="$anon" -v b="$last" -v n="$count" 'BEGIN{ if (n > 0) printf "%.1f KiB for each of %d", (a - b) * 1024 / n, n }')"
  last="$anon"
done
