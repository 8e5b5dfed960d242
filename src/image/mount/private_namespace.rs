//! Mounting an image where only a helper thread ever sees it: for kernels before 5.2, which have no detached mounts.

use std::fs::File;

use crate::error::{Result, Tried, Unreadable};
use crate::image::loopback::LoopDevice;
use crate::image::mount::label::MountLabel;
use crate::image::mount::options::Access;

/// Mounts the device where only a helper thread sees it, and gives the root directory out; the mount lives as long as
/// that descriptor. For kernels before 5.2.
///
/// # Errors
/// The kernel's.
pub fn mount_in_private_namespace(device: &LoopDevice, access: Access<'_>) -> Result<File> {
    use nix::sched::{CloneFlags, unshare};
    use sys_mount::{Mount, MountFlags};

    // Any directory will do: nobody else sees what is mounted on it.
    let target = "/dev";
    crate::process::apart(|| {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).tried(|| "cannot make a mount namespace")?;
        rustix::mount::mount_change(
            "/",
            rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
        )
        .tried(|| "cannot make the mount namespace private")?;
        let nosymfollow = MountFlags::from_bits_retain(256);
        let mut flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | nosymfollow;
        let data = match access {
            // A superblock that is mounted read-write cannot be mounted read-only a second time.
            Access::HarvestPinned(label) => label.map(MountLabel::option).unwrap_or_default(),
            Access::Container(writable) => {
                flags.set(MountFlags::SYNCHRONOUS, writable.sync);
                writable.data()
            }
            Access::Harvest => {
                flags |= MountFlags::RDONLY;
                "errors=continue".to_owned()
            }
        };
        let mount = Mount::builder().fstype("ext4").flags(flags).data(&data).mount(device.path(), target);
        let what = || format!("cannot mount {}", device.path().display());
        match access {
            Access::Container(_) => mount.map(drop).tried(what)?,
            Access::Harvest | Access::HarvestPinned(_) => mount.map(drop).unreadable(what)?,
        }
        crate::host::open_dir(std::path::Path::new(target))
    })
}
