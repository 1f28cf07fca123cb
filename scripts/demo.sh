#!/bin/bash
# demo.sh: a whole Diode network on this machine, in network namespaces, with the real programs. See scripts/demo/world.sh.
#   scripts/demo.sh            builds, starts, shows each step, then stays up until Ctrl-C with the commands to try
#   scripts/demo.sh --check    the same steps, then cleans up; ends with "N passed, N failed", status 1 if a step failed
#   scripts/demo.sh --chain [--check]    with a contract instead of the signed file: fleet, names and exit directory on a local EVM node (anvil)
# Needs Debian (or its like), root and the .NET 10 SDK; installs the few packages it uses. Leaves nothing behind but artifacts/.
# DEMO_BUILT=1: the Release build is there already.  DEMO_BIN: folder with the programs to use (scripts/publish.sh).  BN_KEEP=1: keep the logs.
# shellcheck disable=SC2154,SC2001  # ID_<host> are set by declare
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
CHECK=0 CHAIN=0
for option in "$@"; do case "$option" in --check) CHECK=1;; --chain) CHAIN=1;; *) sed -n '2,6p' "$0" >&2; exit 2;; esac; done
STARTED=$SECONDS PASSED=0 FAILED=0

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '    %s\n' "$*"; }
# step TEXT COMMAND...: ✓ if the command succeeds, ✗ (with its output) if not;  refused TEXT COMMAND...: the other way round
step() { verdict 0 "$@"; }
refused() { verdict 1 "$@"; }
verdict() {
  local want="$1" text="$2" out rc; shift 2
  out="$("$@" 2>&1)"; rc=$?; [ $rc = 0 ] || rc=1
  if [ $rc = "$want" ]; then PASSED=$((PASSED + 1)); printf '  \033[32m✓\033[0m %s\n' "$text"
  else FAILED=$((FAILED + 1)); printf '  \033[31m✗\033[0m %s\n' "$text"; sed 's/^/      /' <<< "$out" | tail -15; fi
  [ $rc = "$want" ]
}
finish() {
  local rc=$?; trap - EXIT INT TERM
  if [ "$FAILED" != 0 ]; then tail -n 25 "$BN_STATE"/log/*-vpn-*.log 2>/dev/null; fi
  bn_cleanup
  if [ $CHECK = 1 ]; then [ $((PASSED + FAILED)) -gt 0 ] || FAILED=1; echo "$PASSED passed, $FAILED failed"; fi
  [ "$FAILED" = 0 ] && [ $rc = 0 ]; exit
}
give_up() { echo "error: $*" >&2; FAILED=$((FAILED + 1)); exit 1; }

# What the steps measure. A curl that must fail gets 3 s, one that must work 10.
pings() { bn_exec laptop ping -n -q -c "${2:-3}" -i 0.2 -W 2 "$1"; }
answers() { local got; got="$(bn_exec "$1" curl -sS -m 10 "$2")" || return 1; [[ "$got" == *"$3"* ]] || { echo "got: $got"; return 1; }; }
reachable() { bn_exec "$1" curl -sS -m 3 -o /dev/null "$2"; }
eventually() { local limit=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $limit ] || return 1; sleep 0.3; done; }
cut_off() { ! bn_exec laptop ping -n -q -c 1 -W 1 "$1" >/dev/null; }
transfer() {
  local reply; head -c 64M /dev/urandom > "$BN_STATE/blob"
  reply="$(bn_exec laptop curl -sS -m 90 -T "$BN_STATE/blob" -w '%{speed_upload}' "http://$1/blob")" || return 1
  [ "$(sha256sum < "$BN_STATE/blob" | cut -d' ' -f1)" = "${reply%% *}" ] || { echo "the checksum differs: $reply"; return 1; }
  tail -1 <<< "$reply" | awk '{printf "%.0f Mbit/s\n", $1 * 8 / 1e6}' > "$BN_STATE/rate"
}
nothing_leaked() { local n; n="$(leaked)"; echo "${n:-?} packets"; [ "$n" = 0 ]; }
stays_closed() { local _; for _ in 1 2 3 4 5 6; do if reachable laptop "http://$INTERNET/"; then return 1; fi; done; nothing_leaked; }
queries_only_from() { [ -s "$BN_STATE/queries" ] && ! grep -vxF "$1" "$BN_STATE/queries"; }

need_root "$@"; need_dotnet
need_packages iproute2 nftables iputils-ping curl ca-certificates openssl procps python3 libsqlite3-0
[ $CHAIN = 0 ] || need_evm
[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; } || die "no /dev/net/tun: modprobe tun, or start the container with --device /dev/net/tun"
if [ "${DEMO_BUILT:-0}" != 1 ] && [ -z "${DEMO_BIN:-}" ]; then
  title "Building"
  build src/Diode.Tunnel.Daemon src/Diode.Tunnel.Cli || die "the build failed"
  say "$((SECONDS - STARTED)) s"
fi
if [ -n "${DEMO_BIN:-}" ]; then DEMO_BIN="$(realpath "$DEMO_BIN")"; DAEMON="$DEMO_BIN/diode-tunneld" CLI="$DEMO_BIN/diode-tunnel"
elif ! { DAEMON="$(bin diode-tunneld)" && CLI="$(bin diode-tunnel)"; }; then die "the programs are not built"; fi
# shellcheck source=scripts/demo/world.sh
. "$ROOT/scripts/demo/world.sh"

BN_TOOLS=0 bn_init "d$(printf %x $$)" || exit 1
trap finish EXIT; trap 'exit 130' INT TERM
title "A network: relay, laptop, server, exit, outsider, internet"
world_create || give_up "the namespaces cannot be built"
if [ $CHAIN = 1 ]; then chain_start || give_up "the chain did not start"; fi
relay_start || give_up "the relay did not start"
say "relay  $RELAY"
for h in $DEVICES; do daemon_start "$h"; done
for h in $DEVICES; do bn_wait 30 dt "$h" whoami || give_up "the daemon of $h does not answer"; done
for h in $DEVICES; do declare "ID_$h=$(dt "$h" whoami --json | field device)"; done
for h in $DEVICES; do n="ID_$h"; say "$(printf '%-9s' "$h")${!n}"; done

fleet_by_file() {
  title "A fleet, signed by the laptop, carried to the others as a file"
  FLEET="$BN_STATE/run/demo.fleet" SERVER=server.demo.diode REMOVE=(server)
  step "fleet create demo" dt laptop fleet create demo --label laptop
  step "fleet add: server" dt laptop fleet add "$ID_server" server
  step "fleet add: exit, with the role exit" dt laptop fleet add "$ID_exit" exit --role exit
  dt laptop fleet export demo -o "$FLEET" >/dev/null || give_up "no manifest"
  for h in server exit; do step "$h: fleet join" dt "$h" fleet join "$FLEET"; done
}
rich() { dt laptop fleet create demo --chain av --dry-run | grep -q "balance    1 coins"; }
proven() { dt laptop fleet verify "$FLEET" | grep "proven at block"; }
fleet_by_contract() {
  title "A fleet that a contract decides: the laptop is its operator, the relay reads it, nobody else is asked"
  local ID_laptop; ID_laptop="$(dt laptop whoami --json | field device)"
  bn_exec internet python3 "$ROOT/scripts/demo/deploy.py" "$CHAIN_URL" "$ID_laptop" "$ID_exit" "$ID_outsider" || give_up "no coins"
  eventually 10 rich
  dt laptop fleet create demo --chain av --dry-run | sed 's/^/    /'
  FLEET="av:$(dt laptop fleet create demo --chain av --yes --json | field contract)" SERVER=the-server.diode REMOVE=("$ID_server" --yes)
  step "fleet create demo --chain av: $FLEET" test "$FLEET" != av:
  for h in laptop server exit; do local id="ID_$h"; step "fleet add: $h" dt laptop fleet add "${!id}" --fleet "$FLEET" --yes; done
  refused "outsider adds itself: the contract refuses" dt outsider fleet add "$ID_outsider" --fleet "$FLEET" --yes
  step "bns register the-server" dt laptop bns register the-server "$ID_server" --chain av --contract "$BNS" --yes
  for h in laptop server exit; do step "$h: fleet join" dt "$h" fleet join "$FLEET" --name demo; done
  step "fleet verify: proven from the chain's state" proven
}
if [ $CHAIN = 1 ]; then fleet_by_contract; else fleet_by_file; fi
step "server: publish 80/tcp --to fleet" dt server publish 80/tcp --to fleet
for h in $DEVICES; do dt "$h" up >/dev/null || say "up on $h failed"; done

title "laptop to server"
IP="$(dt server whoami --json | field virtualIpv4)" IP6="$(dt server whoami --json | field virtualIpv6)"
first_ping() { eventually 30 pings "$IP" 1; }
step "ping $IP (virtual IPv4)" first_ping && say "first ping $((SECONDS - STARTED)) s after the start of this script"
step "ping $IP6 (virtual IPv6)" pings "$IP6"
step "ping $SERVER" pings "$SERVER"
step "curl http://$IP/" answers laptop "http://$IP/" "this is server"
step "curl http://$SERVER/" answers laptop "http://$SERVER/" "this is server"
refused "port 8081, not published, stays closed" reachable laptop "http://$IP:8081/"
step "64 MiB to the server over TCP, same SHA-256 there" transfer "$IP" && say "$(cat "$BN_STATE/rate")"

title "The outsider: same relay, not in the fleet"
refused "outsider cannot reach the server" reachable outsider "http://$IP/"
dt outsider fleet join "$FLEET" >/dev/null 2>&1
refused "nor after asking to join" reachable outsider "http://$IP/"
refused "nor by ping" bn_exec outsider ping -n -q -c 2 -W 1 "$IP"

title "Regional tunnel"
step "before: the internet sees the laptop's own address" answers laptop "http://$INTERNET/" 192.0.2.10
step "before: also over IPv6" answers laptop "http://[$INTERNET6]/" 2001:db8:1::10
step "exit: exit offer --region de" dt exit exit offer --region de
# The regions of the directory (Regions()), as anybody can ask for them; "de" in hexadecimal.
listed() {
  bn_exec internet curl -s -H "Content-Type: application/json" "$CHAIN_URL" \
    -d '{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"'"$EXITS"'","data":"0x7d4875b0"},"latest"]}' | grep -q 6465000000
}
if [ $CHAIN = 1 ]; then
  step "exit: exit register, in the directory on the chain" dt exit exit register --region de --chain av --contract "$EXITS" --yes
  step "anybody can read it there" listed
fi
offered() { dt laptop exit list | grep -w de; }
step "laptop: exit list shows it" eventually 20 offered
step "laptop: exit use de" dt laptop exit use de
leak_watch; : > "$BN_STATE/queries"
step "the internet sees the exit's address" eventually 10 answers laptop "http://$INTERNET/" 198.51.100.70
step "names too: curl http://web.example/" answers laptop http://web.example/ 198.51.100.70
step "and the name server was asked by the exit alone" queries_only_from 198.51.100.70
refused "IPv6 does not leak past the exit" reachable laptop "http://[$INTERNET6]/"
refused "the exit owner's own network is out of reach" reachable laptop "http://$HOMELAN/"
step "all the while, every packet that left the laptop was encrypted: to the relay or to another device" nothing_leaked
step "the fleet stays reachable" answers laptop "http://$SERVER/" "this is server"
step "laptop: exit off" dt laptop exit off
step "the internet sees the laptop again" eventually 5 answers laptop "http://$INTERNET/" 192.0.2.10

title "When things go wrong"
step "fleet remove: server" dt laptop fleet remove "${REMOVE[@]}"
step "it is cut off within 10 s" eventually 10 cut_off "$IP"
step "laptop: exit use de, once more" dt laptop exit use de
step "through the exit" eventually 10 answers laptop "http://$INTERNET/" 198.51.100.70
leak_watch; for p in $(bn_pids vpn exit); do kill -9 "$p"; done
step "the exit was killed: nothing leaves the laptop in the clear" stays_closed
step "laptop: exit off opens it again" dt laptop exit off
step "the internet sees the laptop" eventually 5 answers laptop "http://$INTERNET/" 192.0.2.10

[ $CHECK = 1 ] && exit
title "It is running; Ctrl-C ends it and removes everything. Try, as root in another terminal:"
say "export DIODE_TUNNEL_SOCKET=$(socket_of laptop)"
say "$CLI status            $CLI fleet add $ID_server server"
say "ip netns exec $BN_P-laptop bash        (then: ping $SERVER, curl http://$SERVER/)"
say "logs: $BN_STATE/log"
while :; do sleep 3600 & wait $!; done
