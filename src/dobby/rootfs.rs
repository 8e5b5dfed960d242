//! The root file system of a container: directories to mount on, and a few files in `/etc`.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::dobby::spec::Etc;
use crate::error;
use crate::error::Tried;
use crate::log::escape;

/// The directories of every container.
const DIRS: [&str; 12] = [
    "bin",
    "dev",
    "etc/ssl/certs",
    "home/private",
    "lib",
    "lib64",
    "proc",
    "sbin",
    "sys",
    "sys/fs/cgroup",
    "tmp",
    "usr",
];
/// The most directories on the way to a mount point, and the most files and directories of a root file system: a short
/// spec must not become a million directories.
const MAX_LEVELS: usize = 64;
const MAX_ENTRIES: usize = 4096;
const NSSWITCH: &str = "hosts:     files mdns4_minimal [NOTFOUND=return] dns mdns4\nprotocols: files\n";

/// What there is to make, by its path below the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rootfs {
    entries: BTreeMap<PathBuf, Entry>,
}

/// A directory, or a file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory, mode 755.
    Dir,
    /// A file, mode 644.
    File(String),
}

impl Rootfs {
    /// What every container has, with the lines of the spec.
    pub(crate) fn new(etc: &Etc) -> Self {
        let mut rootfs = Self::default();
        let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let files = [
            ("group", lines(&etc.group)),
            ("hosts", lines(&etc.hosts)),
            ("ld.so.preload", lines(&etc.ld_preload)),
            ("nsswitch.conf", NSSWITCH.to_owned()),
            ("passwd", lines(&etc.passwd)),
            ("resolv.conf", String::new()),
            ("services", lines(&etc.services)),
        ];
        for dir in DIRS {
            for path in Path::new(dir).ancestors().filter(|path| !path.as_os_str().is_empty()) {
                rootfs.entries.insert(path.to_owned(), Entry::Dir);
            }
        }
        for (name, content) in files {
            rootfs.entries.insert(Path::new("etc").join(name), Entry::File(content));
        }
        rootfs
    }

    /// Adds the mount point `destination`: an empty file or a directory. What is there already stays.
    ///
    /// # Errors
    /// The rule that is broken when the way there leads through a file or out of the root.
    pub(crate) fn add_mount_point(&mut self, destination: &str, file: bool) -> Result<(), String> {
        let mut path = PathBuf::new();
        for component in Path::new(destination).components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::RootDir | Component::CurDir => continue,
                Component::ParentDir | Component::Prefix(_) => return Err("contains '..'".to_owned()),
            }
        }
        if path.components().count() > MAX_LEVELS {
            return Err(format!("has more than {MAX_LEVELS} levels"));
        }
        if self.entries.len() > MAX_ENTRIES {
            return Err(format!("is too much: the root file system has more than {MAX_ENTRIES} entries"));
        }
        for parent in path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()) {
            if *self.entries.entry(parent.to_owned()).or_insert(Entry::Dir) != Entry::Dir {
                return Err(format!("lies below the file /{}", escape(&parent.to_string_lossy())));
            }
        }
        if !path.as_os_str().is_empty() {
            let entry = if file { Entry::File(String::new()) } else { Entry::Dir };
            self.entries.entry(path).or_insert(entry);
        }
        Ok(())
    }

    /// Everything in it, parents before what is in them.
    pub fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// Makes everything in the new directory `dir`.
    pub(crate) fn write(&self, dir: &Path) -> error::Result<()> {
        make_dir(dir)?;
        for (path, entry) in &self.entries {
            let path = dir.join(path);
            match entry {
                Entry::Dir => make_dir(&path)?,
                Entry::File(content) => write_file(&path, content)?,
            }
        }
        Ok(())
    }
}

/// Makes a directory of mode 755, whatever the umask.
pub(crate) fn make_dir(dir: &Path) -> error::Result<()> {
    fs::create_dir(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o755)))
        .tried(|| format!("cannot make the directory {}", dir.display()))
}

/// Makes a file of mode 644, whatever the umask.
pub(crate) fn write_file(path: &Path, content: &str) -> error::Result<()> {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o644)))
        .tried(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_file_system_stays_small() {
        let mut rootfs = Rootfs::new(&Etc::default());
        let deep = rootfs.add_mount_point(&"/a".repeat(2000), false).unwrap_err();
        assert_eq!(deep, "has more than 64 levels");
        let mut add = |n| rootfs.add_mount_point(&format!("/{n}{}", "/a".repeat(60)), false);
        let refused = (0..1000).find_map(|n| add(n).err()).unwrap();
        assert_eq!(refused, "is too much: the root file system has more than 4096 entries");
        assert!(rootfs.entries.len() < MAX_ENTRIES + MAX_LEVELS * 2, "{}", rootfs.entries.len());
    }

    #[test]
    fn mount_points_are_added_below_the_root_only() {
        let mut rootfs = Rootfs::new(&Etc::default());
        for (destination, file) in [("/a/./b//c", false), ("d/e", true), ("/", false), ("/etc/hosts", false)]
        {
            rootfs.add_mount_point(destination, file).unwrap();
        }
        let entry = |path: &str| rootfs.entries.get(Path::new(path));
        assert_eq!(entry("a/b/c"), Some(&Entry::Dir));
        assert_eq!(entry("d"), Some(&Entry::Dir));
        assert_eq!(entry("d/e"), Some(&Entry::File(String::new())));
        assert_eq!(entry("etc/hosts"), Some(&Entry::File(String::new())));
        for bad in ["/a/../../b", "..", "/etc/hosts/x"] {
            assert!(rootfs.add_mount_point(bad, false).is_err(), "{bad}");
        }
    }
}
