#!/bin/sh
# Checks everything: installs what is missing, lints, builds, and runs all tests.
#
#   sh Tests/run.sh                     from any directory, on Debian or Ubuntu with Swift installed
#   sh Tests/run.sh --filter Liveness   more arguments go to `swift test`
#
# Exit code 0: all of it passed. The only changes outside the project are the packages named below.
set -eu

cd "$(dirname "$0")/.."

say() { printf '==> %s\n' "$*"; }

# By Debian's names: SQLite for the catalogue, libedit for dfsh, and nc for the recipes of Examples;
# strace and small file systems for the tests of faults; shells and manual readers for what packages
# install for them.
packages="libsqlite3-dev libedit-dev netcat-openbsd strace e2fsprogs mount util-linux bash zsh fish less man-db mandoc"

install_missing() {
    missing=""
    for package in $packages; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        root=""
    elif command -v sudo >/dev/null 2>&1; then
        root="sudo"
    else
        say "missing:$missing; install them as root (apt-get install$missing) and run this again"
        exit 1
    fi
    say "installing$missing"
    $root apt-get update
    # The names are words of our own, so they may be split.
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}

if ! command -v swift >/dev/null 2>&1; then
    say "Swift is not installed or not in PATH: see https://www.swift.org/install/linux/"
    exit 1
fi
if command -v dpkg-query >/dev/null 2>&1; then
    install_missing
else
    say "this is neither Debian nor Ubuntu: SQLite and libedit with their headers must be there"
fi

say "$(swift --version 2>&1 | head -n 1)"

say "linting Sources and Tests"
swift format lint --strict -r Sources Tests

say "building everything, tests included (the first time takes some minutes)"
swift build --build-tests

if [ $# -gt 0 ]; then
    say "running the tests that were asked for"
    swift test --skip-build "$@"
else
    # One target after another: tests of servers and terminals wait for other processes, and would
    # keep the threads that tests of deadlines run on.
    for folder in Tests/*Tests; do
        target=${folder#Tests/}
        say "testing $target"
        swift test --skip-build --filter "^$target\\."
    done
fi

say "all passed"
