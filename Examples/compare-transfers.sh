#!/bin/bash
# Moves 10,000 files of 4 KiB and one of 1 GiB with dfsh, sftp and lftp (both through an sshd), in turns, and prints the medians.
#
#   bash Examples/compare-transfers.sh                five rounds; builds dfs, installs openssh and lftp where they are missing
#   MEMORY=1 bash Examples/compare-transfers.sh       in memory, where no disk is waited for; needs root and 12 GB
#   ROUNDS=9 DFS_BIN=.build/release bash Examples/compare-transfers.sh
#
# All servers listen on 127.0.0.1 and work in one new folder; as root that is on a file system of its own, so that what else the disk does
# counts less. A put of dfsh is durable when it ends, and so is a get; what the others bring may still be in memory then.
set -eu
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/dfs-compare.XXXXXX")
pids=
mounted=
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || :; done
    if [ -n "$mounted" ]; then umount "$work/disk" || umount -l "$work/disk"; fi
    rm -rf -- "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

missing=
[ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
command -v sftp >/dev/null || missing="$missing openssh-client"
command -v lftp >/dev/null || missing="$missing lftp"
if [ -n "$missing" ]; then
    apt-get update >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y $missing >&2
fi
bin=${DFS_BIN:-}
if [ -z "$bin" ]; then
    build="swift build -c release --static-swift-stdlib --no-color-diagnostics"
    $build >&2
    bin=$($build --show-bin-path)
fi
bin=$(cd "$bin" && pwd)

disk=$work/disk
mkdir "$disk"
if [ -n "${MEMORY:-}" ]; then
    mount -t tmpfs -o size=12g none "$disk"
    mounted=yes
elif [ "$(id -u)" = 0 ] && truncate -s 16G "$work/image" && mkfs.ext4 -q -F "$work/image" && mount -o loop "$work/image" "$disk"; then
    mounted=yes
fi
mkdir -p "$disk/export" "$disk/up" "$disk/down" "$disk/here/small"
head -c 40960000 /dev/urandom | split -b 4096 -a 4 - "$disk/here/small/f"
head -c 1073741824 /dev/urandom >"$disk/here/big"

# Starts a server of dfs and waits for its ready line: the address is $address.
start() {
    name=$1
    shift
    mkfifo "$work/$name.ready"
    "$@" --id "$name" --state "$disk/$name.state" --listen 127.0.0.1:0 >"$work/$name.ready" 2>"$work/$name.log" &
    pids="$! $pids"
    read -r line <"$work/$name.ready"
    address=${line##* addr=}
}
start ns1 "$bin/dfs-nameserver"
ns=$address
start fs1 "$bin/dfs-fileserver" --export "$disk/export:/x" --name-server "$ns"
until "$bin/dfsh" -n "$ns" ls /x >/dev/null 2>&1; do sleep 0.1; done

ssh-keygen -q -t ed25519 -N "" -f "$work/host"
ssh-keygen -q -t ed25519 -N "" -f "$work/id"
chmod 755 "$work"
port=$((20000 + RANDOM % 10000))
printf '%s\n' "Port $port" "ListenAddress 127.0.0.1" "HostKey $work/host" "AuthorizedKeysFile $work/id.pub" "StrictModes no" \
    "PermitRootLogin yes" "UsePAM no" "PidFile none" "Subsystem sftp internal-sftp" >"$work/sshd.conf"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
/usr/sbin/sshd -D -f "$work/sshd.conf" 2>"$work/sshd.log" &
pids="$! $pids"
options="-F none -i $work/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
user=$(id -un)
until ssh $options -p "$port" "$user@127.0.0.1" true 2>/dev/null; do sleep 0.1; done

# Each takes: up|down small|big number.
dfsh_() {
    case $1-$2 in
    up-small) "$bin/dfsh" -n "$ns" put -r "$disk/here/small" "/x/s$3" ;;
    down-small) "$bin/dfsh" -n "$ns" get -r "/x/s$3" "$disk/down/d$3" ;;
    up-big) "$bin/dfsh" -n "$ns" put "$disk/here/big" "/x/b$3" ;;
    down-big) "$bin/dfsh" -n "$ns" get "/x/b$3" "$disk/down/db$3" ;;
    esac
}
sftp_() {
    case $1-$2 in
    up-small) mkdir "$disk/up/s$3"; echo "put -R $disk/here/small $disk/up/s$3" ;;
    down-small) echo "get -R $disk/up/s$3/small $disk/down/s$3" ;;
    up-big) echo "put $disk/here/big $disk/up/sb$3" ;;
    down-big) echo "get $disk/up/sb$3 $disk/down/sb$3" ;;
    esac >"$work/batch"
    # shellcheck disable=SC2086
    sftp -q $options -P "$port" -b "$work/batch" "$user@127.0.0.1"
}
lftp_() {
    case $1-$2 in
    up-small) words="mirror -R --parallel=8 $disk/here/small $disk/up/l$3" ;;
    down-small) words="mirror --parallel=8 $disk/up/l$3 $disk/down/l$3" ;;
    up-big) words="put $disk/here/big -o $disk/up/lb$3" ;;
    down-big) words="get $disk/up/lb$3 -o $disk/down/lb$3" ;;
    esac
    lftp -c "set sftp:connect-program 'ssh -a -x $options'; set net:connection-limit 0; open -u $user,x -p $port sftp://127.0.0.1; $words"
}

round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    for what in small big; do
        for way in up down; do
            # Who begins changes from round to round.
            case $((round % 3)) in 1) order="dfsh sftp lftp" ;; 2) order="sftp lftp dfsh" ;; *) order="lftp dfsh sftp" ;; esac
            for tool in $order; do
                sync
                begin=$(date +%s%N)
                "${tool}_" "$way" "$what" "$round" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
                end=$(date +%s%N)
                echo "$what $way $tool $(((end - begin) / 1000000))" >>"$work/rows"
            done
        done
        if [ "$what" = small ]; then
            for copy in "d$round" "s$round" "l$round"; do diff -r "$disk/here/small" "$disk/down/$copy" >&2; done
        else
            for copy in "db$round" "sb$round" "lb$round"; do cmp "$disk/here/big" "$disk/down/$copy" >&2; done
            # Small files stay until the end: on ext4, who makes files soon after others went pays for it.
            rm -f "$disk"/down/?b* "$disk"/up/?b* "$disk"/export/b*
        fi
    done
    echo "round $round of $rounds, seconds: $(tail -n 12 "$work/rows" | awk '{printf "%s %s %s %.1f; ", $1, $2, $3, $4 / 1000}')" >&2
done

echo "$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(uname -sr), $(date -u +%F), load $(cut -d' ' -f1 /proc/loadavg)"
echo "medians of $rounds rounds in turns, seconds; every copy was compared"
printf '%-28s %8s %8s %8s %12s %12s\n' "" dfsh sftp lftp "sftp / dfsh" "lftp / dfsh"
median() { awk -v w="$1" -v d="$2" -v t="$3" '$1==w && $2==d && $3==t {print $4}' "$work/rows" | sort -n | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]/1000}'; }
for what in small big; do
    for way in up down; do
        [ "$what" = small ] && label="10,000 files of 4 KiB, $way" || label="1 GiB, $way"
        echo "$label|$(median $what $way dfsh)|$(median $what $way sftp)|$(median $what $way lftp)"
    done
done | awk -F'|' '{printf "%-28s %8.2f %8.2f %8.2f %12.2f %12.2f\n", $1, $2, $3, $4, $3/$2, $4/$2}'
