#!/bin/bash
# load.sh: what one core of the relay takes, beside the numbers of the Elixir relay. See tests/Diode.Tunnel.LoadTool/README.md.
#   scripts/load.sh                      everything: about three minutes
#   scripts/load.sh sessions portsend    some measures: handshakes sessions idle portsend echo udp tcp unwindowed
#   scripts/load.sh --quick              one short round: does it work, rough numbers
#   RELAY_CORE=0 LOAD_CORE=1             the cores of the relay and of the load generator
# Prints a table and keeps it in artifacts/load. Exit status 1 if a target is missed. Nothing else should run on the machine.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_dotnet
command -v taskset >/dev/null || die "taskset is needed: apt-get install util-linux"
[ "$(nproc)" -ge 2 ] || die "needs two cores: one for the relay, one for the load"
build src/Diode.Tunnel.Daemon tests/Diode.Tunnel.LoadTool || die "the build failed"
# 10,000 idle devices are as many descriptors in either process.
ulimit -n 24000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
mkdir -p artifacts/load
taskset -c "${LOAD_CORE:-1}" "$(bin diode-load)" --relay "$(bin diode-tunneld)" --relay-core "${RELAY_CORE:-0}" "$@" \
  | tee "artifacts/load/$(date +%Y%m%d-%H%M%S).md"
exit "${PIPESTATUS[0]}"
