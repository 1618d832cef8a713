#!/bin/sh
# Builds dfs, starts a name server and two file servers on sample folders, and opens dfsh on them.
#
#   sh Examples/quickstart.sh                         a session at the terminal
#   echo 'tree /' | sh Examples/quickstart.sh         a script: its output, and dfsh's exit code
#
# Everything is stopped and removed at the end. Needs Swift 6.2 or later, and Debian or Ubuntu to install what is missing.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "quickstart: $*"; exit 1; }

folder=
servers=
finish() {
    code=$?
    trap '' INT TERM HUP
    # One that was stopped with kill -STOP must go on to end; one that does not end is killed.
    for pid in $servers; do kill -TERM "$pid" 2>/dev/null && kill -CONT "$pid" || :; done
    if [ -n "$servers" ]; then
        # shellcheck disable=SC2086
        (sleep 10 && kill -KILL $servers) </dev/null >/dev/null 2>&1 &
        guard=$!
        for pid in $servers; do wait "$pid" 2>/dev/null || :; done
        kill -KILL "$guard" 2>/dev/null || :
    fi
    [ -z "$folder" ] || rm -rf -- "$folder"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# What is missing.
command -v swift >/dev/null || fail "swift is not in PATH; install it from https://swift.org/install"
missing=
[ -e /usr/include/histedit.h ] || missing="$missing libedit-dev"
[ -e /usr/include/sqlite3.h ] || missing="$missing libsqlite3-dev"
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "please install:$missing"
    root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "please install as root:$missing"
        root=sudo
    fi
    say "installing$missing"
    $root apt-get update </dev/null >&2
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y $missing </dev/null >&2
fi

# The programs. What the build says goes to standard error, without colors: with them at a terminal and without them in a pipe, each
# change from one to the other would build everything anew.
build="swift build -c release --static-swift-stdlib --no-color-diagnostics"
say "building: the first time takes ten minutes or so on two cores"
$build </dev/null >&2
bin=$($build --show-bin-path </dev/null)

# Two folders, as they could be on two machines: those of README.md's session.
folder=$(mktemp -d "${TMPDIR:-/tmp}/dfs-quickstart.XXXXXX")
mkdir -p "$folder/m1/letters" "$folder/m2"
printf 'hello from m1\n' > "$folder/m1/welcome.txt"
printf 'Dear reader,\nthis letter lies on m1.\n' > "$folder/m1/letters/first.txt"
printf 'waves\n' > "$folder/m2/sea.txt"

# Starts a server, out of reach of the terminal's Ctrl-C, and waits for its ready line: the address is $address.
start() {
    name=$1
    shift
    mkfifo "$folder/$name.ready"
    setsid "$@" --id "$name" --state "$folder/$name.state" --listen 127.0.0.1:0 \
        </dev/null >"$folder/$name.ready" 2>"$folder/$name.log" &
    servers="$! $servers"
    line=
    read -r line <"$folder/$name.ready" || :
    case $line in
    "ready "*" addr="*) address=${line##* addr=} ;;
    *)
        cat "$folder/$name.log" >&2
        fail "$name did not start; above is its log"
        ;;
    esac
}

start ns1 "$bin/dfs-nameserver"
ns=$address
start m1 "$bin/dfs-fileserver" --export "$folder/m1:/home" --name-server "$ns"
m1=$address
start m2 "$bin/dfs-fileserver" --export "$folder/m2:/pictures" --name-server "$ns"
m2=$address

# Ready means that they listen; their files are in the tree a moment later.
tries=0
until "$bin/dfsh" -n "$ns" locate /home/letters/first.txt /pictures/sea.txt </dev/null >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "the file servers did not report: see $folder/m1.log"
    sleep 0.1
done

code=0
if [ -t 0 ]; then
    say ""
    say "A name server listens at $ns, file servers at $m1 (m1) and $m2 (m2)."
    say "m1 has $folder/m1 as /home, m2 has $folder/m2 as /pictures: plain folders, look into them with any tool."
    say "Try: tree /    cat /home/welcome.txt    locate /pictures/sea.txt    servers    help"
    say "See what an outage looks like, from another terminal: kill -STOP ${servers%% *}    (and -CONT)"
    say ""
    # Ctrl-C belongs to dfsh now.
    trap : INT
fi
"$bin/dfsh" -n "$ns" || code=$?
exit "$code"
