# shellcheck shell=bash
# common.sh: what test.sh, demo.sh, bench.sh and .ci/run share. Source it; it defines functions and changes to the repository root.
#   die TEXT            end with a clear message
#   need_root, need_dotnet
#   need_packages P...  install the Debian packages that are missing, quietly, without starting their services
#   need_evm            anvil (a local EVM node) and solc from npm in a cache folder outside the tree; sets EVM_TOOLS and DIODE_ANVIL
#   build PROJECT...    Release build of the given projects or solution (warnings are errors); output only when it fails
#   bin NAME            path of a built program (diode-tunneld, diode-tunnel, ...)
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT" || exit 1
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 LC_ALL=C.UTF-8
CONFIGURATION="${CONFIGURATION:-Release}"
# shellcheck source=tests/bench/lib.sh
. "$ROOT/tests/bench/lib.sh"

die() { echo "error: $*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "needs root (network namespaces, TUN devices): sudo $0 $*"; }

# The programs' launchers look for the runtime in DOTNET_ROOT, so point it at the SDK in use wherever that is installed.
need_dotnet() {
  command -v dotnet >/dev/null || die "the .NET 10 SDK is needed: https://learn.microsoft.com/dotnet/core/install/linux-debian"
  DOTNET_ROOT="${DOTNET_ROOT:-$(dirname "$(readlink -f "$(command -v dotnet)")")}"; export DOTNET_ROOT
  dotnet --version >/dev/null 2>&1 || die "no installed .NET SDK satisfies global.json ($(dotnet --list-sdks | tr '\n' ' '))"
}

need_packages() { command -v apt-get >/dev/null || return 0; bn_apt "$@" || die "cannot install: $*"; }

# Only the packages asked for, of these versions; install scripts stay off: the binary of anvil is in its platform package.
EVM_PACKAGES="@foundry-rs/anvil@1.7.1 solc@0.8.37"
need_evm() {
  local cache="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/diode-tunnel/evm"
  if [ "$(cat "$cache/installed" 2>/dev/null)" != "$EVM_PACKAGES" ]; then
    command -v npm >/dev/null || need_packages nodejs npm
    mkdir -p "$cache"; echo '{ "private": true }' > "$cache/package.json" || die "cannot write $cache"
    # shellcheck disable=SC2086
    npm install --prefix "$cache" --ignore-scripts --no-save --no-audit --no-fund --loglevel=error $EVM_PACKAGES >/dev/null \
      || die "cannot install from npm: $EVM_PACKAGES"
    echo "$EVM_PACKAGES" > "$cache/installed"
  fi
  EVM_TOOLS="$cache"
  DIODE_ANVIL="$(find "$cache"/node_modules/@foundry-rs -path '*/bin/anvil' -type f 2>/dev/null | head -1)"
  [ -x "$DIODE_ANVIL" ] || die "no anvil for this machine in $cache"
  export EVM_TOOLS DIODE_ANVIL
}

build() {
  local log="$ROOT/artifacts/log/build.log" p; mkdir -p "$(dirname "$log")"; : > "$log"
  for p in "$@"; do
    dotnet build "$p" -c "$CONFIGURATION" -v quiet --nologo -clp:NoSummary -nodeReuse:false >> "$log" 2>&1 </dev/null || { tail -40 "$log" >&2; return 1; }
  done
}

# All build output is under artifacts/bin/<project>/<configuration>.
bin() {
  local f; for f in "$ROOT"/artifacts/bin/*/"${CONFIGURATION,,}/$1"; do [ -x "$f" ] && { echo "$f"; return 0; }; done
  return 1
}
