# diode-tunnel: relay on R, diode-tunneld on each device, a signed fleet. Packets go directly where the topology lets them, else by the relay.
# T3: X offers an exit, A uses it. DIODE_BIN: folder with diode-tunneld and diode-tunnel. Default: the programs as packages have them
# (scripts/publish.sh), else the Release build of this tree.
DIODE_ROOT="$(cd "$BN_LIB_DIR/../.." && pwd)"
DIODE_PACKAGE="$DIODE_ROOT/artifacts/package/linux-x64"
[ -n "${DIODE_BIN:-}" ] || [ ! -x "$DIODE_PACKAGE/diode-tunnel" ] || DIODE_BIN="$DIODE_PACKAGE"
DIODE_DAEMON="${DIODE_BIN:-$DIODE_ROOT/artifacts/bin/Diode.Tunnel.Daemon/release}/diode-tunneld"
DIODE_CLI="${DIODE_BIN:-$DIODE_ROOT/artifacts/bin/Diode.Tunnel.Cli/release}/diode-tunnel"
DRV_SETTLE=2
export DOTNET_EnableDiagnostics=0   # as in the packages' service file
drv_install() { bn_apt libssl3 || return 1
  [ -x "$DIODE_DAEMON" ] && [ -x "$DIODE_CLI" ] && return 0
  dotnet build "$DIODE_ROOT/src/Diode.Tunnel.Daemon" -c Release -v quiet --nologo >&2 && dotnet build "$DIODE_ROOT/src/Diode.Tunnel.Cli" -c Release -v quiet --nologo >&2; }
drv_version() { "$DIODE_DAEMON" --version; }
drv_supports() { case "$BN_TOPO" in T1|T2|T3|T5) return 0;; *) echo "T1, T2, T3, T5 only"; return 1;; esac; }
_devices() { echo "$(bn_peer)" A; }
_dt() { local h="$1"; shift; "$DIODE_CLI" --socket "$DIR/$h.sock" "$@"; }
_field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
_relay() { bn_spawn R vpn "$DIODE_DAEMON" relay --listen 0.0.0.0:41046 --state-dir "$DIR/R" --host "$(bn_addr R)" >/dev/null; }
_daemon() { bn_spawn "$1" vpn "$DIODE_DAEMON" run --state-dir "$DIR/$1" --socket "$DIR/$1.sock" --relays "$(cat "$DIR/relay")" --interface "$(bn_ifname "$1" dt)" >/dev/null; }
# Identities, the fleet, what is published and the exit are made once and kept in the state folders; drv_start then only starts programs.
drv_prepare() { local h log="$BN_STATE/log/R-vpn-diode-tunneld.log"
  for h in $(_devices); do bn_resolv "$h"; done
  [ "$BN_TOPO" != T3 ] || bn_ip X route replace default via "$(bn_addr S)"   # an exit leads to an internet: its default route says where
  : > "$log"; _relay; bn_wait 20 grep -q diode:// "$log" || return 1
  grep -oE 'diode://0x[0-9a-fA-F]{40}@[^ ]+' "$log" | head -1 > "$DIR/relay"
  for h in $(_devices); do _daemon "$h"; done
  for h in $(_devices); do bn_wait 30 _dt "$h" whoami || return 1; done
  local peer id; peer="$(bn_peer)"; id="$(_dt "$peer" whoami --json | _field device)"
  _dt "$peer" whoami --json | _field virtualIpv4 > "$DIR/ip"
  _dt A fleet create bench --label a && _dt A fleet add "$id" "${peer,,}" --role exit && _dt A fleet export bench -o "$DIR/fleet" || return 1
  _dt "$peer" fleet join "$DIR/fleet" && _dt "$peer" publish --all --to fleet && _dt A publish --all --to fleet || return 1
  for h in $(_devices); do _dt "$h" up || return 1; done
  [ "$BN_TOPO" != T3 ] || { _dt X exit offer --region de && bn_wait 30 _exit_listed && _dt A exit use de; } || return 1
  bn_kill vpn; }
_exit_listed() { _dt A exit list | grep -qw de; }
drv_start() { local h; _relay; for h in $(_devices); do _daemon "$h"; done; }
drv_ip_of_peer() { [ "$BN_TOPO" = T3 ] && bn_addr S || cat "$DIR/ip"; }
# A daemon that had to be killed leaves its kill switch in place on purpose; the next driver needs the host as it was.
drv_stop() { local h; bn_kill vpn
  for h in $(_devices); do bn_exec "$h" nft list tables | grep -q diode_tunnel && bn_exec "$h" "$DIODE_DAEMON" reset --state-dir "$DIR/$h"; done; return 0; }
