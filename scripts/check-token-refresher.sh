#!/bin/sh
# check-token-refresher.sh [TOKENS_DIRECTORY]: is the daemon of this directory running?
#
# One line, and the exit status that monitoring systems expect: 0 OK, 2 CRITICAL, 3 UNKNOWN. It asks
# for the lock that the daemon holds for life, not for a process of some name: an editor that has the
# log open does not count, and a daemon of another project neither.
# Default: the .oauth-tokens directory in TOKEN_REFRESHER_DIR, or in the current directory.
set -u

tokens=${1:-${TOKEN_REFRESHER_DIR:-.}/${TOKEN_REFRESHER_TOKENS_DIR:-.oauth-tokens}}
lock=$tokens/.token-refresher/daemon.lock

unknown() {
  echo "UNKNOWN: $*"
  exit 3
}

command -v flock >/dev/null || unknown "flock is not installed (package util-linux)"
[ -d "$tokens" ] || unknown "$tokens is not a directory"
[ -x "$tokens" ] || unknown "$tokens may not be entered by $(id -un)"
if [ ! -e "$lock" ]; then
  echo "CRITICAL: no token-refresher has ever run in $tokens"
  exit 2
fi
[ -r "$lock" ] || unknown "$lock may not be read by $(id -un)"
# Shared and let go at once: it keeps nobody from starting.
flock -n -s "$lock" true
case $? in
  0)
    echo "CRITICAL: token-refresher is not running in $tokens"
    exit 2
    ;;
  1)
    echo "OK: token-refresher is running in $tokens"
    exit 0
    ;;
  *) unknown "$lock cannot be tried" ;;
esac
