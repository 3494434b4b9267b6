#!/usr/bin/env bash
# Look at a report as a person would: PNGs in light, dark and phone width, from headless Chromium.
#   scripts/screenshot_report.sh runs/xgb/20260101T000000Z-0123abcd/report.html [OUT_DIR]
set -euo pipefail
report=$(realpath "${1:?usage: scripts/screenshot_report.sh REPORT.html [OUT_DIR]}")
out=$(realpath -m "${2:-.}")
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "error: no chromium or google-chrome found; install one" >&2
  exit 2
}
mkdir -p "$out"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
shoot() { # name, width, further flags
  "$browser" --headless --disable-gpu --no-first-run --user-data-dir="$profile" \
    --disable-background-networking --window-size="$2,5200" --screenshot="$out/$1.png" "${@:3}" \
    $([ "$(id -u)" = 0 ] && echo --no-sandbox) "file://$report" 2>/dev/null
  echo "$out/$1.png"
}
shoot light 1280 --blink-settings=preferredColorScheme=1
shoot dark 1280 --blink-settings=preferredColorScheme=0
shoot phone 420 --blink-settings=preferredColorScheme=1
