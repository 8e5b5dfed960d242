//! The least that a hook can do for a minidump directory with the same promise: the system calls of `oci-minidump-hook` and
//! its flushes, and none of its checks, bounds and ways out. `scripts/bench/hook` runs both.
//!
//! `floor prestart|poststop IMAGE CONTAINER-SOURCE HOST-DESTINATION RECORD`, with the OCI state on stdin.

use std::error::Error;
use std::fs::{File, Permissions};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use ext4_view::{Ext4, Ext4Read};
use nix::sched::{CloneFlags, setns, unshare};
use oci_minidump::proc::journal::is_in_order;
use oci_minidump::sys::{self, write_out::write_out};
use rustix::fs::{AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, XattrFlags, fsetxattr, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen, move_mount,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The image of the default size, as its runs of bytes that are not zero.
const TEMPLATE: &[u8] = include_bytes!("../../src/image/create/template.bin");
const SIZE: u64 = 8 << 20;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [stage, image, target, destination, record] = &words[..] else {
        return Err("see the top of scripts/bench/floor.rs".into());
    };
    let mut state = String::new();
    std::io::stdin().read_to_string(&mut state)?;
    let (image, record) = (Path::new(image), Path::new(record));
    match stage.as_str() {
        "prestart" => prestart(&state, image, target, destination, record),
        _ => poststop(image, destination, record),
    }
}

fn prestart(state: &str, image: &Path, target: &str, destination: &str, record: &Path) -> Outcome<()> {
    let file = unnamed(image.parent().ok_or("the image has no directory")?)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SIZE)?;
    file.write_all_at(&template(), 0)?;
    fsetxattr(&file, "user.oci-minidump.container", b"bench", XattrFlags::empty())?;
    fsetxattr(&file, "user.oci-minidump.destination", destination.as_bytes(), XattrFlags::empty())?;
    let (_device, mount) = mount(&file)?;
    link(&file, image)?;
    let temporary = record.with_extension("tmp");
    std::fs::write(&temporary, state)?;
    std::fs::rename(&temporary, record)?;
    let pid: u32 = number_after(state, "\"pid\"").ok_or("no pid")?;
    let bundle = text_after(state, "\"bundle\"").ok_or("no bundle")?;
    let put = || -> Result<(), rustix::io::Errno> {
        let namespace = File::open(format!("/proc/{pid}/ns/mnt")).map_err(|_| rustix::io::Errno::NOENT)?;
        unshare(CloneFlags::CLONE_FS).map_err(|_| rustix::io::Errno::PERM)?;
        setns(namespace, CloneFlags::CLONE_NEWNS).map_err(|_| rustix::io::Errno::PERM)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let to = openat(CWD, format!("{bundle}/rootfs{target}"), flags, Mode::empty())?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&mount, "", &to, "", flags)
    };
    std::thread::scope(|scope| scope.spawn(put).join()).map_err(|_| "the thread panicked")??;
    Ok(())
}

/// The image, attached and mounted as the hook does it.
fn mount(image: &File) -> Outcome<(File, OwnedFd)> {
    let control = File::open("/dev/loop-control")?;
    let (device, path) = loop {
        let path = format!("/dev/loop{}", sys::loop_device::get_free(&control)?);
        let device = File::options().read(true).write(true).open(&path)?;
        let again =
            File::options().read(true).write(true).open(format!("/proc/self/fd/{}", image.as_raw_fd()))?;
        // Another one may take it first.
        if sys::loop_device::configure(&device, again.as_fd(), b"floor", sys::loop_device::AUTOCLEAR).is_ok()
        {
            break (device, path);
        }
    };
    let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let options = [("source", path.as_str()), ("errors", "remount-ro"), ("commit", "1"), ("data", "journal")];
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), key, value)?;
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    Ok((device, fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?))
}

struct Image(File);

impl Ext4Read for Image {
    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.read_exact_at(bytes, at)?)
    }
}

fn poststop(image: &Path, destination: &str, record: &Path) -> Outcome<()> {
    std::fs::read(record)?;
    let file = File::options().read(true).write(true).open(image)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    std::fs::create_dir_all(destination)?;
    let (to, mut published) = (File::open(destination)?, false);
    let contents = Ext4::load(Box::new(Image(file)))?;
    for entry in contents.read_dir("/")? {
        let path = entry?.path();
        let name = String::from_utf8(path.as_ref().to_vec())?;
        if !name.ends_with(".dmp") {
            continue;
        }
        let dump = unnamed(Path::new(destination))?;
        dump.write_all_at(&contents.read(&path)?, 0)?;
        dump.set_permissions(Permissions::from_mode(0o640))?;
        fsetxattr(&dump, "user.oci-minidump.container", b"bench", XattrFlags::empty())?;
        fsetxattr(&dump, "user.oci-minidump.time", b"0.000000000", XattrFlags::empty())?;
        if is_in_order(&to) {
            write_out(&dump)?
        } else {
            dump.sync_all()?
        }
        link(&dump, &Path::new(destination).join(name.trim_start_matches('/')))?;
        published = true;
    }
    if published {
        to.sync_all()?;
    }
    std::fs::remove_file(image)?;
    std::fs::remove_file(record)?;
    Ok(())
}

fn unnamed(dir: &Path) -> Outcome<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(openat(CWD, dir, flags, Mode::from_raw_mode(0o600))?.into())
}

fn link(file: &File, path: &Path) -> Outcome<()> {
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, from, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// The head of the image. Its root directory is root's, who crashes in the benchmark.
fn template() -> Vec<u8> {
    let (mut rest, mut bytes) = (TEMPLATE, Vec::new());
    while let Some((head, tail)) = rest.split_first_chunk::<6>() {
        let [o0, o1, o2, o3, l0, l1] = *head;
        let (offset, length) = (u32::from_le_bytes([o0, o1, o2, o3]), u16::from_le_bytes([l0, l1]));
        bytes.resize(usize::try_from(offset).unwrap_or(0), 0);
        let (run, next) = tail.split_at(length.into());
        bytes.extend_from_slice(run);
        rest = next;
    }
    bytes
}

fn number_after(text: &str, key: &str) -> Option<u32> {
    let rest = text.split_once(key)?.1.trim_start_matches([':', ' ', '\t', '\n']);
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn text_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_once(key)?.1.split('"').nth(1)
}
