//! crun opens itself once for all its calls, on a read-only mount, and again when another file has its path.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use oci_minidump::proc::{mountinfo, security_modules};
use rustix::fs::{CWD, Mode, OFlags};
use serde_json::json;
use tempfile::TempDir;

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::{fifo, release};
use crate::support::test_dir::test_dir;

/// A file, and the mount through which it is seen.
type Seen = (u64, u64);

fn seen(path: &Path) -> Option<Seen> {
    let file = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), mountinfo::id_of(&file).unwrap()?))
}

/// A runtime of the world's own, at a path where it can be replaced.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("runtime-").tempdir_in(test_dir()).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file there, in the place of the one there may be; its inode number.
    fn put(&self, name: &str, content: &[u8]) -> u64 {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, self.path(name)).unwrap();
        fs::metadata(self.path(name)).unwrap().ino()
    }

    /// The files of this place that the daemon has open.
    fn opened(&self, world: &DaemonWorld) -> Vec<Seen> {
        let dev = fs::metadata(self.0.path()).unwrap().dev();
        let open = fs::read_dir(format!("/proc/{}/fd", world.pid())).unwrap().flatten().map(|fd| fd.path());
        let is_read_only = |path: &PathBuf| {
            rustix::fs::statvfs(path)
                .is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
        };
        let of_place =
            |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.dev() == dev && file.is_file());
        open.filter(is_read_only).filter(of_place).filter_map(|path| seen(&path)).collect()
    }
}

/// From which file the runtime runs while it starts a container.
fn runs_from(world: &DaemonWorld, name: &str) -> Seen {
    let (says, goes_on) = (world.path(&format!("{name}.says")), fifo(world.path(&format!("{name}.goes-on"))));
    let id = world.id(name);
    let bundle = world.bundle(name, &["sleep", "100"]);
    let script =
        format!("echo $PPID > {0}.new; mv {0}.new {0}; read go < {1}", says.display(), goes_on.display());
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    config["hooks"]["createRuntime"] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    std::thread::scope(|scope| {
        let started =
            scope.spawn(|| world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle})));
        world.until("the hook runs", || says.exists());
        let parent = fs::read_to_string(&says).unwrap();
        let seen = seen(Path::new(&format!("/proc/{}/exe", parent.trim()))).unwrap();
        release(&goes_on);
        started.join().unwrap();
        seen
    })
}

#[test]
fn crun_is_opened_once_and_again_after_an_upgrade() {
    let (place, crun) = (Place::new(), fs::read("/usr/bin/crun").unwrap());
    let first = place.put("crun", &crun);
    let world = DaemonWorld::with(&["--runtime", place.path("crun").to_str().unwrap()]);
    let is_opened = |file: u64| {
        let opened = place.opened(&world);
        opened.len() == 1 && opened[0].0 == file
    };
    world.run(&world.id("a"), &["sleep", "100"]);
    if security_modules::may_go_by_files() {
        assert_eq!((place.opened(&world), runs_from(&world, "b").0), (Vec::new(), first));
        return;
    }
    world.until("it is opened", || is_opened(first));
    let opened = place.opened(&world);
    assert_eq!(runs_from(&world, "b"), opened[0], "{}", world.log());
    let second = place.put("crun", &crun);
    // By its path, until it is known to run otherwise.
    assert_eq!(runs_from(&world, "c").0, second, "{}", world.log());
    world.until("the other one is opened", || is_opened(second));
    assert_eq!(runs_from(&world, "d"), place.opened(&world)[0], "{}", world.log());
    // One that fails so is started by its path, and its own error is the answer.
    place.put("crun", &fs::read("/bin/false").unwrap());
    for name in ["e", "f"] {
        let call = json!({"containerId": world.id(name), "bundlePath": world.bundle(name, &["true"])});
        let error = world.call("startContainer", &call).unwrap_err().to_string();
        assert!(error.contains("failed with exit code 1"), "{error}");
    }
    assert_eq!(place.opened(&world), []);
    place.put("crun", &crun);
}

#[test]
fn another_runtime_is_started_by_its_path() {
    let place = Place::new();
    let script = place.put("crun", b"#!/bin/sh\nexec /usr/bin/crun \"$@\"\n");
    let other = place.put("other", &fs::read("/usr/bin/crun").unwrap());
    for name in ["crun", "other"] {
        let world = DaemonWorld::with(&["--runtime", place.path(name).to_str().unwrap()]);
        for container in ["a", "b"] {
            let (file, _) = runs_from(&world, container);
            // A script becomes crun itself.
            assert!(file == other || (name == "crun" && file != script), "{}", world.log());
        }
        assert_eq!(place.opened(&world), []);
    }
}
