# diode-wg: our WireGuard core on plain UDP with a static endpoint (tests/Diode.Tunnel.WireGuardTool): the "tunnel" rung of the ladder,
# comparable with wireguard-go; no relay, no fleet.
. "$BN_LIB_DIR/drivers/wireguard-go.sh"
DIODE_WG="${DIODE_WG:-$(cd "$BN_LIB_DIR/../.." && pwd)/artifacts/bin/Diode.Tunnel.WireGuardTool/release/diode-wg}"
drv_install() { bn_apt wireguard-tools; [ -x "$DIODE_WG" ] || dotnet build "$BN_LIB_DIR/../Diode.Tunnel.WireGuardTool" -c Release -v quiet --nologo >&2; }
drv_version() { echo "this tree"; }
drv_start() { local h i
  for h in $(_hosts); do bn_spawn "$h" vpn "$DIODE_WG" --config "$DIR/$h.conf" --interface "$(bn_ifname "$h" dw)" --mtu 1420 >/dev/null; done
  for h in $(_hosts | tr ' ' '\n' | tac); do i="$(bn_ifname "$h" dw)"
    bn_wait 10 bn_if_exists "$h" "$i" || return 1
    bn_ip "$h" addr add "$(bn_vip "$h")/24" dev "$i"; bn_ip "$h" link set "$i" up
    [ "$BN_TOPO:$h" = T3:A ] && bn_ip A route add 198.18.100.0/24 dev "$i"
    [ "$BN_TOPO:$h" = T2:R ] && bn_forward R
  done; return 0; }
drv_stop() { bn_kill vpn; [ "$BN_TOPO" = T2 ] && bn_exec R sysctl -qw net.ipv4.ip_forward=0; return 0; }
