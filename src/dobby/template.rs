//! What every converted configuration has: Dobby's generic template.

use serde_json::{Map, Value, json};

use crate::dobby::host::Host;

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/// `process.capabilities`; `more` may only be gained by programs that are made to.
pub(crate) fn capabilities(more: &[String]) -> Value {
    let bounding: Vec<_> = CAPABILITIES.into_iter().chain(more.iter().map(String::as_str)).collect();
    json!({
        "bounding": bounding,
        "effective": CAPABILITIES,
        "inheritable": CAPABILITIES,
        "permitted": CAPABILITIES,
        "ambient": CAPABILITIES,
    })
}

/// `process.rlimits`, with the highest real-time priority.
pub(crate) fn rlimits(priority: u32) -> Value {
    let limit = |name, value: u32| json!({"type": name, "hard": value, "soft": value});
    json!([limit("RLIMIT_NOFILE", 4096), limit("RLIMIT_NPROC", 300), limit("RLIMIT_RTPRIO", priority)])
}

/// A mount of `config.json`.
pub(crate) fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({"destination": destination, "type": kind, "source": source, "options": options})
}

/// The mounts in front of those that a spec asks for.
pub(crate) fn first_mounts(host: &Host) -> Vec<Value> {
    let mut mounts = vec![
        mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "noexec", "nodev", "nr_inodes=8k"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "noexec", "strictatime", "mode=755"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "nr_inodes=8k"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime"]),
    ];
    let host_dirs: &[&str] = if host.lib64 {
        &["/lib", "/lib64", "/bin", "/sbin", "/usr"]
    } else {
        &["/lib", "/bin", "/sbin", "/usr"]
    };
    let options = ["rbind", "nosuid", "nodev", "ro"];
    mounts.extend(host_dirs.iter().map(|dir| mount(dir, "bind", dir, &options)));
    mounts
}

/// `/dev/log`.
pub(crate) fn syslog_mount() -> Value {
    mount("/dev/log", "bind", "/dev/log", &["bind", "ro"])
}

/// The last mount.
pub(crate) fn proc_mount() -> Value {
    mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])
}

/// `linux.maskedPaths`.
pub(crate) const MASKED_PATHS: [&str; 4] =
    ["/proc/kcore", "/proc/latency_stats", "/proc/timer_stats", "/proc/sched_debug"];

/// `linux.readonlyPaths`.
pub(crate) const READONLY_PATHS: [&str; 6] =
    ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Gives the cgroup of a container the time for real-time scheduling that Dobby gives every container, in microseconds
/// (`linux.resources.cpu`).
pub fn give_real_time(cpu: &mut Map<String, Value>) {
    cpu.insert("realtimeRuntime".to_owned(), 1000.into());
    cpu.insert("realtimePeriod".to_owned(), 1_000_000.into());
}
