//! `storage`: images mounted in the container, mounts of what may not be there, owners of what is mounted.
//!
//! An image is mounted in the container's own directory of the state directory, from which the runtime binds it into
//! the container, whose root file system only the runtime looks into. As soon as it has done so, that mount goes: from
//! then on the kernel keeps the image mounted for as long as the container lives, and lets go of it by itself.

mod image;
mod mounted;
mod owner;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::mounted::HARMLESS;
use crate::control::plugins::config_edit::Bind;
use crate::control::plugins::plugin::{ContainerRef, Invocation, Plugin, PluginFuture, blocking};
use crate::control::state::container_dir::write_new;
use crate::dobby::runtime::{FLAGS, LoopMount};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::oci::bundle::read_json;

/// Where images are mounted: a directory for each, by number.
const DIR: &str = "storage";
/// The images that go with the container: a list of paths.
const STATE: &str = "storage.json";

pub(crate) struct Storage;

impl Plugin for Storage {
    fn configure(&self, job: &Invocation<'_>, config: &mut Value) -> Result<()> {
        for (n, image) in LoopMount::all(job.data).iter().enumerate() {
            let options = options(image.flags | HARMLESS, &image.source)?;
            let destination = image.destination.to_string_lossy();
            let (source, options) = (&place(&job.site, n), &options[..]);
            Bind { source, destination: inside(&destination)?, options }.add_to(config)?;
        }
        for mount in job.data["dynamic"].as_array().into_iter().flatten() {
            let text = |key: &str| mount[key].as_str().unwrap_or_default();
            let source = Path::new(text("source"));
            if source.exists() {
                let mut all = options(mount["flags"].as_f64().map_or(0, |flags| flags as u32), source)?;
                all.extend(mount["options"].as_array().into_iter().flatten().filter_map(Value::as_str));
                let destination = inside(text("destination"))?;
                Bind { source, destination, options: &all }.add_to(config)?;
            }
        }
        Ok(())
    }

    fn prepare<'a>(
        &'a self,
        job: &'a Invocation<'a>,
        config: &'a Value,
    ) -> PluginFuture<'a, Option<OwnedFd>> {
        Box::pin(async move {
            let owner = owner::of_process(config);
            let requests = owner::Request::all(job.data, owner)?;
            blocking(move || requests.iter().try_for_each(owner::Request::fulfil)).await?;
            let images = LoopMount::all(job.data);
            remember(&job.site, &images)?;
            for (n, image) in images.into_iter().enumerate() {
                let ready = image::ready(&image).await?;
                let place = place(&job.site, n);
                job.site.shelf.let_pass()?;
                blocking(move || mounted::mount(&ready, &image, &place, owner)).await?;
            }
            Ok(None)
        })
    }

    fn wants_process(&self, job: &Invocation<'_>) -> bool {
        job.data["loopback"].as_array().is_some_and(|images| !images.is_empty())
    }

    /// The container has its own mounts by now.
    fn create_runtime<'a>(&'a self, job: &'a Invocation<'a>, _pid: i32) -> PluginFuture<'a> {
        let dir = job.site.shelf.file(DIR);
        Box::pin(blocking(move || mounted::unmount_all(&dir)))
    }

    fn post_stop<'a>(&'a self, site: &'a ContainerRef<'a>, last: bool) -> PluginFuture<'a> {
        Box::pin(async move {
            let (dir, state) = (site.shelf.file(DIR), site.shelf.file(STATE));
            if !state.exists() {
                return Ok(());
            }
            let passing = read_json(&state)?["remove"].clone();
            blocking(move || {
                mounted::unmount_all(&dir)?;
                if !last {
                    return Ok(());
                }
                mounted::remove_all(&dir)?;
                let passing = passing.as_array().into_iter().flatten().filter_map(Value::as_str);
                passing.map(|image| image::remove(Path::new(image))).fold(Ok(()), Result::and)
            })
            .await?;
            if last {
                site.shelf.discard(STATE);
            }
            Ok(())
        })
    }
}

/// Where the image of this number is mounted.
fn place(site: &ContainerRef<'_>, number: usize) -> PathBuf {
    site.shelf.file(DIR).join(number.to_string())
}

/// Writes down, before anything is done, what is to be undone.
fn remember(site: &ContainerRef<'_>, images: &[LoopMount]) -> Result<()> {
    let passing = images.iter().filter(|image| !image.persistent);
    let passing: Vec<_> = passing.map(|image| image.source.to_string_lossy()).collect();
    let state = site.shelf.file(STATE);
    if state.exists() || images.is_empty() {
        return Ok(());
    }
    let text = json!({"remove": passing}).to_string();
    write_new(&state, text.as_bytes()).tried(|| format!("cannot write {}", state.display()))
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
    let known = FLAGS.iter().fold(0, |all, (_, flag)| all | flag);
    if flags & !known != 0 {
        let what = format!("flags {flags} of {}: {} is no flag for it", of.display(), flags & !known);
        return Err(Error::new(ErrorKind::Config, what));
    }
    Ok(FLAGS.iter().filter(|(_, flag)| flags & flag != 0).map(|(name, _)| *name).collect())
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
