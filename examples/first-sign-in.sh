#!/usr/bin/env bash
# shellcheck disable=SC2016,SC2154,SC2001
# Records examples/first-sign-in.md: from an empty directory to an assistant's configuration, by running it.
# The authorization server and the MCP server are those of tests/interop (make interop-oidc installs them);
# curl plays the browser of a person who says yes.
#
#   examples/first-sign-in.sh PROGRAM > examples/first-sign-in.md
set -euo pipefail
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
export TMPDIR=$work HOME=$work/home
# What an assistant leaves in the home directory: the program suggests its file.
mkdir -p "$work/project" "$HOME/.cursor"
coproc provider { node "$here/../tests/interop/server.mjs" 2>/dev/null; }
trap 'kill "$provider_PID" 2>/dev/null; rm -rf "$work"' EXIT
read -r line <&"${provider[0]}"
issuer=$(sed 's/.*"issuer":"\([^"]*\)".*/\1/' <<< "$line")
cd "$work/project"

# What a reader sees: the program by its name, the server by a name, no time and no random value.
shown() {
  sed -e "s|$HOME/|~/|g; s|$work/project/||g; s|$work/project|~/project|g; s|$program|token-refresher|g; s|$issuer|https://mcp.example.com|g" \
    -e 's/client_id=[^&]*/client_id=.../; s/state=[^&]*/state=.../; s/code_challenge=[^&]*/code_challenge=.../' \
    -e 's/127\.0\.0\.1%3A[0-9]*/127.0.0.1%3A.../; s/https%3A%2F%2Fmcp.example.com/.../g; s/http%3A%2F%2F127[^&]*mcp/.../' \
    -e 's/20[0-9][0-9]-[0-9-]* [0-9:]*/2026-01-01 12:00:00/; s/^2026-01-01 12:00:00,[0-9]*/2026-01-01 12:00:00,000/' \
    -e 's/\(Bearer \)[A-Za-z0-9_-]*/\1.../; s/signed in to 127.0.0.1/signed in to mcp.example.com/; s/sign in to 127.0.0.1/sign in to mcp.example.com/; s/signed out of 127.0.0.1/signed out of mcp.example.com/'
}
run() {
  printf '```console\n$ %s\n' "$1"
  shift
  "$@" 2>&1 | shown
  printf '```\n\n'
}

cat <<'TEXT'
# A first sign-in, recorded

From an empty directory to an assistant's own configuration. Written by `examples/first-sign-in.sh`, which runs the
program against a real authorization server; only addresses, times and random values are replaced.

**1. Sign in.** The address of the MCP server is all that is needed: the program finds the authorization server,
registers itself there, and waits for the browser.

TEXT
"$program" login "$issuer/mcp" --name wiki > "$work/out" 2> "$work/err" &
login=$!
until grep -q client_id= "$work/err"; do sleep 0.1; done
curl -sSL -c "$work/jar" -b "$work/jar" "$(grep -o 'http.*client_id=.*' "$work/err")" > "$work/page"
wait "$login"
run "token-refresher login https://mcp.example.com/mcp --name wiki" cat "$work/err" "$work/out"
printf 'The browser says at its end: "%s".\n\n' "$(sed 's/.*<p>//; s/<.*//' "$work/page" | tr -d '\n')"
printf '**2. Start the program** as the last line says. Without `--once` it goes on and keeps the token fresh.\n\n'
arguments=$(sed -n 's/.*start token-refresher \(--client .*\) to keep it fresh.*/\1/p' "$work/out")
# shellcheck disable=SC2086
run "token-refresher $arguments --once" "$program" $arguments --once --log-file -
printf '**3. That is all.** The assistant has the server with the present token, in the file that it reads:\n\n'
run "cat ~/.cursor/mcp.json" cat "$HOME/.cursor/mcp.json"
printf 'The server takes the token, now and after each refresh:\n\n'
token=$("$program" headers wiki | sed 's/.*"Authorization": "\([^"]*\)".*/\1/')
run "curl -s -o /dev/null -w '%{http_code}\n' -H \"Authorization: ...\" https://mcp.example.com/mcp" \
  curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: $token" "$issuer/mcp"
"$program" --once --force --log-file - > /dev/null 2>&1
token=$("$program" headers wiki | sed 's/.*"Authorization": "\([^"]*\)".*/\1/')
test "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: $token" "$issuer/mcp")" = 200
printf 'To end the sign-in at the provider:\n\n'
run "token-refresher revoke wiki" "$program" revoke wiki
