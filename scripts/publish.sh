#!/bin/bash
# publish.sh: the programs as packages ship them (src/Package.props): one file each with the runtime in it, trimmed, compiled ahead of time.
#   scripts/publish.sh [linux-x64|win-x64 ...]      into artifacts/package/<system>; default linux-x64. One to four minutes each
# DEMO_BIN=artifacts/package/linux-x64 scripts/demo.sh --check runs the demo with them.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_dotnet
systems=("$@"); [ $# -gt 0 ] || systems=(linux-x64)
for system in "${systems[@]}"; do
  case "$system" in linux-x64|win-x64) ;; *) sed -n '2,5p' "$0" >&2; exit 2;; esac
  folder="$ROOT/artifacts/package/$system"; rm -rf "$folder"
  for project in Diode.Tunnel.Daemon Diode.Tunnel.Cli; do
    # Compiled code of an earlier publish with other settings would be taken for ours and does not fit.
    rm -rf "$ROOT/artifacts/obj/$project/release_$system/R2R" "$ROOT/artifacts/obj/$project/release_$system/linked"
    dotnet publish "src/$project" -c Release -r "$system" -o "$folder" -v quiet --nologo || die "$project for $system cannot be published"
  done
  [ "$system" = win-x64 ] || ln -sf diode-tunneld "$folder/diode-relay"
  (cd "$folder" && ls -sh --block-size=1M)
done
