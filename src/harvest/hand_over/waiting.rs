//! Dumps that were published and not left for their hand-over: the spool was full, its disk had no room, or the hook was
//! killed in between. Their marks say so, and they are left for it later.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::harvest::crash_record::{self, CrashRecord};
use crate::harvest::hand_over::{describe, leave};
use crate::harvest::job::Owner;
use crate::harvest::marks;
use crate::image::known;
use crate::image::read::files::Time;
use crate::notify::entry::Dump;
use crate::notify::mark;
use crate::notify::spool::Spool;
use crate::settings::admin::Admin;

/// The most files of a directory that are looked at.
const MAX_FILES: usize = 10_000;
/// The most directories.
const MAX_DIRS: usize = 1000;

/// Leaves the dumps that wait for it for their hand-over, as long as there is room. What fails is logged and waits on.
pub fn leave_all(admin: &Admin) {
    let spool = Spool::of(admin);
    if !admin.notify.is_on() {
        return;
    }
    // Before any mark is read: a dump whose entry goes after that has none.
    let Ok(entries) = spool.dumps() else { return };
    let mut room = spool.room().unwrap_or(0);
    for path in marked(admin) {
        if room == 0 {
            log::warn!("more dumps wait for their hand-over than there is room for; the next sweep goes on");
            return;
        }
        let Some(file) = mark::lock(&path).filter(|_| mark::is_waiting(&path)) else { continue };
        let inode = file.metadata().map_or(0, |metadata| metadata.ino());
        if mark::is_left(&file) || entries.contains(&(path.clone(), inode)) {
            mark::end(&file);
        } else if leave(admin, known(path, &file), &file) {
            room -= 1;
        }
    }
}

/// The files in all destinations that have the mark.
fn marked(admin: &Admin) -> Vec<PathBuf> {
    let mut dirs = known::read(&admin.known_destinations()).unwrap_or_default();
    dirs.push(admin.host_destination.clone());
    dirs.sort();
    dirs.dedup();
    let mut found = Vec::new();
    for dir in dirs.iter().take(MAX_DIRS) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().take(MAX_FILES);
        found.extend(entries.map(|entry| entry.path()).filter(|path| mark::is_waiting(path)));
    }
    found
}

/// What is known of a dump by now.
fn known(path: PathBuf, file: &File) -> Dump {
    let container = marks::container_of(file).and_then(|id| String::from_utf8(id).ok());
    let record = CrashRecord::find(&path);
    let owner = Owner {
        container: container.as_deref().filter(|id| !id.is_empty()),
        subject: record.as_ref().map(|record| &record.subject),
        app_state: None,
    };
    let time = marks::time(&path).unwrap_or(Time { seconds: 0, nanoseconds: 0 });
    let known = describe(file, owner, time);
    let beside = path.file_name().and_then(|name| name.to_str()).map(crash_record::file_name);
    let beside = beside.map(|name| path.with_file_name(name)).filter(|path| is_file(path));
    Dump { record: beside.filter(|_| record.is_some()), path, ..known }
}

fn is_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}
