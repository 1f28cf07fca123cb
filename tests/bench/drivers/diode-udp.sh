# diode-udp: a UDP port of our relay on R (portopen2, T2) between A and B, without tunnel and encryption: to compare with coturn, udpfwd.
# The two devices that asked for the port and pay for it are held by diode-load on A.
DRV_METRICS="udp"
DIODE_ROOT="$(cd "$BN_LIB_DIR/../.." && pwd)"
DIODE_DAEMON="${DIODE_BIN:-$DIODE_ROOT/artifacts/bin/Diode.Tunnel.Daemon/release}/diode-tunneld"
DIODE_LOAD="${DIODE_LOAD:-$DIODE_ROOT/artifacts/bin/Diode.Tunnel.LoadTool/release/diode-load}"
drv_install() { bn_apt libssl3 || return 1
  [ -x "$DIODE_DAEMON" ] || dotnet build "$DIODE_ROOT/src/Diode.Tunnel.Daemon" -c Release -v quiet --nologo >&2 || return 1
  [ -x "$DIODE_LOAD" ] || dotnet build "$DIODE_ROOT/tests/Diode.Tunnel.LoadTool" -c Release -v quiet --nologo >&2; }
drv_version() { "$DIODE_DAEMON" --version; }
drv_supports() { [ "$BN_TOPO" = T2 ] || { echo "T2 only"; return 1; }; return 0; }
drv_start() { local log="$BN_STATE/log/R-vpn-diode-tunneld.log"; : > "$log"; rm -f "$DIR/port"
  bn_spawn R vpn "$DIODE_DAEMON" relay --listen "$(bn_addr R):41046" --peer-listen none --state-dir "$DIR/R" --host "$(bn_addr R)" --log-level warning >/dev/null
  bn_wait 20 grep -q diode:// "$log" || return 1
  bn_spawn A hold bash -c "exec '$DIODE_LOAD' hold --uri '$(grep -oE 'diode://0x[0-9a-fA-F]{40}@[^ ]+' "$log" | head -1)' > '$DIR/port'" >/dev/null
  bn_wait 20 test -s "$DIR/port" || return 1
  # B is the first of the two senders, from the port where udpgen will listen.
  bn_exec B python3 -c 'import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 5999)); s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))' "$(bn_addr R)" "$(cat "$DIR/port")"; }
drv_stop() { bn_kill hold; bn_kill vpn; }
drv_ip_of_peer() { bn_addr R; }
drv_udp_port() { cat "$DIR/port"; }
drv_udpgen_args() { echo -p 5998; }
