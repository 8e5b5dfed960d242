//! What a world must not leave on the host, and looks into its images that leave nothing either.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{HookWorld, PREFIX};
use crate::support::host::{command, files_below, files_in, mounts_below, wait_until};
use crate::support::test_dir::test_dir;

impl HookWorld {
    /// Mounts an image while `work` runs, where only its thread sees it: a container that is created at the same moment
    /// would take a copy of a mount of the host's with it, and keep the image mounted.
    pub(crate) fn with_mounted(&self, image: &Path, work: impl FnOnce(&Path) + Send) {
        let point = self.path("mounted");
        fs::create_dir_all(&point).unwrap();
        self.in_own_namespace(|| {
            command("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), point.as_ref()]);
            work(&point);
            // A program that another test is just starting has a copy of our open files for a moment.
            wait_until(|| Command::new("umount").arg(&point).output().unwrap().status.success());
        });
        wait_until(|| self.leaks().is_empty());
    }

    /// Does `work` in a mount namespace of its own, which holds on to nothing that other tests have mounted.
    pub(crate) fn in_own_namespace<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        use nix::sched::{CloneFlags, unshare};

        let isolated = || {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
            command("mount", &["--make-rprivate".as_ref(), "/".as_ref()]);
            let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
            let worlds = test_dir().join(PREFIX).display().to_string();
            let is_of_another = |point: &&Path| {
                point.to_str().is_some_and(|text| text.starts_with(&worlds)) && !point.starts_with(&self.dir)
            };
            for point in points.filter(is_of_another) {
                // It may be gone with the one that it was in.
                let _gone = Command::new("umount").arg("--lazy").arg(point).output();
            }
            work()
        };
        std::thread::scope(|scope| scope.spawn(isolated).join()).unwrap()
    }

    /// What must not be left: mounts and loop devices of this world.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let mut leaks = mounts_below(&self.dir)
            .iter()
            // It stays for the next container.
            .filter(|path| **path != self.memory_dir())
            .map(|path| format!("mount {}", path.display()))
            .collect::<Vec<_>>();
        for entry in fs::read_dir("/sys/block").unwrap().flatten() {
            let backing = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
            if Path::new(backing.trim()).starts_with(&self.dir) {
                leaks.push(format!("loop device {:?} of {}", entry.file_name(), backing.trim()));
            }
        }
        let expected = self.expected.lock().unwrap();
        leaks.retain(|what| !expected.contains(what));
        leaks
    }

    /// What is left when the kernel had time to detach loop devices, a moment after their last users were gone.
    pub(crate) fn settle(&self) -> Vec<String> {
        for _ in 0..5000 {
            if !self.leaks().iter().any(|what| what.starts_with("loop device")) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.remains()
    }

    /// What there is now belongs to a container that goes on running.
    pub(crate) fn expect_remains(&self) {
        let remains = self.remains();
        self.expected.lock().unwrap().extend(remains);
    }

    /// That container is about to end.
    pub(crate) fn expect_nothing(&self) {
        self.expected.lock().unwrap().clear();
    }

    /// Everything that a world must be rid of at its end.
    fn remains(&self) -> Vec<String> {
        let mut remains = self.leaks();
        let mut files = [files_in(&self.path("records")), files_in(&self.path("images"))].concat();
        // The directory is the file system's in memory, or where it is mounted.
        files.retain(|path| *path != self.memory_dir());
        files.extend(files_below(&self.memory_dir()));
        remains.extend(files.iter().map(|path| path.display().to_string()));
        let hidden = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
        remains
            .extend(self.dumps().iter().filter(|path| hidden(path)).map(|path| path.display().to_string()));
        let expected = self.expected.lock().unwrap();
        remains.retain(|what| !expected.contains(what));
        remains
    }
}
