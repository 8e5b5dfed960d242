//! What can be seen on the host, without disturbing anything.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use oci_minidump::sys::loop_device::backing_file;

use crate::model::ImageId;
use crate::operations::DESTINATIONS;
use crate::place::Place;
use crate::problem::{Kind, Problem};
use crate::support::hook_world::SOURCE;
use crate::support::host::files_in;

/// By which the hook marks the dumps of a container.
const MARK: &str = "user.oci-minidump.container";

/// A file in a destination.
#[derive(Debug)]
pub(crate) struct Harvested {
    pub(crate) path: PathBuf,
    pub(crate) destination: usize,
    pub(crate) bytes: Vec<u8>,
    /// The container that it is marked with; `None` where the file system has no such marks.
    pub(crate) mark: Option<String>,
}

/// Everything in the destinations.
pub(crate) fn harvested(place: &Place) -> Vec<Harvested> {
    let mut all = Vec::new();
    for destination in 0..DESTINATIONS {
        let dir = place.destination(destination);
        let has_marks = can_be_marked(&dir);
        for path in files_in(&dir).into_iter().filter(|path| !path.ends_with(".filler")) {
            let bytes = fs::read(&path).unwrap();
            let mark = has_marks.then(|| mark(&path));
            all.push(Harvested { path, destination, bytes, mark });
        }
    }
    all
}

fn mark(path: &Path) -> String {
    let mut mark = vec![0; 255];
    let length = rustix::fs::lgetxattr(path, MARK, &mut mark).unwrap_or(0);
    String::from_utf8_lossy(mark.get(..length).unwrap_or_default()).into_owned()
}

/// A tmpfs has had marks since Linux 6.6.
fn can_be_marked(dir: &Path) -> bool {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(dir, "user.oci-minidump.test", b"", flags).is_ok()
}

/// What the image of that name is, if there is one.
pub(crate) fn image(path: &Path) -> Option<ImageId> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let born = metadata.created().expect("a file system that knows when a file was made");
    Some(ImageId { device: metadata.dev(), inode: metadata.ino(), born })
}

/// Every file in the directories of images. Whatever they are called, `sweep` finds them there.
pub(crate) fn images(place: &Place) -> Vec<(PathBuf, ImageId)> {
    let files = place.image_dirs().into_iter().flat_map(|dir| files_in(&dir));
    files.filter_map(|path| image(&path).map(|id| (path, id))).collect()
}

/// A loop device of this place.
#[derive(Debug)]
pub(crate) struct Device {
    /// Its name in /dev.
    pub(crate) name: String,
    /// The path of the file behind it, as the kernel has it: that of a file which got its name later is none.
    pub(crate) file: String,
    /// The image behind it, if that has a name in a directory of images.
    pub(crate) image: Option<ImageId>,
}

/// The loop devices of this place.
pub(crate) fn devices(place: &Place) -> Vec<Device> {
    let images = images(place);
    let names = fs::read_dir("/sys/block").unwrap().flatten().map(|entry| entry.file_name());
    let devices = names.filter_map(|name| device(name.to_str()?, place, &images));
    devices.collect()
}

fn device(name: &str, place: &Place, images: &[(PathBuf, ImageId)]) -> Option<Device> {
    let file = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()?;
    if !Path::new(&file).starts_with(&place.world.dir) {
        return None;
    }
    let backing = backing_file(File::open(format!("/dev/{name}")).ok()?).ok()??;
    let image = images.iter().map(|(_, id)| *id).find(|id| (id.device, id.inode) == backing.identity);
    Some(Device { name: name.to_owned(), file: file.trim_end().to_owned(), image })
}

/// The minidump directory as a process sees it.
pub(crate) fn directory(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{SOURCE}"))
}

/// The number of the loop device that is the minidump directory of a process; `None` when it is no mount of an image.
pub(crate) fn device_of(pid: i32) -> Option<u64> {
    let device = fs::metadata(directory(pid)).ok()?.dev();
    // Documentation/admin-guide/devices.txt: 7 is the loop devices.
    (rustix::fs::major(device) == 7).then_some(device)
}

/// The image behind the minidump directory of a process.
///
/// # Errors
/// When the image has no name.
pub(crate) fn image_of(pid: i32, place: &Place) -> Result<Option<ImageId>, Problem> {
    let Some(device) = device_of(pid) else { return Ok(None) };
    let name = format!("loop{}", rustix::fs::minor(device));
    match self::device(&name, place, &images(place)) {
        Some(Device { image: Some(image), .. }) => Ok(Some(image)),
        other => {
            let what = format!("the image of process {pid}, on {name}, has no name: {other:?}");
            Err(Problem::new(Kind::Lost, what))
        }
    }
}

/// Whether a process runs: it is there, and not one that only waits for its parent.
pub(crate) fn runs(pid: i32) -> bool {
    oci_minidump::proc::stat::stat(pid).unwrap().is_some_and(|stat| !stat.is_dead())
}
