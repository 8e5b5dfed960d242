//! Whose container a process is in: first by its control group, which it cannot leave without privilege, then by its mount
//! namespace, which it can.

use std::path::Path;

use crate::crash::process::Crashed;
use crate::error::Result;
use crate::hook::record::{Liveness, Record};
use crate::proc::cgroup;

/// The record of the run that a process belongs to; `None` when it belongs to none, or that cannot be known.
///
/// # Errors
/// The kernel's.
pub fn find(crashed: &Crashed, state_dir: &Path) -> Result<Option<Record>> {
    let records = Record::all(state_dir)?;
    let records: Vec<Record> = records.into_iter().filter_map(Result::ok).collect();
    if records.is_empty() {
        return Ok(None);
    }
    let (groups, namespace) = (crashed.cgroups()?, crashed.mount_namespace()?);
    let is_in_namespace = |record: &Record| record.mount_namespace == Some(namespace);
    let mut by_group: Vec<(usize, Record)> = Vec::new();
    for record in &records {
        // Of a run that has ended, children may live on. Another container may have got its group, too.
        let is_certain = record.liveness() == Liveness::Running || is_in_namespace(record);
        if let Some(depth) = cgroup::depth(&groups, &record.cgroups).filter(|_| is_certain) {
            by_group.push((depth, record.clone()));
        }
    }
    let deepest = by_group.iter().map(|(depth, _)| *depth).max();
    let found: Vec<Record> =
        by_group.into_iter().filter(|(depth, _)| Some(*depth) == deepest).map(|(_, record)| record).collect();
    if !found.is_empty() {
        return Ok(only(found, is_in_namespace));
    }
    let running = records.into_iter().filter(|record| record.liveness() == Liveness::Running);
    Ok(only(running.filter(is_in_namespace).collect(), |_| false))
}

/// The one record, or the one of several that `decides`; of runs of one container, the latest.
fn only(mut records: Vec<Record>, decides: impl Fn(&Record) -> bool) -> Option<Record> {
    let is_one = |records: &[Record]| {
        records.windows(2).all(|pair| matches!(pair, [a, b] if (&a.id, &a.bundle) == (&b.id, &b.bundle)))
    };
    if !is_one(&records) {
        records.retain(decides);
    }
    records.sort_by_key(|record| (record.liveness(), record.prepared));
    if is_one(&records) { records.pop() } else { None }
}
