//! `storage`: `loopback` mounts images (ext2, ext3, ext4, xfs), made with mke2fs or mkfs.xfs if need be, shared by
//! several containers, and removed at the end unless `persistent`. `dynamic` mounts what is there. `mountOwner`
//! sets owners. Mounts of type `loop` in a specification are the same as `loopback`.
//!
//! An image is mounted in the container's own directory of the state directory, from which the runtime binds it into
//! the container, whose root file system only the runtime looks into. As soon as it has done so, that mount goes: from
//! then on the kernel keeps the image mounted for as long as the container lives, and lets go of it by itself.

mod image;
mod mounted;
mod owner;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::plugins::config_edit::Bind;
use crate::control::plugins::data::{Whole, or_default};
use crate::control::plugins::plugin::{ContainerRef, Invocation, Passed, Plugin, PluginFuture, blocking};
use crate::control::plugins::storage::mounted::HARMLESS;
use crate::dobby::runtime::LoopMount;
use crate::dobby::spec::MOUNT_FLAGS;
use crate::error::{Error, ErrorKind, Result};

/// Where images are mounted: a directory for each, by number.
const DIR: &str = "storage";
/// The name of the note.
const NOTE: &str = "storage.json";

pub(crate) struct Storage;

/// The data, but for `loopback`: those are [`LoopMount`]s.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default, deserialize_with = "or_default")]
    dynamic: Vec<DynamicMount>,
    #[serde(default, deserialize_with = "or_default")]
    mount_owner: Vec<owner::MountOwner>,
}

/// A mount of what may not exist.
#[derive(Deserialize)]
struct DynamicMount {
    source: PathBuf,
    destination: String,
    /// As in mount(2).
    flags: Option<Whole>,
    #[serde(default, deserialize_with = "or_default")]
    options: Vec<String>,
}

/// What is left to do at the end.
#[derive(Serialize, Deserialize)]
struct StorageNote {
    /// Images that go with the container.
    remove: Vec<PathBuf>,
    /// All images: a daemon that was killed while it attached one on an old kernel left a device that stays.
    #[serde(default)]
    images: Vec<PathBuf>,
}

impl Plugin for Storage {
    fn name(&self) -> &'static str {
        "storage"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        for (n, image) in LoopMount::all(call.data).iter().enumerate() {
            let options = options(image.flags | HARMLESS, &image.source)?;
            let destination = image.destination.to_string_lossy();
            let (source, options) = (&place(&call.container, n), &options[..]);
            Bind { source, destination: inside(&destination)?, options }.add_to(config)?;
        }
        let Data { dynamic, .. } = call.data()?;
        for mount in dynamic.iter().filter(|mount| mount.source.exists()) {
            let source = mount.source.as_path();
            let flags = mount.flags.map_or(0, |Whole(flags)| u32::try_from(flags).unwrap_or(u32::MAX));
            let mut all = options(flags, source)?;
            all.extend(mount.options.iter().map(String::as_str));
            let destination = inside(&mount.destination)?;
            Bind { source, destination, options: &all }.add_to(config)?;
        }
        Ok(())
    }

    fn prepare<'a>(
        &'a self,
        call: &'a Invocation<'a>,
        config: &'a Value,
    ) -> PluginFuture<'a, Option<Passed>> {
        Box::pin(async move {
            let owner = owner::of_process(config);
            let Data { mount_owner, .. } = call.data()?;
            let changes = owner::OwnerChange::all(&mount_owner, owner)?;
            blocking(move || changes.iter().try_for_each(owner::OwnerChange::make)).await?;
            let images = LoopMount::all(call.data);
            remember(&call.container, &images)?;
            for (n, image) in images.into_iter().enumerate() {
                let ready = image::ready(&image).await?;
                let place = place(&call.container, n);
                call.container.dir.allow_traversal()?;
                blocking(move || mounted::mount(&ready, &image, &place, owner)).await?;
            }
            Ok(None)
        })
    }

    fn wants_process(&self, call: &Invocation<'_>) -> bool {
        call.data["loopback"].as_array().is_some_and(|images| !images.is_empty())
    }

    /// The container has its own mounts by now.
    fn create_runtime<'a>(&'a self, call: &'a Invocation<'a>, _pid: i32) -> PluginFuture<'a> {
        let dir = call.container.dir.file(DIR);
        Box::pin(blocking(move || mounted::unmount_all(&dir)))
    }

    fn post_stop<'a>(&'a self, container: &'a ContainerRef<'a>, last: bool) -> PluginFuture<'a> {
        Box::pin(async move {
            let dir = container.dir.file(DIR);
            let Some(StorageNote { remove, images }) = container.dir.note(NOTE)? else { return Ok(()) };
            blocking(move || {
                mounted::unmount_all(&dir)?;
                if !last {
                    return Ok(());
                }
                mounted::remove_all(&dir)?;
                images.iter().map(|image| image::release(image)).fold(Ok(()), Result::and)?;
                remove.iter().map(|image| image::remove(image)).fold(Ok(()), Result::and)
            })
            .await?;
            if last {
                container.dir.discard(NOTE);
            }
            Ok(())
        })
    }
}

/// Where the image of this number is mounted.
fn place(container: &ContainerRef<'_>, number: usize) -> PathBuf {
    container.dir.file(DIR).join(number.to_string())
}

/// Writes down, before anything is done, what is to be undone.
fn remember(container: &ContainerRef<'_>, images: &[LoopMount]) -> Result<()> {
    if images.is_empty() || container.dir.file(NOTE).exists() {
        return Ok(());
    }
    let passing = images.iter().filter(|image| !image.persistent);
    let remove = passing.map(|image| image.source.clone()).collect();
    let images = images.iter().map(|image| image.source.clone()).collect();
    container.dir.write_note(NOTE, &StorageNote { remove, images })
}

/// A place in the container that cannot lead out of it.
fn inside(path: &str) -> Result<&str> {
    if path.starts_with('/') && !path.split('/').any(|part| part == "..") {
        return Ok(path);
    }
    let shown = crate::log::shown(&path.into());
    Err(Error::new(ErrorKind::Config, format!("the destination {shown} is not absolute, or contains '..'")))
}

/// Flags of mount(2) as options of a mount.
fn options(flags: u32, of: &Path) -> Result<Vec<&'static str>> {
    let known = MOUNT_FLAGS.iter().fold(0, |all, (_, flag)| all | flag);
    if flags & !known != 0 {
        let what = format!("flags {flags} of {}: {} is not a flag for it", of.display(), flags & !known);
        return Err(Error::new(ErrorKind::Config, what));
    }
    Ok(MOUNT_FLAGS.iter().filter(|(_, flag)| flags & flag != 0).map(|(name, _)| *name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_options_and_only_harmless_ones() {
        let of = Path::new("/x");
        assert_eq!(
            options(1 | 2 | 4 | 8 | 1024, of).unwrap(),
            ["ro", "nosuid", "nodev", "noexec", "noatime"]
        );
        // MS_BIND, MS_MOVE, MS_REMOUNT, MS_SHARED.
        for flag in [4096, 8192, 32, 1 << 20] {
            assert!(options(flag, of).is_err(), "{flag}");
        }
        assert!(inside("/a/b").is_ok() && inside("a").is_err() && inside("/a/../b").is_err());
    }
}
