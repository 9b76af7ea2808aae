#!/usr/bin/env bash
# start_token_refresher.sh [--replace]: starts token-refresher in the background.
#
# Settings come from the environment (figures and credentials from .env too), as for the program itself:
#   TOKEN_REFRESH_INTERVAL=180 TOKEN_EXPIRY_BUFFER=1800 ./start_token_refresher.sh
#
# A daemon that runs already is replaced if you say yes, or with --replace; it is asked to finish what
# it has in flight (SIGTERM) and never killed, since a refresh token in flight would be lost.
#
# This script opens no file of the project: root may run it, and the program then becomes the project's owner.
set -euo pipefail

fail() {
  echo "start_token_refresher.sh: $*" >&2
  exit 1
}

replace=no
case ${1-} in
  '') ;;
  --replace) replace=yes ;;
  -h | --help) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "$0" && exit ;;
  *) echo "start_token_refresher.sh: unknown argument $1; see --help" >&2 && exit 2 ;;
esac

# TOKEN_REFRESHER names the program where it is neither on the PATH nor built beside this script.
program=${TOKEN_REFRESHER:-$(command -v token-refresher ||
  echo "$(dirname "$(readlink -f "$0")")/../target/release/token-refresher")}
[[ -x $program ]] || fail "there is no program at $program; run \`make build\` or \`make install\`"
program=$(readlink -f "$program")

cd "${TOKEN_REFRESHER_DIR:-.}" || fail "cannot enter the project directory"
unset TOKEN_REFRESHER_DIR
log=${TOKEN_REFRESHER_LOG_FILE:-token_refresher.log}
[[ $log != - ]] || fail "in the background it needs a log file"

# What the program says before it has a log, or instead of one.
words=$(mktemp)
trap 'rm -f "$words"' EXIT

# Whether a process runs. One that has ended and that its parent has not waited for does not.
runs() {
  local state
  state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) && [[ -n $state && $state != Z ]]
}

# Starts the program, and waits until it holds the daemon's place and still does a second later.
start() {
  (
    # Nothing that the caller holds open stays open in the daemon: a lock of flock(1), say, under cron.
    for file in /proc/self/fd/*; do
      [[ ${file##*/} -le 2 ]] || eval "exec ${file##*/}>&-"
    done
    exec setsid "$program"
  ) </dev/null >"$words" 2>&1 &
  started=$!
  for ((tenths = 0; tenths < 100; tenths++)); do
    runs "$started" || return
    "$program" check --alive >/dev/null && break
    sleep 0.1
  done
  sleep 1
  runs "$started" && "$program" check --alive >/dev/null
}

# The daemon that has the place, as the program was told by its lock. It is believed only where that process is
# a token-refresher of the tokens' owner, who could end it anyway.
other() {
  local pid uid tokens=${TOKEN_REFRESHER_TOKENS_DIR:-.oauth-tokens}
  pid=$(sed -n 's/.*another token-refresher (process \([0-9]*\)).*/\1/p' "$words")
  [[ -n $pid && $(cat "/proc/$pid/comm" 2>/dev/null) == "$(basename "$program" | cut -c 1-15)" ]] || return
  uid=$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$pid/status")
  [[ $uid == "$(stat -Lc %u "$tokens")" ]] && echo "$pid"
}

up=no
start && up=yes
if [[ $up == no ]] && grep -q 'another token-refresher' "$words"; then
  pid=$(other) || fail "a daemon keeps these tokens, and which process it is cannot be told; stop it yourself"
  if [[ $replace == no ]]; then
    [[ -t 0 ]] || fail "it is running already (pid $pid); --replace replaces it"
    read -r -p "token-refresher is running already (pid $pid). Replace it? [y/N] " answer
    [[ $answer == [yY]* ]] || { echo "Left as it is." && exit 0; }
  fi
  kill -TERM "$pid"
  # Its own longest stop: a request's timeout (30 s), then 60 s for a disk that does not take the answer.
  for ((tenths = 0; tenths < 1000; tenths++)); do
    runs "$pid" || break
    sleep 0.1
  done
  runs "$pid" && fail "pid $pid has not stopped within 100 seconds; see $log"
  start && up=yes
fi
cat "$words" >&2
if [[ $up == no ]]; then
  status=0
  runs "$started" || wait "$started" || status=$?
  fail "it did not stay up (exit status $status); its last words are above and in $(readlink -f "$log")"
fi
if grep -q 'logging to standard error' "$words"; then
  kill -TERM "$started"
  fail "in the background it needs a log file that it can write; stopped it again"
fi
echo "token-refresher runs in the background (pid $started)."
echo "Log:  $(readlink -f "$log")"
echo "Stop: kill $started"
