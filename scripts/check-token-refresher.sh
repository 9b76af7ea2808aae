#!/bin/sh
# check-token-refresher.sh [TOKENS_DIRECTORY]: is the daemon of this directory running?
#
# One line, and the exit status that monitoring systems expect: 0 OK, 2 CRITICAL, 3 UNKNOWN. It asks
# for the lock that the daemon holds for life, not for a process of some name: an editor that has the
# log open does not count, and a daemon of another project neither.
# Default: the .oauth-tokens directory in TOKEN_REFRESHER_DIR, or in the current directory.
set -u

tokens=${1:-${TOKEN_REFRESHER_DIR:-.}/${TOKEN_REFRESHER_TOKENS_DIR:-.oauth-tokens}}
own=$tokens/.token-refresher
lock=$own/daemon.lock

unknown() {
  echo "UNKNOWN: $*"
  exit 3
}

command -v flock >/dev/null || unknown "flock is not installed (package util-linux)"
[ -d "$tokens" ] || unknown "$tokens is not a directory"
[ -x "$tokens" ] || unknown "$tokens may not be entered by $(id -un)"
# token-refresher makes no links there; another user's could lead anywhere.
if [ -L "$own" ] || [ -L "$lock" ]; then
  unknown "$own or its daemon.lock is a link"
fi
if [ ! -e "$lock" ]; then
  echo "CRITICAL: no token-refresher has ever run in $tokens"
  exit 2
fi
[ -f "$lock" ] || unknown "$lock is not a file"
[ -r "$lock" ] || unknown "$lock may not be read by $(id -un)"
# Root looks as the owner of the directory, as the program would.
owner=$(stat -Lc %u "$tokens") || unknown "the owner of $tokens cannot be found out"
as_owner=
[ "$(id -u)" != 0 ] || [ "$owner" = 0 ] || as_owner="setpriv --reuid=$owner --regid=$owner --clear-groups"
# Shared and released at once: it keeps no daemon from starting.
# shellcheck disable=SC2086 # words
$as_owner flock -n -s "$lock" true
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
