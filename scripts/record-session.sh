#!/usr/bin/env bash
# record-session.sh [--check]: writes docs/session.md, what `make demo` shows; with --check it says whether the page
# still has the form of what is shown now. Paths, ports, times and process ids are replaced by steady ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
page=docs/session.md

# What differs from run to run, replaced.
steady() {
  sed -E -e 's#/tmp/token-refresher-[^/ ]*/project#/home/you/project#g' \
    -e 's#"/[^"]*/token-refresher"#"/usr/local/bin/token-refresher"#' \
    -e 's#127\.0\.0\.1:[0-9]+#127.0.0.1:8080#g' \
    -e 's#[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}#2026-01-01 12:00:00#g' \
    -e 's#,[0-9]{3} - \[#,000 - [#' -e 's#(process|kill -9) [0-9]+#\1 4711#'
}

# The form of a session: without numbers.
form() {
  sed -E 's/[0-9]+/N/g; s/N (seconds?|s)\b/N s/g'
}

shown=$(make --no-print-directory demo 2>/dev/null | sed '1{/^Building/d}' | steady)
[[ $shown == *'proved: '* ]] || { echo "record-session.sh: the demo failed: run make demo" >&2 && exit 1; }

if [[ ${1-} == --check ]]; then
  # shellcheck disable=SC2016 # the quotes are Markdown's
  diff <(sed -n '/^```text$/,/^```$/p' "$page" | sed '1d;$d' | form) <(form <<<"$shown") ||
    { echo "record-session.sh: $page is not what make demo shows; run scripts/record-session.sh" >&2 && exit 1; }
  exit
fi

{
  cat <<'TEXT'
# A session, recorded

What `make demo` shows in a quarter of a minute. Written by `scripts/record-session.sh`; only paths, ports, times and
process ids are replaced. The token endpoint, the MCP server, the browser and the assistant are played by the demo; the
program is the real one, and lines behind `>>` are the demo's own.

```text
TEXT
  # shellcheck disable=SC2016 # the quotes are Markdown's
  printf '%s\n```\n' "$shown"
} >"$page"
