#!/usr/bin/env bash
# start_token_refresher.sh [--replace]: starts token-refresher in the background.
#
# Settings come from the environment (and from .env), as for the program itself:
#   TOKEN_REFRESH_INTERVAL=180 TOKEN_EXPIRY_BUFFER=1800 ./start_token_refresher.sh
# Where TOKEN_REFRESHER_DIR, _TOKENS_DIR, _LOG_FILE or _PID_FILE are set, the environment must say so:
# this script does not read .env.
#
# A daemon that runs already is replaced if you say yes, or with --replace; it is asked to finish what
# it has in flight (SIGTERM) and never killed, since a refresh token in flight would be lost.
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
tokens=${TOKEN_REFRESHER_TOKENS_DIR:-.oauth-tokens}
log=${TOKEN_REFRESHER_LOG_FILE:-token_refresher.log}
pid_file=${TOKEN_REFRESHER_PID_FILE:-token_refresher.pid}
lock=$tokens/.token-refresher/daemon.lock
[[ $log != - && $pid_file != - ]] || fail "in the background it needs a log file and a pid file"
command -v flock >/dev/null || fail "this script needs flock (package util-linux)"

# Does a daemon hold this directory? Its lock tells, also after a crash; a pid file alone does not.
running() {
  [[ -e $lock ]] && ! flock --nonblock --shared "$lock" true
}

# The pid file is believed only if that process has the lock's file open: pids are used again.
daemon_pid() {
  local pid descriptor
  pid=$(cat "$pid_file" 2>/dev/null) || return 1
  for descriptor in "/proc/$pid/fd/"*; do
    [[ $descriptor -ef $lock ]] && echo "$pid" && return
  done
  return 1
}

if running; then
  pid=$(daemon_pid) || fail "a daemon holds $lock, but $pid_file does not name it; stop it yourself"
  if [[ $replace == no ]]; then
    [[ -t 0 ]] || fail "it is running already (pid $pid); --replace replaces it"
    read -r -p "token-refresher is running already (pid $pid). Replace it? [y/N] " answer
    [[ $answer == [yY]* ]] || { echo "Left as it is." && exit 0; }
  fi
  kill -TERM "$pid"
  # Its own longest stop: a request's timeout (30 s), then 60 s for a disk that does not take the answer.
  for ((tenths = 0; tenths < 1000; tenths++)); do
    running || break
    sleep 0.1
  done
  running && fail "pid $pid has not stopped within 100 seconds; see $log"
fi

# The program makes its log 0600; so must the shell, whose redirection may be first. What the program
# says before it has a log, or instead of one, ends up there too.
umask 077
before=0
[[ -e $log ]] && before=$(wc -c <"$log")
# shellcheck disable=SC2094 # it appends, and so does the program
setsid "$program" --dir . --tokens-dir "$tokens" --log-file "$log" --pid-file "$pid_file" \
  </dev/null >>"$log" 2>&1 &
started=$!

# Up means: it has the lock's file open and has written its pid, and a second later it holds the lock.
for ((tenths = 0; tenths < 100; tenths++)); do
  kill -0 "$started" 2>/dev/null || break
  daemon_pid >/dev/null && break
  sleep 0.1
done
sleep 1
if ! pid=$(running && daemon_pid); then
  status=0
  kill -0 "$started" 2>/dev/null || wait "$started" || status=$?
  tail -c "+$((before + 1))" "$log" | tail -n 10 >&2
  fail "it did not stay up (exit status $status); its last words are above and in $(readlink -f "$log")"
fi
echo "token-refresher runs in the background (pid $pid)."
echo "Log:  $(readlink -f "$log")"
echo "Stop: kill $pid"
