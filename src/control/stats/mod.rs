//! What a container uses: the `info` object of `getContainerInfo`, as Dobby shapes it.

mod figures;
mod processes;
mod reading;
mod v1;
mod v2;
mod vendor;

use serde_json::{Map, Value, json};

pub(crate) use reading::processes_in_time;

use figures::Figures;

use crate::control::clock::monotonic;
use crate::control::container::Container;
use crate::control::process::cgroup::{Cgroups, read};

/// The most processes that are listed of one container.
const MAX_PIDS: usize = 4096;

/// The figures of some cgroups, each controller from the version that has it.
fn figures(cgroups: &Cgroups) -> Figures {
    let mut figures = Figures::default();
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

/// The pids of a container, as the host numbers them, if it has a cgroup.
pub(crate) fn pids(cgroups: Option<&Cgroups>) -> Option<Vec<i32>> {
    cgroups.and_then(|cgroups| cgroups.pids(MAX_PIDS))
}

/// The object, keys in alphabetical order. `processes` is null when they could not be read in time,
/// `annotations` when there are none.
pub(crate) fn info(container: &Container, pids: &[i32], processes: Value, annotations: Value) -> Value {
    let figures = container.cgroups().map(figures).unwrap_or_default();
    let mut info = Map::new();
    if !annotations.is_null() {
        info.insert("annotations".to_owned(), annotations);
    }
    info.insert("cpu".to_owned(), json!({"usage": {"percpu": figures.percpu, "total": figures.total}}));
    let vendor = |controller: &str, figures: fn(&std::path::Path) -> Value| {
        container.cgroups().and_then(|cgroups| cgroups.v1(controller)).map(figures)
    };
    if let Some(gpu) = vendor("gpu", vendor::gpu) {
        info.insert("gpu".to_owned(), gpu);
    }
    info.insert("id".to_owned(), container.id.as_str().into());
    if let Some(ion) = vendor("ion", vendor::ion) {
        info.insert("ion".to_owned(), ion);
    }
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
    info.insert("state".to_owned(), container.state().name().to_lowercase().into());
    info.insert("timestamp".to_owned(), monotonic().into());
    Value::Object(info)
}
