//! The mounts of a mount namespace: `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::Errno;

use crate::error::{Result, Tried};

/// The mounts that the calling thread sees.
const OWN: &str = "/proc/thread-self/mountinfo";

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The mount's number, as `statx` gives it.
    pub id: u64,
    /// The number of the mount on which it lies, or its own for the topmost.
    pub parent: u64,
    /// Major and minor number of the device.
    pub device: (u32, u32),
    /// Which directory of the file system is mounted.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Whether a mount on it appears in other mount namespaces, too (mount_namespaces(7), "SHARED SUBTREES").
    pub is_shared: bool,
    /// The type of the file system, such as `ext4`.
    pub fs_type: Vec<u8>,
    /// The options of the file system, separated by commas.
    pub fs_options: Vec<u8>,
}

/// The mounts that the calling thread sees, in the order in which they were made.
///
/// # Errors
/// The kernel's.
pub fn own() -> Result<Vec<Mount>> {
    Ok(parse(&crate::proc::read(OWN).tried(|| format!("cannot read {OWN}"))?))
}

/// The number of the mount on which a file lies; `None` before Linux 5.8.
///
/// # Errors
/// The kernel's.
pub fn id_of(file: impl AsFd) -> io::Result<Option<u64>> {
    match statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID) {
        Ok(stat) => Ok((stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id)),
        // Before 4.11.
        Err(Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Those of a file system, known by the device number of its files (`st_dev`), whatever is mounted over them.
///
/// # Errors
/// The kernel's.
pub fn of_device(device: u64) -> Result<Vec<Mount>> {
    let wanted = (rustix::fs::major(device), rustix::fs::minor(device));
    Ok(own()?.into_iter().filter(|mount| mount.device == wanted).collect())
}

/// Whether the calling thread is in the mount namespace of the first process: as a rule, the host's. The numbers of mounts
/// say so, which are not the same in two namespaces; the namespace itself may be kept from us.
///
/// # Errors
/// The kernel's.
pub fn is_of_first_process() -> Result<bool> {
    let first = "/proc/1/mountinfo";
    let theirs = parse(&crate::proc::read(first).tried(|| format!("cannot read {first}"))?);
    Ok(own()?.iter().any(|mount| theirs.iter().any(|other| other.id == mount.id)))
}

/// Reads the text of a mountinfo file. A line that the manual page does not describe is left out.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let mut device = fields.next()?.split(|byte| *byte == b':');
    let device = (number(device.next()?)?, number(device.next()?)?);
    let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
    let is_shared =
        fields.by_ref().skip(1).take_while(|field| *field != b"-").any(|f| f.starts_with(b"shared:"));
    // `any` stops at the first hit, so the optional fields may not be used up yet.
    let mut rest = line
        .windows(3)
        .position(|part| part == b" - ")
        .and_then(|at| line.get(at + 3..))?
        .split(|b| *b == b' ');
    let fs_type = rest.next()?.to_vec();
    let fs_options = rest.nth(1).unwrap_or_default().to_vec();
    Some(Mount { id, parent, device, root, point, is_shared, fs_type, fs_options })
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// A path as mountinfo writes it: blanks, tabs, newlines and backslashes are octal numbers.
fn unescape(field: &[u8]) -> PathBuf {
    if !field.contains(&b'\\') {
        return PathBuf::from(OsString::from_vec(field.to_vec()));
    }
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, tail)) = rest.split_first() {
        let octal =
            tail.get(..3).filter(|_| *byte == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                path.push(escaped);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                path.push(*byte);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn paths_are_unescaped() {
        let cases =
            [(&b"/a/b"[..], "/a/b"), (b"/a\\040b", "/a b"), (b"/a\\134b\\", "/a\\b\\"), (b"\\9", "\\9")];
        for (field, path) in cases {
            assert_eq!(unescape(field), Path::new(path));
        }
    }

    #[test]
    fn every_line_is_read_whatever_bytes_the_others_have() {
        let text =
            b"36 35 98:0 / /mnt\\040x rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n\
                     37 35 7:1 /sub /media/M\xfcll rw - ext4 /dev/loop1 rw\n\
                     not a mount\n\
                     38 35 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        let mounts = parse(text);
        let summary: Vec<_> = mounts.iter().map(|mount| (mount.id, mount.device, mount.is_shared)).collect();
        assert_eq!(summary, [(36, (98, 0), true), (37, (7, 1), false), (38, (0, 30), false)]);
        assert_eq!(mounts[0].point, Path::new("/mnt x"));
        assert_eq!(
            (mounts[1].root.as_path(), mounts[1].fs_type.as_slice()),
            (Path::new("/sub"), &b"ext4"[..])
        );
        assert_eq!(mounts[2].fs_options, b"rw,cpu,cpuacct");
    }

    #[test]
    fn a_new_namespace_is_not_that_of_the_first_process() {
        let in_new = || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map(|()| is_of_first_process().unwrap())
        };
        let joined = std::thread::scope(|scope| scope.spawn(in_new).join().unwrap());
        // Only root can try.
        assert!(joined.is_err() || !joined.unwrap());
    }

    #[test]
    fn our_own_mounts_are_there() {
        assert!(own().unwrap().iter().any(|mount| mount.point == Path::new("/")));
    }
}
