# shellcheck shell=bash
# lib.sh: network-namespace topologies for benchmarks and integration tests. Source it (bash, root, Linux):
#   . path/to/lib.sh; bn_init myprefix; trap bn_cleanup EXIT; topo_create T4 nat=symmetric
#   bn_exec A ping -c1 "$(bn_addr R)"; bn_spawn A vpn mydaemon --flags; bn_kill vpn; topo_destroy
# All state lives in namespaces "<prefix>-<HOST>", one temporary folder and, for hosts that asked for a resolver file of their own
# (bn_resolv), /etc/netns/<prefix>-<HOST>: nothing is created in the root namespace. topo_destroy and bn_cleanup remove all of it.
# Two prefixes can be up at the same time. Every function is safe to call twice.
#
#   T1 direct   A, B, R on one switch (198.18.0.0/24)
#   T2 relayed  as T1, but the switch drops everything between A and B (ARP/ND too); both reach R
#   T3 exit     A - X on the switch, X - S on 198.18.100.0/24; X masquerades; A has no route to S, S has none to A
#   T4 nat      A - N1 - switch - N2 - B, R on the switch; nat=cone|symmetric (or nat1=, nat2=)
#   T5 wan      as T1 with a WAN emulator on A's link; wan="delay_ms=20 rate_mbit=100 loss=0.5" (see tools/wanem.c)
# offload=off switches TSO, GSO and checksum offload off on all cables to the switch, so that nothing larger than the MTU crosses it.
# udp=off drops all UDP of A's link, so that only TCP is left.
# wan="..." works with any topology (always on A's link); mtu=N sets the MTU of A's and B's links (default 1500).

BN_LIB_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
BN_NET=198.18.0
BN_WAN_DEFAULT="delay_ms=20 rate_mbit=200 queue_ms=50 loss=0.1"

bn_log() { [ "${BN_QUIET:-0}" = 1 ] || echo "[bn $(date +%T)] $*" >&2; }
bn_die() { echo "[bn] $*" >&2; return 1; }

# bn_init PREFIX: at most 8 characters of [a-z0-9]; attaches to a running topology of that prefix if there is one.
bn_init() {
  BN_P="${1:-bn$$}"
  [[ "$BN_P" =~ ^[a-z0-9]{1,8}$ ]] || { bn_die "prefix must match [a-z0-9]{1,8}"; return 1; }
  [ "$(id -u)" = 0 ] || { bn_die "needs root"; return 1; }
  BN_STATE="${TMPDIR:-/tmp}/bn-$BN_P"
  mkdir -p "$BN_STATE/log" "$BN_STATE/run"
  touch "$BN_STATE/pids"
  if [ -f "$BN_STATE/topo" ]; then read -r BN_TOPO BN_HOSTS < "$BN_STATE/topo"; fi
  export BN_P BN_STATE BN_TOPO BN_HOSTS
  [ "${BN_TOOLS:-1}" = 0 ] || bn_tools   # BN_TOOLS=0: a caller that needs none of the C helpers (and so no compiler)
}

# Compiles the C helpers once per user and source version (outside the source tree).
bn_tools() {
  local sum; sum="$(cat "$BN_LIB_DIR"/tools/*.c | cksum | cut -d' ' -f1)"
  BN_BIN="${TMPDIR:-/tmp}/bn-tools-$sum"; export BN_BIN
  [ -e "$BN_BIN/.ok" ] && return 0
  mkdir -p "$BN_BIN"
  local c; for c in "$BN_LIB_DIR"/tools/*.c; do
    gcc -O2 -o "$BN_BIN/$(basename "$c" .c)" "$c" || { bn_die "cannot compile $c"; return 1; }
  done
  touch "$BN_BIN/.ok"
}

# bn_apt PACKAGE...: install Debian packages that are missing, without starting their services.
bn_apt() {
  local p miss=(); for p in "$@"; do dpkg -s "$p" 2>/dev/null | grep -q '^Status: install ok installed' || miss+=("$p"); done
  [ ${#miss[@]} = 0 ] && return 0
  local made=0
  if [ ! -e /usr/sbin/policy-rc.d ]; then printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made=1; fi
  [ -e "${TMPDIR:-/tmp}/bn-apt-updated" ] || { apt-get update -q >/dev/null 2>&1; touch "${TMPDIR:-/tmp}/bn-apt-updated"; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${miss[@]}" >"${TMPDIR:-/tmp}/bn-apt.log" 2>&1; local rc=$?
  [ $made = 1 ] && rm -f /usr/sbin/policy-rc.d
  [ $rc = 0 ] || bn_die "apt-get install ${miss[*]} failed (see bn-apt.log in the temporary folder)"
}
bn_install_base() { bn_apt iproute2 nftables iputils-ping iperf3 ethtool procps gcc libc6-dev; }

bn_ns() { echo "$BN_P-$1"; }
bn_has() { [ -e "/run/netns/$BN_P-$1" ]; }
bn_exec() { local h="$1"; shift; ip netns exec "$BN_P-$h" "$@"; }
bn_ip() { local h="$1"; shift; ip -n "$BN_P-$h" "$@"; }
# bn_resolv HOST [SERVER]: give HOST an /etc/resolv.conf of its own (a program started there later sees it instead of the machine's,
# and may rewrite it). "ip netns exec" bind-mounts it; the file itself is in /etc/netns.
bn_resolv() { mkdir -p "/etc/netns/$BN_P-$1" && if [ -n "${2:-}" ]; then echo "nameserver $2"; else echo "# no resolver"; fi > "/etc/netns/$BN_P-$1/resolv.conf"; }
bn_now() { "$BN_BIN/icmpwait" now; }   # CLOCK_MONOTONIC, ns
# bn_ifname HOST SUFFIX: an interface name unique over all prefixes (for software with host-wide sockets named after it)
bn_ifname() { echo "$BN_P$2$1"; }

# bn_addr HOST: the host's underlay address as the others see it (T4: A and B have private ones; the NATs' via N1, N2)
bn_addr() {
  case "$1:${BN_TOPO:-}" in
    A:T4) echo 10.71.1.2;; B:T4) echo 10.71.2.2;;
    A:*) echo $BN_NET.1;; B:*) echo $BN_NET.2;; X:*) echo $BN_NET.3;; R:*) echo $BN_NET.10;;
    N1:*) echo $BN_NET.21;; N2:*) echo $BN_NET.22;; S:*) echo 198.18.100.2;;
    *) return 1;;
  esac
}
# bn_vip HOST: the overlay address that drivers give the host when they can choose (10.200.0.0/24)
bn_vip() { case "$1" in A) echo 10.200.0.1;; B) echo 10.200.0.2;; X) echo 10.200.0.3;; R) echo 10.200.0.10;; *) return 1;; esac; }
# bn_peer: the host at the far end of the overlay from A (B, or the exit X in T3); bn_target: the host that traffic is measured to
bn_peer() { [ "$BN_TOPO" = T3 ] && echo X || echo B; }
bn_target() { [ "$BN_TOPO" = T3 ] && echo S || echo B; }

# ---- processes -------------------------------------------------------------------------------------------------------
_bn_start_of() { local s; s="$(cat "/proc/$1/stat" 2>/dev/null)" || return 1; set -- ${s##*) }; echo "${20}"; }
# bn_spawn HOST TAG CMD...: run CMD in HOST in the background, logged; its pid is recorded and printed.
# TAG "vpn" marks the processes whose CPU and memory are accounted to the driver. Children of CMD are accounted too.
bn_spawn() {
  local h="$1" tag="$2"; shift 2
  local name; name="$(basename "$1")"
  ip netns exec "$BN_P-$h" "$@" </dev/null >>"$BN_STATE/log/$h-$tag-$name.log" 2>&1 &
  local pid=$!; disown "$pid" 2>/dev/null
  echo "$pid $(_bn_start_of $pid) $h $tag $name" >> "$BN_STATE/pids"
  echo "$pid"
}
# bn_adopt PID HOST TAG: account for and later end a process that something else started (a daemon that forked)
bn_adopt() { echo "$1 $(_bn_start_of "$1") $2 $3 adopted" >> "$BN_STATE/pids"; }
# bn_pids [TAG [HOST]]: live recorded pids (a reused pid is not mistaken: start times are compared)
bn_pids() {
  local pid st h tag name
  while read -r pid st h tag name; do
    [ -n "${1:-}" ] && [ "$tag" != "$1" ] && continue
    [ -n "${2:-}" ] && [ "$h" != "$2" ] && continue
    [ "$(_bn_start_of "$pid")" = "$st" ] && echo "$pid"
  done < "$BN_STATE/pids"; return 0
}
_bn_tree() { local p c; for p in "$@"; do echo "$p"; for c in $(cat /proc/"$p"/task/*/children 2>/dev/null); do _bn_tree "$c"; done; done; }
# bn_kill [TAG [HOST]]: TERM, wait up to 2 s, KILL
bn_kill() {
  local p pids i; pids="$(_bn_tree $(bn_pids "$@"))"; [ -z "$pids" ] && return 0
  for p in $pids; do kill "$p" 2>/dev/null; done
  for i in $(seq 40); do local live=0; for p in $pids; do [ -e /proc/$p ] && live=1; done; [ $live = 0 ] && return 0; sleep 0.05; done
  for p in $pids; do kill -9 "$p" 2>/dev/null; done; sleep 0.1
}
# bn_cpu [TAG [HOST]]: clock ticks (1/100 s) of user+system time;  bn_rss [TAG [HOST]]: resident KiB
bn_cpu() { local p s t=0; for p in $(_bn_tree $(bn_pids "$@")); do s="$(cat /proc/$p/stat 2>/dev/null)" || continue; set -- ${s##*) }; t=$((t+${12}+${13}+${14}+${15})); done; echo $t; }
bn_rss() { local p v t=0; for p in $(_bn_tree $(bn_pids "$@")); do v="$(awk '/^VmRSS/{print $2}' /proc/$p/status 2>/dev/null)"; t=$((t+${v:-0})); done; echo $t; }

# bn_wait SECONDS CMD...: poll every 5 ms until CMD succeeds
bn_wait() { local e=$(( $(date +%s%N) + $1*1000000000 )); shift; until "$@" >/dev/null 2>&1; do [ "$(date +%s%N)" -gt $e ] && return 1; sleep 0.005; done; }
bn_if_up() { [ -n "$(ip -n "$BN_P-$1" -o link show dev "$2" up 2>/dev/null)" ]; }
# bn_listening HOST udp|tcp PORT
bn_listening() { ip netns exec "$BN_P-$1" ss -Hln "$([ "$2" = udp ] && echo -u || echo -t)" "sport = :$3" | grep -q .; }
bn_if_exists() { ip -n "$BN_P-$1" link show dev "$2" >/dev/null 2>&1; }

# ---- building blocks -------------------------------------------------------------------------------------------------
_bn_host() { local h; for h in "$@"; do ip netns add "$BN_P-$h" && ip -n "$BN_P-$h" link set lo up; done; }
# _bn_veth HOST IF PEERHOST PEERIF
_bn_veth() { ip -n "$BN_P-$1" link add "$2" mtu "${BN_MTU:-1500}" type veth peer name "$4" mtu "${BN_MTU:-1500}" netns "$BN_P-$3" && ip -n "$BN_P-$1" link set "$2" up && ip -n "$BN_P-$3" link set "$4" up; }
_bn_switch() { _bn_host SW; bn_ip SW link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0; bn_ip SW link set br0 up; }
# _bn_port HOST IF [WAN]: cable HOST's IF to the switch (port p<HOST>); with WAN the cable passes through the emulator
_bn_port() {
  local h="$1" i="$2" wan="${3:-}"
  if [ -z "$wan" ]; then _bn_veth "$h" "$i" SW "p$h"
  else
    _bn_veth "$h" "$i" SW "w$h"; bn_ip SW link add "v$h" type veth peer name "p$h"; bn_ip SW link set "v$h" up; bn_ip SW link set "p$h" up
    # the emulator needs whole frames: nothing may leave the far ends as a TSO/GSO super-packet or with an unfinished checksum
    bn_exec "$h" ethtool -K "$i" tx off tso off gso off >/dev/null 2>&1; bn_exec SW ethtool -K "p$h" tx off tso off gso off >/dev/null 2>&1
    bn_exec SW sysctl -qw "net.ipv6.conf.w$h.disable_ipv6=1" "net.ipv6.conf.v$h.disable_ipv6=1" 2>/dev/null
    bn_spawn SW wan "$BN_BIN/wanem" "w$h" "v$h" $wan >/dev/null
  fi
  bn_ip SW link set "p$h" master br0
  if [ "${BN_OFFLOAD:-on}" = off ] && [ -z "$wan" ]; then bn_exec "$h" ethtool -K "$i" tx off tso off gso off >/dev/null 2>&1; bn_exec SW ethtool -K "p$h" tx off tso off gso off >/dev/null 2>&1; fi
}
_bn_pub() { bn_ip "$1" addr add "$2/24" dev "$3"; }
bn_forward() { bn_exec "$1" sysctl -qw net.ipv4.ip_forward=1; }
# _bn_nat HOST WANIF cone|symmetric: masquerade; unsolicited packets to the router itself are dropped before conntrack keeps them
_bn_nat() {
  local flags=""; [ "$3" = symmetric ] && flags="random,fully-random"
  bn_forward "$1"
  bn_exec "$1" nft -f - <<EOF
table ip bn_nat
delete table ip bn_nat
table ip bn_nat {
  chain c_post { type nat hook postrouting priority 100; policy accept;
    oifname "$2" masquerade $flags
  }
  chain c_fwd { type filter hook forward priority 0; policy accept;
    iifname "$2" ct state established,related accept
    iifname "$2" drop
  }
  chain c_in { type filter hook input priority 0; policy accept;
    iifname "$2" ct state established,related accept
    iifname "$2" icmp type echo-request accept
    iifname "$2" drop
  }
}
EOF
}
# topo_block HOST HOST / topo_unblock: drop everything (or nothing) that the switch carries between two hosts' ports
topo_block() { bn_exec SW nft add rule bridge bn_sw c_block iifname "p$1" oifname "p$2" counter drop && bn_exec SW nft add rule bridge bn_sw c_block iifname "p$2" oifname "p$1" counter drop; }
topo_unblock() { bn_exec SW nft flush chain bridge bn_sw c_block; }
# topo_block_udp HOST: the switch drops all UDP from and to HOST (for fallbacks to TCP)
topo_block_udp() { local d; for d in iifname oifname; do bn_exec SW nft add rule bridge bn_sw c_block "$d" "p$1" ether type ip ip protocol udp counter drop; done; }
_bn_swnft() {
  bn_exec SW nft -f - <<EOF
table bridge bn_sw {
  counter cn_direct { }
  counter cn_relay { }
  chain c_block { }
  chain c_fwd { type filter hook forward priority 0; policy accept;
    jump c_block
    $1
  }
}
EOF
}
# topo_link HOST up|down: plug or unplug the host's cable at the switch (addresses and routes inside the host stay)
topo_link() { bn_ip SW link set "p$1" "$2"; }
# topo_path_reset; topo_path: "direct BYTES relay BYTES" that crossed the switch between A's and B's ports, and to or from R (T2, T4)
topo_path_reset() { bn_exec SW nft reset counters table bridge bn_sw >/dev/null 2>&1; }
topo_path() { bn_exec SW nft list counters table bridge bn_sw 2>/dev/null | awk '/counter cn_direct/{k="direct"}/counter cn_relay/{k="relay"}/bytes/{v[k]=$4}END{printf "direct %.0f relay %.0f\n",v["direct"],v["relay"]}'; }

# topo_create T1..T5 [nat=..] [nat1=..] [nat2=..] [wan="k=v .."] [mtu=N] [offload=on|off] [udp=on|off]
topo_create() {
  local t="$1" nat=cone nat1="" nat2="" wan="" udp=on a; shift; BN_MTU=1500 BN_OFFLOAD=on
  for a in "$@"; do case "$a" in nat=*) nat="${a#*=}";; nat1=*) nat1="${a#*=}";; nat2=*) nat2="${a#*=}";; wan=*) wan="${a#*=}";; mtu=*) BN_MTU="${a#*=}";; offload=*) BN_OFFLOAD="${a#*=}";; udp=*) udp="${a#*=}";; *) bn_die "unknown option $a"; return 1;; esac; done
  topo_destroy
  mkdir -p "$BN_STATE/log" "$BN_STATE/run"; : > "$BN_STATE/pids"
  BN_TOPO="$t"; _bn_switch || return 1
  case "$t" in
    T1|T2|T5)
      [ "$t" = T5 ] && wan="${wan:-$BN_WAN_DEFAULT}"
      BN_HOSTS="A B R"; _bn_host A B R; _bn_port A eth0 "$wan"; _bn_port B eth0; _bn_port R eth0
      _bn_pub A $BN_NET.1 eth0; _bn_pub B $BN_NET.2 eth0; _bn_pub R $BN_NET.10 eth0
      if [ "$t" = T2 ]; then
        _bn_swnft 'iifname { "pA", "pB" } oifname "pR" counter name "cn_relay"
    iifname "pR" oifname { "pA", "pB" } counter name "cn_relay"
    iifname "pA" oifname "pB" counter name "cn_direct"
    iifname "pB" oifname "pA" counter name "cn_direct"'
        topo_block A B
      fi;;
    T3)
      BN_HOSTS="A X R S"; _bn_host A X R S; _bn_port A eth0 "$wan"; _bn_port X eth0; _bn_port R eth0
      _bn_pub A $BN_NET.1 eth0; _bn_pub X $BN_NET.3 eth0; _bn_pub R $BN_NET.10 eth0
      _bn_veth X eth1 S eth0; bn_ip X addr add 198.18.100.1/24 dev eth1; bn_ip S addr add 198.18.100.2/24 dev eth0
      _bn_nat X eth1 cone;;
    T4)
      BN_HOSTS="A B R N1 N2"; _bn_host A B R N1 N2; _bn_port N1 eth0 "$wan"; _bn_port N2 eth0; _bn_port R eth0
      _bn_pub N1 $BN_NET.21 eth0; _bn_pub N2 $BN_NET.22 eth0; _bn_pub R $BN_NET.10 eth0
      _bn_veth A eth0 N1 eth1; _bn_veth B eth0 N2 eth1
      bn_ip N1 addr add 10.71.1.1/24 dev eth1; bn_ip N2 addr add 10.71.2.1/24 dev eth1
      bn_ip A addr add 10.71.1.2/24 dev eth0; bn_ip B addr add 10.71.2.2/24 dev eth0
      bn_ip A route add default via 10.71.1.1; bn_ip B route add default via 10.71.2.1
      _bn_nat N1 eth0 "${nat1:-$nat}"; _bn_nat N2 eth0 "${nat2:-$nat}"
      _bn_swnft 'iifname { "pN1", "pN2" } oifname "pR" counter name "cn_relay"
    iifname "pR" oifname { "pN1", "pN2" } counter name "cn_relay"
    iifname "pN1" oifname "pN2" counter name "cn_direct"
    iifname "pN2" oifname "pN1" counter name "cn_direct"';;
    *) bn_die "unknown topology $t"; return 1;;
  esac
  export BN_TOPO BN_HOSTS
  echo "$BN_TOPO $BN_HOSTS" > "$BN_STATE/topo"
  # T1, T5 and T3 need no counters; give every topology the block chain
  case "$t" in T1|T3|T5) _bn_swnft "";; esac
  [ "$udp" = on ] || topo_block_udp A
}
topo_destroy() {
  [ -n "${BN_P:-}" ] || return 0
  [ -f "$BN_STATE/pids" ] && bn_kill
  local n; for n in $(ip netns list 2>/dev/null | awk '{print $1}' | grep -E "^$BN_P-" || true); do ip netns del "$n" 2>/dev/null; done
  rm -rf /etc/netns/"$BN_P"-*; rmdir /etc/netns 2>/dev/null
  rm -f "$BN_STATE/topo" "$BN_STATE/pids"; BN_TOPO=""; BN_HOSTS=""
}
# bn_cleanup: end every recorded process, remove the namespaces and the state folder (keep it with BN_KEEP=1)
bn_cleanup() { topo_destroy; [ "${BN_KEEP:-0}" = 1 ] || rm -rf "$BN_STATE"; }
