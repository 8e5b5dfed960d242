//! What a container uses: the `info` object of `getContainerInfo`, as Dobby shapes it.

mod processes;
mod v1;
mod v2;

use serde_json::{Map, Value, json};

pub(super) use processes::processes;

use super::cgroup::{Cgroups, read};

/// The most processes that are listed of one container.
const MOST_PIDS: usize = 4096;

/// The figures of one container; `None` where the kernel has none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    /// CPU time used on each CPU, in nanoseconds.
    percpu: Option<Vec<u64>>,
    /// CPU time used, in nanoseconds.
    total: Option<u64>,
    /// How often the memory limit was hit.
    failcnt: Option<u64>,
    /// The memory limit in bytes; -1 for none.
    limit: Option<i64>,
    /// The most memory ever used, in bytes.
    max: Option<u64>,
    /// Memory in use, in bytes.
    usage: Option<u64>,
}

impl Figures {
    /// Each controller from the version that has it.
    fn of(cgroups: &Cgroups) -> Self {
        let mut figures = Self::default();
        match (cgroups.v1("cpuacct"), cgroups.unified()) {
            (Some(dir), _) => v1::cpu(&mut figures, |name| read(&dir.join(name))),
            (None, Some(dir)) => v2::cpu(&mut figures, |name| read(&dir.join(name))),
            (None, None) => {}
        }
        match (cgroups.v1("memory"), cgroups.unified()) {
            (Some(dir), _) => v1::memory(&mut figures, |name| read(&dir.join(name))),
            (None, Some(dir)) => v2::memory(&mut figures, |name| read(&dir.join(name))),
            (None, None) => {}
        }
        figures
    }
}

/// The pids of a container, as the host numbers them, if it has a cgroup.
pub(super) fn pids(cgroups: Option<&Cgroups>) -> Option<Vec<i32>> {
    cgroups.and_then(|cgroups| cgroups.pids(MOST_PIDS))
}

/// The object, keys in alphabetical order. `processes` is null when they could not be read in time.
pub(super) fn info(
    id: &str,
    state: &str,
    cgroups: Option<&Cgroups>,
    pids: &[i32],
    processes: Value,
) -> Value {
    let figures = cgroups.map(Figures::of).unwrap_or_default();
    let mut info = Map::new();
    info.insert("cpu".to_owned(), json!({"usage": {"percpu": figures.percpu, "total": figures.total}}));
    info.insert("id".to_owned(), id.into());
    info.insert(
        "memory".to_owned(),
        json!({"user": {
            "failcnt": figures.failcnt,
            "limit": figures.limit,
            "max": figures.max,
            "usage": figures.usage,
        }}),
    );
    info.insert("pids".to_owned(), pids.into());
    info.insert("processes".to_owned(), processes);
    info.insert("state".to_owned(), state.to_lowercase().into());
    info.insert("timestamp".to_owned(), monotonic().into());
    Value::Object(info)
}

/// CLOCK_MONOTONIC in nanoseconds, as in Dobby.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanoseconds) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanoseconds.unwrap_or(0))
}

/// A number alone in a file.
fn number(text: Option<String>) -> Option<u64> {
    text?.trim().parse().ok()
}
