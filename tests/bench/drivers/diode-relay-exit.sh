# diode-relay-exit: T3 through the WireGuard exit of our relay on X. A plain WireGuard client on A (ours; RELAY_EXIT_CLIENT=wireguard-go: that one); the device
# that pays is held by diode-load on A.
. "$BN_LIB_DIR/drivers/diode-udp.sh"
DRV_METRICS="all"; DRV_SETTLE=1.5
DIODE_WG="${DIODE_WG:-$DIODE_ROOT/artifacts/bin/Diode.Tunnel.WireGuardTool/release/diode-wg}"
drv_install() { bn_apt libssl3 nftables wireguard-tools wireguard-go || return 1; [ -x "$DIODE_WG" ] && [ -x "$DIODE_DAEMON" ] && [ -x "$DIODE_LOAD" ] && return 0
  local p; for p in src/Diode.Tunnel.Daemon tests/Diode.Tunnel.LoadTool tests/Diode.Tunnel.WireGuardTool; do dotnet build "$DIODE_ROOT/$p" -c Release -v quiet --nologo >&2 || return 1; done; }
drv_supports() { [ "$BN_TOPO" = T3 ] || { echo "T3 only"; return 1; }; return 0; }
drv_prepare() { wg genkey > "$DIR/A.key"; wg pubkey < "$DIR/A.key" > "$DIR/A.pub"
  bn_ip X route replace default via "$(bn_addr S)"; }   # an exit leads to an internet: its default route says where
drv_start() { local log="$BN_STATE/log/X-vpn-diode-tunneld.log" i; i="$(bn_ifname A re)"; : > "$log"; rm -f "$DIR/session"
  bn_spawn X vpn "$DIODE_DAEMON" relay --listen "$(bn_addr X):41046" --peer-listen none --state-dir "$DIR/X" --host "$(bn_addr X)" --wireguard-listen 51820 --wireguard-client-rate 0 --log-level warning >/dev/null
  bn_wait 20 grep -q diode:// "$log" || return 1
  bn_spawn A hold bash -c "exec '$DIODE_LOAD' exit --uri '$(grep -oE 'diode://0x[0-9a-fA-F]{40}@[^ ]+' "$log" | head -1)' --public-key '$(cat "$DIR/A.pub")' > '$DIR/session'" >/dev/null
  bn_wait 20 test -s "$DIR/session" || return 1
  { echo "[Interface]"; echo "PrivateKey = $(cat "$DIR/A.key")"; echo "ListenPort = 51820"
    echo "[Peer]"; echo "PublicKey = $(_of server_public_key)"; echo "Endpoint = $(bn_addr X):51820"; echo "AllowedIPs = 0.0.0.0/0"; } > "$DIR/A.conf"
  if [ "${RELAY_EXIT_CLIENT:-diode-wg}" = wireguard-go ]; then
    WG_PROCESS_FOREGROUND=1 bn_spawn A vpn wireguard-go -f "$i" >/dev/null; bn_wait 5 test -S "/var/run/wireguard/$i.sock" || return 1; bn_exec A wg setconf "$i" "$DIR/A.conf"
  else bn_spawn A vpn "$DIODE_WG" --config "$DIR/A.conf" --interface "$i" --mtu 1420 >/dev/null; fi
  bn_wait 10 bn_if_exists A "$i" || return 1
  bn_ip A addr add "$(_of client_address)" dev "$i"; bn_ip A link set "$i" mtu 1420 up; bn_ip A route add 198.18.100.0/24 dev "$i"; }
_of() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$DIR/session" "$1"; }
drv_stop() { bn_kill hold; bn_kill vpn; rm -f "/var/run/wireguard/$(bn_ifname A re).sock"; }
drv_ip_of_peer() { bn_addr S; }
drv_udp_port() { echo 5999; }
drv_udpgen_args() { :; }
