//! `process`: the program, and what it may do.

use rustix::process::{Resource, getrlimit};
use serde_json::{Map, Value};

use crate::control::bundle::owned::refused::{Refused, Ruling, array, is_empty, object};

/// Members that only concern the program itself.
const PLAIN: [&str; 6] = ["terminal", "consoleSize", "args", "env", "cwd", "noNewPrivileges"];
/// What a program in a user namespace may do without that reaching further than its own files, processes and network:
/// the capabilities that container engines give by default.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];
/// The limits of resources (setrlimit(2)).
const RESOURCES: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_STACK", Resource::Stack),
];

/// Checks `process`.
pub(super) fn check(process: &Map<String, Value>) -> Ruling {
    for (key, value) in process {
        match key.as_str() {
            key if PLAIN.contains(&key) => {}
            "user" => user(object(key, value)?)?,
            "capabilities" => capabilities(object(key, value)?)?,
            "rlimits" => array(key, value)?.iter().try_for_each(limit)?,
            // A lower value is for what must outlive others.
            "oomScoreAdj" if value.as_i64().is_some_and(|score| score >= 0) => {}
            _ if is_empty(value) => {}
            _ => return Err(Refused::new(format!("process.{key} is for root's bundles only"))),
        }
    }
    Ok(())
}

fn user(user: &Map<String, Value>) -> Ruling {
    for (key, value) in user {
        // Ids count inside: what is not mapped, the kernel refuses. Not so groups, which runtimes set from outside.
        if !["uid", "gid", "umask", "username"].contains(&key.as_str()) && !is_empty(value) {
            return Err(Refused::new(format!("process.user.{key} is for root's bundles only")));
        }
    }
    Ok(())
}

fn capabilities(sets: &Map<String, Value>) -> Ruling {
    for (set, list) in sets {
        for capability in array(set, list)? {
            if !capability.as_str().is_some_and(|name| CAPABILITIES.contains(&name)) {
                return Err(Refused::new(format!("it asks for the capability {capability}")));
            }
        }
    }
    Ok(())
}

/// A limit may not be above the daemon's own: to raise it, the runtime would use root's privileges.
fn limit(limit: &Value) -> Ruling {
    let (kind, hard) = (limit["type"].as_str().unwrap_or_default(), limit["hard"].as_u64());
    let refused = || Refused::new(format!("it raises the limit {kind:?}"));
    let (_, resource) = RESOURCES.iter().find(|(name, _)| *name == kind).ok_or_else(refused)?;
    // `None` stands for unlimited.
    let ours = getrlimit(*resource).maximum.unwrap_or(u64::MAX);
    if hard.is_some_and(|hard| hard <= ours) { Ok(()) } else { Err(refused()) }
}
