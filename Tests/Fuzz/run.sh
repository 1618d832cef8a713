#!/bin/sh
# Fuzzes the language of the protocol: framer, parser, requests, replies, reports, names.
#
#   sh Tests/Fuzz/run.sh                 10 000 000 executions
#   sh Tests/Fuzz/run.sh 500000          that many executions
#   sh Tests/Fuzz/run.sh 60s             as many as fit into 60 seconds
#
# SANITIZE=fuzzer runs two to three times as fast as the usual SANITIZE=fuzzer,address; Swift's own
# checks of bounds and overflow are in both.
#
# Prints libFuzzer's counts. Exit code 0: nothing was found. What is found is left as
# .build/fuzz/crash-*; run it again with `.build/fuzz/fuzz FILE`. The corpus grows in .build/fuzz.
set -eu

cd "$(dirname "$0")/../.."
work=.build/fuzz
mkdir -p "$work/corpus" "$work/seeds"

case "${1:-10000000}" in
*s) bound="-max_total_time=${1%s}" ;;
*) bound="-runs=${1:-10000000}" ;;
esac

swiftc -O -whole-module-optimization -sanitize="${SANITIZE:-fuzzer,address}" -parse-as-library -swift-version 6 \
    -module-name DFSFuzz -o "$work/fuzz" Sources/DFSProtocol/*/*.swift Tests/Fuzz/*.swift

# Seeds: every line of the dictionary as a stream, as a request of both roles, as a reply, as a
# report and as a name. The first byte of an input says what it is taken for.
number=0
grep '^"' Tests/Fuzz/protocol.dict | while IFS= read -r entry; do
    text=$(printf '%s' "$entry" | sed -e 's/^"//' -e 's/"$//' -e 's/\\x\(..\)/\\\\x\1/g')
    number=$((number + 1))
    for choice in 0 1; do
        printf '%b' "\\000$choice\\001\\007$text\\012PING\\012" >"$work/seeds/$number-$choice"
    done
    for choice in 2 3 4 5 6 7; do
        printf '%b' "\\000$choice$text" >"$work/seeds/$number-$choice"
    done
done

# Swift's own backtracer waits for the process that libFuzzer is about to end.
SWIFT_BACKTRACE=enable=no
# The stack of each allocation costs most of the time and tells nothing until something is found.
ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=16
export SWIFT_BACKTRACE ASAN_OPTIONS
exec "$work/fuzz" "$bound" -max_len=128 -dict=Tests/Fuzz/protocol.dict -print_final_stats=1 \
    -artifact_prefix="$work/" "$work/corpus" "$work/seeds"
