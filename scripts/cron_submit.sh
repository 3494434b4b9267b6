#!/bin/sh
# Submits every slot of configs/submit.yaml; made for cron, which has no environment of yours.
#
#   */10 * * * *  /path/to/numerai_lab/scripts/cron_submit.sh
#
# Start it as often as you like, at any hour: what is submitted is found by its receipt, two at once
# are kept apart by a lock, and a round that is not open costs one question. Exit codes are those of
# `numerai-lab submit`; 75 (not open yet) ends as 0 here, so that cron sends no mail about it. Where
# the command itself is not there, it is 2.
#
# NUMERAI_LAB_ENV  file with the keys, chmod 600   [$HOME/.config/numerai_lab/env]
# NUMERAI_LAB_LOG  where the log goes              [submissions/submit.log]
# NUMERAI_LAB      the command                     [.venv/bin/numerai-lab]
# Arguments are passed on: cron_submit.sh --slot NAME --wait 45m
set -eu
cd "$(dirname "$0")/.."
env_file=${NUMERAI_LAB_ENV:-$HOME/.config/numerai_lab/env}
log=${NUMERAI_LAB_LOG:-submissions/submit.log}
command=${NUMERAI_LAB:-.venv/bin/numerai-lab}
umask 077
mkdir -p "$(dirname "$log")"
if ! command -v "$command" >/dev/null 2>&1; then
    echo "error: there is no program $command (from $PWD): make it with \`make demo\`, or set" \
        "NUMERAI_LAB to where numerai-lab is; nothing was submitted" | tee -a "$log" >&2
    exit 2
fi
before=0
[ -f "$log" ] && before=$(wc -c <"$log")
code=0
"$command" submit --env-file "$env_file" "$@" >>"$log" 2>&1 || code=$?
case $code in
0 | 75) exit 0 ;;
esac
# what went wrong in this start; a command that could not even be started says it in its own words
tail -c "+$((before + 1))" "$log" | grep -E '(warning|error): ' >&2 || tail -n 1 "$log" >&2
exit "$code"
