# Checks: each is told to the host.
# shellcheck shell=bash
cgroups=/sys/fs/cgroup

check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >/run/check 2>&1; then echo "@ok $name"; else echo "@failed $name: $* ($(tr '\n' ' ' </run/check))"; fi
}
not() { ! "$@"; }
nothing_left() { # no image, record, loop device, container or cgroup
    local n left
    # A loop device goes a moment after its last user.
    for n in 1 2 3 4 5 6 7 8 9 10; do [ -z "$(losetup --list --noheadings)" ] || sleep 0.1; done
    # The memory for images stays, empty.
    left=$(find $images /run/oci-minidump -mindepth 1 ! \( -path '*/memory*' -type d \); losetup --list --noheadings; crun list -q; ls -d $cgroups/app* 2>/dev/null)
    echo "$left"
    [ -z "$left" ]
}
cgroup_of() { echo "$cgroups$(sed -n 's/^0:://p' "/proc/$(crun state "$1" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')/cgroup")"; }
frozen() { grep -qx "frozen $2" "$(cgroup_of "$1")/cgroup.events"; }
limit() { [ "$(cat "$(cgroup_of "$1")/$2")" = "$3" ]; }
