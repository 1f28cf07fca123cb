#!/bin/bash
# contracts.sh: compiles src/contracts with the solc of npm into src/contracts/artifacts/*.json (abi, bytecode, runtime bytecode), and likewise
# what stands in for contracts of public chains in the tests (tests/Diode.Tunnel.IntegrationTests/Evm/Contracts).
#   scripts/contracts.sh           compile and write
#   scripts/contracts.sh --check   compile and compare with what is committed; status 1 and the differing files if they differ
# Compiler version, EVM version and optimizer are pinned (need_evm in common.sh, contracts.mjs), so every machine gets the same bytes.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
case "${1:-}" in ""|--check) ;; *) sed -n '2,5p' "$0" >&2; exit 2;; esac

need_evm
ours="$ROOT/src/contracts" standins="$ROOT/tests/Diode.Tunnel.IntegrationTests/Evm/Contracts"
# build OUTPUT OF OURS, OUTPUT OF STAND-INS
build() {
  node "$ROOT/scripts/contracts.mjs" "$EVM_TOOLS" "$ours" "$1" FleetContract BNS RelayRegistry Perimeter ExitDirectory StakeToken \
    && node "$ROOT/scripts/contracts.mjs" "$EVM_TOOLS" "$standins" "$2" CallPermit || die "the contracts do not compile"
}
if [ "${1:-}" != --check ]; then
  build "$ours/artifacts" "$standins/compiled"; exit
fi

fresh="$(mktemp -d)"; trap 'rm -rf "$fresh"' EXIT
build "$fresh/ours" "$fresh/standins"
{ diff -rq "$ours/artifacts" "$fresh/ours" && diff -rq "$standins/compiled" "$fresh/standins"; } || die "the committed artifacts differ: run scripts/contracts.sh and commit the result"
echo "the committed artifacts are what the sources compile to"
