//! `rtscheduling`: schedules the container with `SCHED_RR` and the priority `rtdefault`; the program may go up to
//! `rtlimit`.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::control::plugins::config_edit;
use crate::control::plugins::plugin::{Invocation, Plugin, PluginFuture};
use crate::dobby::host::has_rt_groups;
use crate::dobby::runtime::RealTime;
use crate::dobby::template::give_real_time;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The highest priority that a process may give itself (config.md, "POSIX process").
const LIMIT: &str = "RLIMIT_RTPRIO";

pub(crate) struct RtScheduling;

impl Plugin for RtScheduling {
    fn name(&self) -> &'static str {
        "rtscheduling"
    }

    /// The runtime gets no limit to set. crun and runc do so from outside of the user namespace (measured: before the first
    /// clone, and by prlimit(2)), so it would work; but without CAP_SYS_RESOURCE the start would fail even if the plugin is
    /// not required.
    fn configure(&self, _job: &Invocation<'_>, config: &mut Value) -> Result<()> {
        config_edit::list(config, &["process", "rlimits"])?.retain(|limit| limit["type"] != LIMIT);
        // In version 1 of cgroups, a group without real time cannot have it.
        if has_rt_groups() {
            let cpu = config_edit::object(config, &["linux", "resources", "cpu"])?;
            if !cpu.contains_key("realtimeRuntime") {
                give_real_time(cpu);
            }
        }
        Ok(())
    }

    fn wants_process(&self, _job: &Invocation<'_>) -> bool {
        true
    }

    fn create_runtime<'a>(&'a self, call: &'a Invocation<'a>, pid: i32) -> PluginFuture<'a> {
        Box::pin(async move {
            let RealTime { priority, limit } = RealTime::of(call.data);
            if priority > limit {
                log::warn!(
                    "container {}: its priority {priority} is above its limit {limit}",
                    call.container.id
                );
            }
            crate::sys::set_round_robin(pid, priority)
                .tried(|| format!("cannot give process {pid} the real-time priority {priority}"))?;
            let highest = Some(u64::from(limit));
            let process = Pid::from_raw(pid.max(0))
                .ok_or_else(|| Error::new(ErrorKind::System, "the container has no process"))?;
            prlimit(Some(process), Resource::Rtprio, Rlimit { current: highest, maximum: highest })
                .map(drop)
                .tried(|| format!("cannot set {LIMIT} of process {pid} to {limit}"))
        })
    }
}
