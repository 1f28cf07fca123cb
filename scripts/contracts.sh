#!/bin/bash
# contracts.sh: compiles src/contracts with the solc of npm into src/contracts/artifacts/*.json (abi, bytecode, runtime bytecode).
#   scripts/contracts.sh           compile and write
#   scripts/contracts.sh --check   compile and compare with what is committed; status 1 and the differing files if they differ
# Compiler version, EVM version and optimizer are pinned (need_evm in common.sh, contracts.mjs), so every machine gets the same bytes.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
case "${1:-}" in ""|--check) ;; *) sed -n '2,4p' "$0" >&2; exit 2;; esac

need_evm
out="$ROOT/src/contracts/artifacts"
if [ "${1:-}" != --check ]; then
  exec node "$ROOT/scripts/contracts.mjs" "$EVM_TOOLS" "$ROOT/src/contracts" "$out"
fi

fresh="$(mktemp -d)"; trap 'rm -rf "$fresh"' EXIT
node "$ROOT/scripts/contracts.mjs" "$EVM_TOOLS" "$ROOT/src/contracts" "$fresh" || die "the contracts do not compile"
diff -rq "$out" "$fresh" || die "the committed artifacts differ: run scripts/contracts.sh and commit the result"
echo "the committed artifacts are what the sources compile to"
