#!/bin/bash
# test.sh: sets up what the tests need (Debian, root, .NET SDK), builds once, runs everything, ends with "N passed, N failed".
#   scripts/test.sh                       all of it: unit, vectors, integration, demo
#   scripts/test.sh unit|vectors|integration|demo ...
#   DIODE_VECTORS=dir scripts/test.sh vectors      the conformance vectors of another folder
#   TEST_FILTER=Namespace.Class scripts/test.sh unit
# Logs and trx files: artifacts/log. A skipped test counts as failed, so does a part that ran nothing; exit status 1 if anything failed.
# shellcheck disable=SC2317  # the parts are called by name
[ -z "${DIODE_VECTORS:-}" ] || DIODE_VECTORS="$(realpath -m "$DIODE_VECTORS")"   # before common.sh changes the folder
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
LOGS="$ROOT/artifacts/log"; mkdir -p "$LOGS"
PASSED=0 FAILED=0

# tally NAME PASSED FAILED SECONDS
tally() { PASSED=$((PASSED + $2)); FAILED=$((FAILED + $3)); printf '%-12s %5d passed, %d failed  (%d s)\n' "$1" "$2" "$3" "$4"; }

finish() { echo "$PASSED passed, $FAILED failed"; [ "$FAILED" = 0 ]; exit; }

# dotnet_tests NAME PROJECT LIMIT_SECONDS: counts come from the trx file, not from text on the screen
dotnet_tests() {
  local name="$1" project="$2" limit="$3" start=$SECONDS trx="$LOGS/$1.trx" counters total passed failed rc
  rm -f "$trx"
  timeout -k 20 "$limit" dotnet test "$project" -c "$CONFIGURATION" --no-build --nologo -v quiet \
    --logger "trx;LogFileName=$name.trx" --logger "console;verbosity=minimal" --results-directory "$LOGS" ${TEST_FILTER:+--filter "FullyQualifiedName~$TEST_FILTER"} \
    > "$LOGS/$name.log" 2>&1 </dev/null; rc=$?
  counters="$(grep -o '<Counters [^>]*>' "$trx" 2>/dev/null | head -1)"
  total="$(attribute total "$counters")" passed="$(attribute passed "$counters")"
  failed=$((total - passed))                                             # failed, timed out, aborted and skipped alike
  if [ "$rc" != 0 ] || [ "$failed" != 0 ] || [ "$total" = 0 ]; then
    [ "$failed" != 0 ] || failed=1                                       # crashed, timed out, or ran nothing
    tail -c 12000 "$LOGS/$name.log"
    [ "$rc" != 124 ] || echo "$name: stopped after $limit s"
    [ "$total" != 0 ] || echo "$name: no test was executed"
  fi
  tally "$name" "$passed" "$failed" $((SECONDS - start))
}
attribute() { local v; v="$(sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<< "$2")"; echo "${v:-0}"; }

# program NAME LIMIT_SECONDS COMMAND...: a program that itself ends with "N passed, N failed"
program() {
  local name="$1" limit="$2" start=$SECONDS rc passed failed; shift 2
  timeout -k 20 "$limit" "$@" 2>&1 </dev/null | tee "$LOGS/$name.log" | sed -u '/^[0-9]* passed, [0-9]* failed$/d'; rc=${PIPESTATUS[0]}
  read -r passed failed <<< "$(sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$LOGS/$name.log" | tail -1)"
  passed="${passed:-0}" failed="${failed:-0}"
  if [ "$failed" = 0 ] && { [ "$rc" != 0 ] || [ "$passed" = 0 ]; }; then failed=1; echo "$name: ended with status $rc and $passed passed"; fi
  tally "$name" "$passed" "$failed" $((SECONDS - start))
}

unit() { dotnet_tests unit tests/Diode.Tunnel.Tests 300; }
vectors() { program vectors 120 "$(bin Diode.Tunnel.Vectors)"; }
integration() { dotnet_tests integration tests/Diode.Tunnel.IntegrationTests 780; }
# Both demos at once: each waits most of the time. The second one's words come after those of the first.
demo() {
  local chain="$LOGS/demo-chain.out"
  DEMO_BUILT=1 timeout -k 20 300 "$ROOT/scripts/demo.sh" --chain --check > "$chain" 2>&1 </dev/null & local pid=$!
  program demo 300 env DEMO_BUILT=1 "$ROOT/scripts/demo.sh" --check
  wait "$pid"; program demo-chain 10 cat "$chain"
}

parts=("$@"); [ $# -gt 0 ] || parts=(unit vectors integration demo)
for part in "${parts[@]}"; do
  case "$part" in unit|vectors|integration|demo) ;; *) sed -n '2,8p' "$0" >&2; exit 2;; esac
done

[ "${parts[*]}" = vectors ] || need_root "$@"
need_dotnet
if [ "${parts[*]}" = vectors ]; then
  targets=(tests/Diode.Tunnel.Vectors)                                   # pure: neither root nor packages
else
  need_packages iproute2 nftables miniupnpd-nftables iputils-ping iperf3 ethtool procps curl ca-certificates openssl gcc libc6-dev bind9-dnsutils python3 \
    wireguard-go wireguard-tools libsqlite3-0 libsecp256k1-1 coturn
  need_evm
  [ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; } || die "no /dev/net/tun: modprobe tun, or start the container with --device /dev/net/tun"
  targets=(Diode.Tunnel.sln)
fi
build "${targets[@]}" || { echo "the build failed"; FAILED=1; finish; }
for part in "${parts[@]}"; do "$part"; done
finish
