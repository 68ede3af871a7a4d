#!/bin/sh
# Builds functions on AWS's own runtime clients, for test/e2e/runtimeClients.test.ts: once a machine, and again when their
# sources here change. What has no toolchain, or whose registry does not answer, is left out, and its test is skipped.
cd "$(dirname "$0")" || exit 1
cache="${TMPDIR:-/tmp}/irori-test-cache"

# name, the file that must come of it, the seconds it may take
build() {
  to="$cache/runtime-client-$1"
  if [ -e "$to/$2" ] && diff -rq "$1" "$to/source" >/dev/null 2>&1; then return; fi
  echo "building the $1 function on AWS's runtime client"
  mkdir -p "$to" && rm -rf "$to/source" "$to/made" && cp -r "$1" "$to/source" && mkdir "$to/made"
  export to
  if ! timeout "$3" sh -c ". ./$1/build.sh" >"$to/build.log" 2>&1; then
    rm -rf "$to/made"
    echo "it could not be built, so its test is skipped; the last it said:"
    tail -n 3 "$to/build.log"
  fi
}

if command -v go >/dev/null; then build go made/bootstrap 300; fi
if command -v cargo >/dev/null; then build rust made/bootstrap 400; fi
if python3 -m pip --version >/dev/null 2>&1; then build python made/bootstrap 120; fi
