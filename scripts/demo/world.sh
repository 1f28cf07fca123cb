# shellcheck shell=bash
# world.sh: the demo's network and its programs, on top of tests/bench/lib.sh. All addresses are from documentation ranges.
#
#   laptop    192.0.2.10    2001:db8:1::10 ─┐                    ┌─ 198.51.100.10  relay
#   server    192.0.2.70 ───────────────────┤  backbone (router) ├─ 198.51.100.70  exit ── 192.168.77.1/24 homelan (.2)
#   outsider  192.0.2.130 ──────────────────┘                    └─ 203.0.113.80, 2001:db8:80::80  internet (web, DNS)
#
# Every host is a network namespace "<prefix>-<host>" with an /etc/resolv.conf of its own that names the internet's DNS server.
WEB="$ROOT/scripts/demo/web.py"
INTERNET=203.0.113.80 INTERNET6=2001:db8:80::80 HOMELAN=192.168.77.2
DEVICES="laptop server exit outsider"

# uplink HOST ADDRESS GATEWAY: a cable to the backbone and a default route over it (prefix length 26, or 64 for IPv6)
uplink() {
  local length=26; [[ "$2" == *:* ]] && length=64
  bn_if_exists backbone "to-$1" || _bn_veth "$1" eth0 backbone "to-$1"
  bn_ip backbone address add "$3/$length" dev "to-$1" && bn_ip "$1" address add "$2/$length" dev eth0 && bn_ip "$1" route add default via "$3"
}

world_create() {
  _bn_host backbone relay internet homelan $DEVICES
  bn_exec backbone sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
  local h; for h in laptop internet; do bn_exec "$h" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; done
  uplink laptop 192.0.2.10 192.0.2.1 && uplink laptop 2001:db8:1::10 2001:db8:1::1
  uplink server 192.0.2.70 192.0.2.65 && uplink outsider 192.0.2.130 192.0.2.129
  uplink relay 198.51.100.10 198.51.100.1 && uplink exit 198.51.100.70 198.51.100.65
  uplink internet $INTERNET 203.0.113.65 && uplink internet $INTERNET6 2001:db8:80::1
  _bn_veth exit lan0 homelan eth0
  bn_ip exit address add 192.168.77.1/24 dev lan0; bn_ip homelan address add $HOMELAN/24 dev eth0; bn_ip homelan route add default via 192.168.77.1
  for h in $DEVICES relay; do bn_resolv "$h" $INTERNET; done

  printf 'web.example %s\n' $INTERNET > "$BN_STATE/names"; : > "$BN_STATE/queries"
  bn_spawn internet web python3 "$WEB" internet "$BN_STATE/names" "$BN_STATE/queries" >/dev/null
  bn_spawn homelan web python3 "$WEB" site "the exit owner's printer" 80 >/dev/null
  bn_spawn server web python3 "$WEB" site server 80 >/dev/null
  bn_spawn server private python3 "$WEB" site "server, unpublished" 8081 >/dev/null
  bn_wait 5 bn_listening internet tcp 80 && bn_wait 5 bn_listening server tcp 80 && bn_wait 5 bn_listening server tcp 8081
}

# leak_watch: from now on the backbone counts the laptop's packets to anywhere but the relay and other devices' tunnel ports; leaked: how many there were
leak_watch() {
  bn_exec backbone nft -f - <<EOF
table inet watch
delete table inet watch
table inet watch {
  counter leaked { }
  chain c_in { type filter hook prerouting priority -300; policy accept;
    udp sport 41042 udp dport 41042 accept comment "encrypted, straight to another device"
    udp dport { 1900, 5351 } accept comment "asks the gateway for a port"
    iifname "to-laptop" ip daddr != 198.51.100.10 counter name "leaked"
    iifname "to-laptop" ip6 daddr != { fe80::/10, ff00::/8 } counter name "leaked"
  }
}
EOF
}
leaked() { bn_exec backbone nft list counter inet watch leaked | awk '/packets/ { print $2 }'; }

# chain_start: a test chain on the internet, with a name service (BNS) and an exit directory (EXITS); the relay reads it at CHAIN_URL
chain_start() {
  CHAIN_URL="http://$INTERNET:8545"
  bn_spawn internet chain "$DIODE_ANVIL" --host 0.0.0.0 --port 8545 --silent --gas-price 0 --block-base-fee-per-gas 0 >/dev/null
  bn_wait 20 bn_listening internet tcp 8545 || return 1
  { read -r BNS; read -r EXITS; } < <(bn_exec internet python3 "$ROOT/scripts/demo/deploy.py" "$CHAIN_URL" "$ROOT"/src/contracts/artifacts/{BNS,ExitDirectory}.json)
  [ -n "$EXITS" ]
}

# relay_start: sets RELAY to the relay's diode:// address
relay_start() {
  local log="$BN_STATE/log/relay-vpn-diode-tunneld.log"
  bn_spawn relay vpn "$DAEMON" relay --listen 0.0.0.0:41046 --state-dir "$BN_STATE/run/relay" --host 198.51.100.10 ${CHAIN_URL:+--chain "av=$CHAIN_URL"} >/dev/null
  bn_wait 20 grep -qE 'diode://' "$log" || { cat "$log"; return 1; }
  RELAY="$(grep -oE 'diode://0x[0-9a-fA-F]{40}@[^ ]+' "$log" | head -1)"
}

socket_of() { echo "$BN_STATE/run/$1.sock"; }
daemon_start() {
  local chain=(); [ -z "${CHAIN_URL:-}" ] || chain=(--chain-quorum 1 --name-services "av=$BNS")   # one relay, so one has to do
  bn_spawn "$1" vpn "$DAEMON" run "${chain[@]}" --state-dir "$BN_STATE/run/$1" --socket "$(socket_of "$1")" --relays "$RELAY" --interface diode0 >/dev/null
}
# dt HOST VERB...: the command line of that host's daemon
dt() { local h="$1"; shift; "$CLI" --socket "$(socket_of "$h")" "$@"; }
# field NAME: one top-level field of the JSON on standard input
field() { python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]) or "")' "$1"; }
