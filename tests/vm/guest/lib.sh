# What the guest's scripts share. A line that begins with @ is for the host.
# shellcheck shell=bash
hook=/test/oci-minidump-hook
images=/data/images
dumps=/data/dumps

# Mounts the disk and prepares the guest for containers.
prepare() { # [DEVICE [OPTIONS]]
    mount -t ext4 -o "${2:-defaults}" "${1:-$DISK}" /data || exit 1
    mkdir -p $images /run/rootfs
    cp -a /test/rootfs/. /run/rootfs/
}

# From now on images lie in memory, and the host hears at once whatever a hook says.
in_memory() {
    hook="$hook --settings /test/memory.toml"
    syslogd -n -S -O $OUT &
    until [ -S /dev/log ]; do sleep 0.02; done
}

# An entry of hooks[]. crun throws a hook's words away, so a shell keeps them, and tells the host that it begins.
hook_entry() { # STAGE
    local command="echo @$1 >$OUT; exec $hook $1 2>>/run/hook.log"
    printf '{"path": "/bin/sh", "args": ["sh", "-c", "%s"], "timeout": 60}' "$command"
}

# Makes the bundle /run/NAME whose program is `crasher /opt/minidumps ACTION...`. An empty stage gets no hook.
bundle() { # NAME IMGSIZE START-STAGE STOP-STAGE ACTION...
    local name=$1 size=$2 start=$3 stop=$4 arguments
    shift 4
    arguments=$(printf ', "%s"' "$@")
    mkdir -p "/run/$name"
    cat >"/run/$name/config.json" <<CONFIG
{"ociVersion": "1.0.2",
 "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/crasher", "/opt/minidumps"$arguments]},
 "root": {"path": "/run/rootfs"},
 "hooks": {"${start:-prestart}": [${start:+$(hook_entry "$start")}], "poststop": [${stop:+$(hook_entry "$stop")}]},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}],
 "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}],
           "resources": {"memory": {"limit": 67108864}, "pids": {"limit": 50}}},
 "rdkPlugins": {"minidump": {"required": true, "data": {"paths": [
    {"image": "$images/$name.img", "containerSource": "/opt/minidumps", "hostDestination": "$dumps",
     "imgsize": $size}]}}}}
CONFIG
}

# The file that `crasher ... write NAME SIZE` writes; NAME ends in -SIZE.dmp.
expected() { # NAME
    local size=${1##*-}
    size=${size%.dmp}
    mkdir -p /run/expected
    [ -e "/run/expected/$size" ] || /test/rootfs/crasher /run/expected write "$size" "$size"
    echo "/run/expected/$size"
}

# Whether a dump is whole, by its name and content; whether a crash record is that of the dump of its name.
quality() { # FILE
    local sum
    if [ "${1%.json}" != "$1" ]; then
        sum=$(sha256sum <"$(expected "$(basename "$1" .json).dmp")")
        if grep -q "${sum%% *}" "$1" && tail -c 3 "$1" | grep -q '}'; then echo right; else echo wrong; fi
    elif cmp -s "$1" "$(expected "${1##*/}")"; then echo whole; else echo "cut:$(stat -c %s "$1")"; fi
}

# Makes /run/nginx: a root file system of the one server, with what its program is linked to.
nginx_rootfs() {
    local library
    mkdir -p /run/nginx/{etc/nginx,usr/sbin,usr/lib/x86_64-linux-gnu,proc,dev,tmp,run,var/log/nginx,var/lib/nginx}
    ln -s usr/lib /run/nginx/lib && mkdir -p /run/nginx/usr/lib64 && ln -s usr/lib64 /run/nginx/lib64
    cp /usr/sbin/nginx /run/nginx/usr/sbin/
    cp -L /lib64/ld-linux-x86-64.so.2 /run/nginx/usr/lib64/
    for library in libcrypt.so.1 libpcre2-8.so.0 libssl.so.3 libcrypto.so.3 libz.so.1 libc.so.6; do
        cp -L "/usr/lib/x86_64-linux-gnu/$library" /run/nginx/usr/lib/x86_64-linux-gnu/
    done
    echo 'root:x:0:0:root:/:/bin/sh' >/run/nginx/etc/passwd
    echo 'user root root; daemon off; events {} http { server { listen unix:/tmp/socket; } }' >/run/nginx/etc/nginx/nginx.conf
    echo 'root:x:0:' >/run/nginx/etc/group
}

# Tries a command until it succeeds.
until_ok() { local n; for n in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; return 1; }
