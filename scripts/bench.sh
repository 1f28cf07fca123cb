#!/bin/bash
# bench.sh: Diode Tunnel beside its peers, in network namespaces on this machine. See tests/bench/README.md.
#   scripts/bench.sh                          T1,T2,T3,T5 with raw, wireguard-go, nebula, openvpn, diode-tunnel: about 45 minutes
#   scripts/bench.sh smoke                    the same drivers, one short round each: does it work, rough numbers
#   scripts/bench.sh soak T1 diode-tunnel 600 full rate both ways for ten minutes: does memory stay flat
#   scripts/bench.sh T1 wireguard-go nebula diode-tunnel      topologies and drivers as "bench run" takes them
# Prints a table of medians; raw records, the table and a picture of it are in artifacts/bench/<time> (or BENCH_OUT). BENCH_ROUNDS and the other
# variables of tests/bench/bench apply. Compare the numbers of one run only.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
DRIVERS="raw wireguard-go nebula openvpn diode-tunnel" TOPOLOGIES=T1,T2,T3,T5
need_root "$@"; need_dotnet
mode=run; case "${1:-}" in smoke|soak) mode="$1"; shift;; esac
[ "$mode" != soak ] || { DRIVERS=diode-tunnel TOPOLOGIES=T1; }
topologies="${1:-$TOPOLOGIES}"; [ $# = 0 ] || shift
drivers=("$@"); [ $# -gt 0 ] || read -ra drivers <<< "$DRIVERS"
build src/Diode.Tunnel.Daemon src/Diode.Tunnel.Cli tests/Diode.Tunnel.WireGuardTool || die "the build failed"
# As packages have it. BENCH_PUBLISH=0 takes what an earlier run has published, if anything.
if [ "${BENCH_PUBLISH:-1}" != 0 ]; then
  "$ROOT/scripts/publish.sh" || { rm -rf "$ROOT/artifacts/package/linux-x64"; echo "bench.sh: not as packages ship it: start and memory are worse" >&2; }
fi
export BENCH_OUT="${BENCH_OUT:-$ROOT/artifacts/bench/$(date +%Y%m%d-%H%M%S)}"
export BENCH_ROUNDS="${BENCH_ROUNDS:-3}" BENCH_HEAVY="${BENCH_HEAVY:-1}"
exec "$ROOT/tests/bench/bench" "$mode" "$topologies" "${drivers[@]}"
