//! `oomcrash`: writes the file `oom_crashed_ID.txt` in `path` when the container ran out of memory.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::model::state::ExitStatus;
use crate::control::plugins::config_edit::Bind;
use crate::control::plugins::plugin::{ContainerRef, Invocation, Plugin, PluginFuture};
use crate::control::process::cgroup::{Cgroups, read};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;

/// The name of the note.
const NOTE: &str = "oomcrash.json";

pub(crate) struct OomCrash;

#[derive(Deserialize)]
struct Data {
    /// The directory of the file.
    path: String,
}

/// What is left to do at the end.
#[derive(Serialize, Deserialize)]
struct OomNote {
    /// The directory of the file.
    path: PathBuf,
    /// The file of the cgroup that counts.
    counter: PathBuf,
}

impl Plugin for OomCrash {
    fn name(&self) -> &'static str {
        "oomcrash"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        let path = path(call)?;
        host::make_dir(Path::new(&path), 0o755)?;
        let options = &["ro", "nodev", "nosuid", "noexec"];
        Bind { source: Path::new(&path), destination: &path, options }.add_to(config)
    }

    fn wants_process(&self, _job: &Invocation<'_>) -> bool {
        true
    }

    /// Where the kernel counts is only known as long as there is a process.
    fn create_runtime<'a>(&'a self, call: &'a Invocation<'a>, pid: i32) -> PluginFuture<'a> {
        Box::pin(async move {
            let groups = Cgroups::of(pid).unwrap_or_default();
            let v1 = groups.v1("memory").map(|dir| dir.join("memory.oom_control"));
            let counter = v1.or_else(|| Some(groups.unified()?.join("memory.events")));
            let none = || Error::new(ErrorKind::Unsupported, "the kernel has no cgroups for memory");
            let note = OomNote { path: path(call)?.into(), counter: counter.ok_or_else(none)? };
            call.container.dir.write_note(NOTE, &note)
        })
    }

    fn post_halt<'a>(&'a self, container: &'a ContainerRef<'a>, exit: ExitStatus) -> PluginFuture<'a> {
        Box::pin(async move {
            let Some(note) = container.dir.note::<OomNote>(NOTE)? else { return Ok(()) };
            let reported = report(container, &note, exit);
            // The next look would find neither the container's cgroup nor its kills.
            container.dir.discard(NOTE);
            reported
        })
    }
}

fn path(call: &Invocation<'_>) -> Result<String> {
    let Data { path } = call.data()?;
    if path.starts_with('/') {
        return Ok(path);
    }
    Err(Error::new(ErrorKind::Config, "data.path is not an absolute path"))
}

/// Makes the file of a container that was short of memory, and removes that of an earlier run for any other.
fn report(
    container: &ContainerRef<'_>,
    OomNote { path: dir, counter }: &OomNote,
    exit: ExitStatus,
) -> Result<()> {
    let kills = if exit == ExitStatus::Code(0) { 0 } else { kills(counter)? };
    let name = format!("oom_crashed_{}.txt", container.id);
    let what = || format!("cannot change {}", dir.join(&name).display());
    let dir_file = host::open_dir(dir)?;
    if kills > 0 {
        log::warn!("container {} was out of memory: see {}", container.id, dir.join(&name).display());
        let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&dir_file, name.as_str(), flags, Mode::from_raw_mode(0o644)).tried(what)?;
        return Ok(());
    }
    match rustix::fs::unlinkat(&dir_file, name.as_str(), AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error).tried(what),
    }
}

/// How many processes the kernel has killed in the cgroup: `oom_kill` in `memory.oom_control` (version 1, since Linux
/// 4.13) or `memory.events` (version 2).
fn kills(counter: &Path) -> Result<u64> {
    let lines = read(counter).unwrap_or_default();
    let count = lines.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    count.ok_or_else(|| {
        let what = format!("nothing in {} says whether it was out of memory", counter.display());
        Error::new(ErrorKind::Unsupported, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_in_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("counter");
        let cases = [
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", Some(3)),
            ("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n", Some(1)),
            ("oom_kill_disable 0\nunder_oom 1\n", None),
        ];
        for (text, expected) in cases {
            std::fs::write(&file, text).unwrap();
            assert_eq!(kills(&file).ok(), expected, "{text}");
        }
        assert!(kills(&dir.path().join("none")).is_err());
    }
}
