//! What must not be left, anywhere, and how large the daemon may get.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::place::{Place, sample};

/// By how much the daemon may have grown, in KiB: buffers and the heap's gaps.
const GROWTH: u64 = 4096;

/// How long a note of an end may be kept: twice a minute, if its daemon is killed when the first one is nearly over.
const NOTED: Duration = Duration::from_secs(125);

/// How large the daemon is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// How many descriptors it has.
    descriptors: usize,
    /// Resident memory, in KiB.
    memory: u64,
    /// How many threads and children it has.
    threads: usize,
}

/// The figures of the daemon, which answers.
pub(crate) fn figures(place: &Place) -> Figures {
    drop(Client::connect(place));
    // Its sweep ends, and so do connections.
    until("it has no children but its watch", || {
        let watches = watches(place);
        children(place.pid()).iter().all(|child| watches.contains(child))
    });
    let dir = format!("/proc/{}", place.pid());
    until("it is idle", || {
        let mut last = fs::read_dir(format!("{dir}/fd")).unwrap().count();
        (0..10).all(|_| {
            std::thread::sleep(Duration::from_millis(30));
            let now = fs::read_dir(format!("{dir}/fd")).unwrap().count();
            std::mem::replace(&mut last, now) == now
        })
    });
    let status = fs::read_to_string(format!("{dir}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    Figures {
        descriptors: own_descriptors(place),
        memory: memory.trim().trim_end_matches(" kB").parse().unwrap(),
        threads: fs::read_dir(format!("{dir}/task")).unwrap().count(),
    }
}

/// Nothing is left, and the daemon is as `fresh` as it was.
pub(crate) fn check(place: &Place, fresh: &Figures) {
    until("all loop devices are gone", || loop_devices(place).is_empty());
    let now = figures(place);
    println!("at the start {fresh:?}\nat the end   {now:?}");
    assert_eq!(
        now.descriptors,
        fresh.descriptors,
        "descriptors leak\n{:#?}",
        descriptors(&place.pid().to_string())
    );
    assert!(now.memory <= fresh.memory + GROWTH, "memory leaks: {fresh:?} {now:?}");
    assert!(now.threads <= fresh.threads + 1, "threads leak: {now:?}");
    for dir in ["runtime", "hook/state_dir", "images"] {
        until(&format!("{dir} is empty"), || names(&place.path(dir)).is_empty());
    }
    until("no container is kept", || crate::support::state::kept(&place.path("state")).is_empty());
    until("no note is old", || {
        crate::support::state::notes(&place.path("state")).iter().all(|note| is_fresh(note))
    });
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = place.path("").display().to_string();
    assert!(!mounts.contains(&ours), "{mounts}");
    until("all processes are gone", || processes(place, &ours).is_empty());
    until("all cgroups are gone", || cgroups(place).is_empty());
    let logs = names(&place.path("log"));
    assert!(logs.len() <= 2 * place.ids.len(), "{logs:?}");
    let whole = fs::read(sample()).unwrap();
    let dumps = names(&place.path("dumps"));
    for name in &dumps {
        assert!(name.starts_with("of-") && name.ends_with(".dmp"), "{dumps:?}");
        // A container may be killed while it writes.
        let dump = fs::read(place.path("dumps").join(name)).unwrap();
        assert!(whole.starts_with(&dump), "{name} is no dump of ours");
    }
    println!("{} dumps on the host", dumps.len());
}

/// Whether it is no older than a note may be.
fn is_fresh(note: &Path) -> bool {
    let age = fs::metadata(note).and_then(|note| note.modified()).map(|time| time.elapsed());
    age.map_or(true, |age| age.is_ok_and(|age| age < NOTED))
}

fn until(what: &str, so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn descriptors(pid: &str) -> Vec<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = links.filter_map(|link| fs::read_link(link.path()).ok());
    links.map(|link| link.display().to_string()).collect()
}

fn children(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The processes with which the daemon watches running containers: from its first one with a minidump directory on there
/// is one.
fn watches(place: &Place) -> Vec<String> {
    let is_watch = |pid: &String| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("--watch"))
    };
    let watches: Vec<String> = children(place.pid()).into_iter().filter(is_watch).collect();
    assert!(watches.len() <= 1, "{watches:?}");
    watches
}

/// How many descriptors the daemon has, without its ends of the pipes of its watch, and without that of the runtime, which its
/// first call opens.
fn own_descriptors(place: &Place) -> usize {
    let all = descriptors(&place.pid().to_string());
    let watches = watches(place);
    let pipes: Vec<String> = watches.iter().flat_map(|watch| descriptors(watch)).collect();
    // What all have from the test is not between the two.
    let inherited = descriptors("self");
    let is_of_watch =
        |link: &&String| link.starts_with("pipe:") && pipes.contains(link) && !inherited.contains(link);
    // A mount of its own has no other path.
    let has_runtime = all.iter().any(|link| link == "/");
    all.len() - all.iter().filter(is_of_watch).count() - usize::from(has_runtime)
}

fn loop_devices(place: &Place) -> Vec<String> {
    let ours = place.path("").display().to_string();
    let devices = fs::read_dir("/sys/block").unwrap().flatten();
    let files =
        devices.map(|dev| fs::read_to_string(dev.path().join("loop/backing_file")).unwrap_or_default());
    files.filter(|file| file.starts_with(&ours)).collect()
}

/// Processes of the place, but for the daemon.
fn processes(place: &Place, ours: &str) -> Vec<String> {
    let mut known = watches(place);
    known.extend([place.pid(), std::process::id()].map(|pid| pid.to_string()));
    let pids = names(Path::new("/proc")).into_iter().filter(|name| name.parse::<u32>().is_ok());
    pids.filter(|pid| !known.contains(pid))
        .filter(|pid| {
            let dir = Path::new("/proc").join(pid);
            let line = fs::read(dir.join("cmdline")).unwrap_or_default();
            let groups = fs::read_to_string(dir.join("cgroup")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(ours)
                || place.ids.iter().any(|id| groups.contains(id))
                || fs::read_link(dir.join("root")).is_ok_and(|root| root.starts_with(ours))
        })
        .collect()
}

fn cgroups(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    for controller in names(Path::new("/sys/fs/cgroup")) {
        let groups = names(&Path::new("/sys/fs/cgroup").join(&controller));
        found.extend(
            groups.into_iter().filter(|group| place.ids.iter().any(|id| group.contains(id.as_str()))),
        );
    }
    found
}
