//! Kills process trees.
//!
//! A process group is not enough: crun does its work in an orphan with a session of its own, and a hook that hangs
//! would outlive both.

use std::path::Path;
use std::time::Duration;

use crate::control::process::cgroup::Cgroups;
use crate::control::process::handle::{Process, parent};

/// How often new tree are looked for. Each round stops what it found, so only a race needs another.
const MAX_ROUNDS: usize = 50;
/// How long a killed runtime may take to vanish before it is looked for again.
const VANISH_INTERVAL: Duration = Duration::from_millis(5);

/// Kills a process and all its descendants, and gives the cgroups that they were in and we are not.
pub(crate) fn kill(pid: i32) -> Vec<Cgroups> {
    let mut tree: Vec<Process> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let known: Vec<i32> = tree.iter().map(|member| member.identity().pid).collect();
        let fresh = with_descendants(pid).into_iter().filter(|member| !known.contains(member));
        let fresh: Vec<_> = fresh.filter_map(|member| Process::open(member).ok()).collect();
        if fresh.is_empty() {
            break;
        }
        for member in &fresh {
            send(member, rustix::process::Signal::STOP);
        }
        tree.extend(fresh);
    }
    let ours = i32::try_from(std::process::id()).ok().and_then(Cgroups::of);
    let mut groups: Vec<Cgroups> = Vec::new();
    for member in &tree {
        let group = Cgroups::of(member.identity().pid).filter(|group| Some(group) != ours.as_ref());
        groups.extend(group.filter(|group| !groups.contains(group)));
    }
    for member in &tree {
        send(member, rustix::process::Signal::KILL);
    }
    groups
}

/// Kills every runtime that is at work on a bundle, with all its descendants, and removes the cgroups they were in,
/// and `groups`: a runtime that was killed in the middle of a start has no record of them.
pub(crate) async fn kill_runtimes_of(bundle: &Path, mut groups: Vec<Cgroups>) {
    for _ in 0..MAX_ROUNDS {
        let Some(runtime) = Process::find_runtime_of(bundle) else { break };
        groups.extend(kill(runtime.identity().pid));
        tokio::time::sleep(VANISH_INTERVAL).await;
    }
    for group in groups {
        group.remove().await;
    }
}

fn send(member: &Process, signal: rustix::process::Signal) {
    if let Err(error) = member.signal(signal) {
        log::warn!("{}", error.report());
    }
}

/// A process and all its descendants, as they are now.
pub(crate) fn with_descendants(pid: i32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let pairs: Vec<(i32, i32)> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(elder) = tree.get(next).copied() {
        let children = pairs.iter().filter(|(_, parent)| *parent == elder).map(|(child, _)| *child);
        let children: Vec<_> = children.filter(|child| !tree.contains(child)).collect();
        tree.extend(children);
        next += 1;
    }
    tree
}
