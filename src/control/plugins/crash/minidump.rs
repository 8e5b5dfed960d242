//! `minidump`: with `destinationPath`, the program writes its dump, of at most 64 MiB, to the descriptor
//! `$BREAKPAD_FD`; when it ends, the dump is published there as `ID<#=#>[STATE<#=#>]TIME.dmp`, even if the daemon
//! died in the meantime. With `paths`, oci-minidump-hook(1) does the work.
//!
//! The form with `paths` is the work of the hook, which the start registers.
//!
//! Dobby hands over a memfd and keeps a descriptor of it, so that a dump dies with the daemon. Here the file has a
//! name in the container's own directory, where the next daemon finds it. It lies on a tmpfs of its own: in memory, and
//! accounted to the container, as a memfd is; but a container can fill that, and nothing of the host's.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::bundle::hook;
use crate::control::model::state::ExitStatus;
use crate::control::plugins::config_edit;
use crate::control::plugins::plugin::{
    ContainerRef, Invocation, Passed, Plugin, PluginFuture, blocking, unmount,
};
use crate::control::state::container_dir::{ContainerDir, DUMPS};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest;
use crate::harvest::take::published::Published;
use crate::harvest::take::{Bounds, take};
use crate::harvest::{IfAttached, Owner};
use crate::image::read::files::{Candidate, ImageFiles, Kind, Listing, Place, Time, pump};
use crate::notify::start;
use crate::settings::admin;
use crate::settings::admin::{Admin, Naming};

/// Where the tmpfs is mounted.
const DIR: &str = "minidump";
/// The file in it.
const FILE: &str = "dump";
/// The name of the note.
const NOTE: &str = "minidump.json";
/// The most bytes of a dump: large ones of apps have some 20 MiB.
const MAX_DUMP: u64 = 64 << 20;

pub(crate) struct Minidump;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// Where the dump goes on the host; absent in the form with `paths`.
    destination_path: Option<PathBuf>,
}

/// What is left to do at the end.
#[derive(Serialize, Deserialize)]
struct DumpNote {
    /// Where the dump goes.
    destination: PathBuf,
    /// The state of the app, for the name of the dump.
    #[serde(rename = "state")]
    app_state: Option<String>,
}

impl Plugin for Minidump {
    fn name(&self) -> &'static str {
        "minidump"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        let Some(path) = destination(call)? else { return Ok(()) };
        if !path.is_absolute() {
            let what = format!("data.destinationPath {} is not an absolute path", path.display());
            return Err(Error::new(ErrorKind::Config, what));
        }
        config_edit::set_env(config, &[format!("BREAKPAD_FD={}", call.descriptor)])
    }

    fn prepare<'a>(
        &'a self,
        call: &'a Invocation<'a>,
        config: &'a Value,
    ) -> PluginFuture<'a, Option<Passed>> {
        Box::pin(async move {
            let Some(path) = destination(call)? else { return Ok(None) };
            let app_state = config["annotations"]["fireboltState"].as_str().map(str::to_owned);
            let note = DumpNote { destination: path, app_state };
            let container_dir = call.container.dir.clone();
            blocking(move || open_new(&container_dir, &note)).await.map(|file| Some(Passed::File(file)))
        })
    }

    fn post_halt<'a>(&'a self, container: &'a ContainerRef<'a>, _exit: ExitStatus) -> PluginFuture<'a> {
        let (id, container_dir) = (container.id.to_string(), container.dir.clone());
        Box::pin(async move {
            let file = container_dir.file(DIR).join(FILE);
            if !file.exists() {
                return Ok(());
            }
            blocking(move || {
                let missing = || Error::new(ErrorKind::Corrupt, format!("the note {NOTE} is missing"));
                let note = container_dir.note(NOTE)?.ok_or_else(missing)?;
                let harvested = publish_dump(&file, &id, &note, &container_dir);
                // The next run's is a new one, also when this one could not be published.
                std::fs::remove_file(&file).tried(|| format!("cannot remove {}", file.display()))?;
                harvested
            })
            .await
        })
    }

    fn post_stop<'a>(&'a self, container: &'a ContainerRef<'a>, last: bool) -> PluginFuture<'a> {
        let container_dir = container.dir.clone();
        Box::pin(async move {
            if last && container_dir.file(NOTE).exists() {
                blocking(move || take_away(&container_dir)).await
            } else {
                Ok(())
            }
        })
    }
}

fn destination(call: &Invocation<'_>) -> Result<Option<PathBuf>> {
    let Data { destination_path } = call.data()?;
    Ok(destination_path)
}

/// Makes the file for a run. The program may open it again by `/proc/self/fd`, as with a memfd; no other process
/// gets through to it.
fn open_new(container_dir: &ContainerDir, note: &DumpNote) -> Result<OwnedFd> {
    let dir = container_dir.file(DIR);
    if !container_dir.file(NOTE).exists() {
        container_dir.write_note(NOTE, note)?;
        let what = || format!("cannot mount a tmpfs on {}", dir.display());
        DirBuilder::new().mode(0o700).create(&dir).tried(what)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let options = format!("size={MAX_DUMP},nr_inodes=16,mode=700");
        mount(Some("minidump"), &dir, Some("tmpfs"), flags, Some(options.as_str()))
            .map_err(std::io::Error::from)
            .tried(what)?;
    }
    let file = dir.join(FILE);
    let what = || format!("cannot make {}", file.display());
    let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&file);
    let opened = opened.tried(what)?;
    opened.set_permissions(Permissions::from_mode(0o666)).tried(what)?;
    Ok(opened.into())
}

/// Publishes the dump of a run, if there is one: where it is wanted, else where dumps go by default, else beside the
/// directories of the containers.
fn publish_dump(path: &Path, id: &str, note: &DumpNote, container_dir: &ContainerDir) -> Result<()> {
    let what = || format!("cannot read {}", path.display());
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).tried(what)?;
    if file.metadata().tried(what)?.len() == 0 {
        return Ok(());
    }
    let mut admin = Admin::load(Path::new(admin::FILE)).unwrap_or_else(|error| {
        log::warn!("{}; the defaults are used", error.report());
        Admin::cautious()
    });
    admin.naming = Naming::Rdk;
    let owner = Owner { container: Some(id), app_state: note.app_state.as_deref(), subject: None };
    let publish = |destination: &Path| {
        let (detach_timeout, deadline) = (Duration::ZERO, Deadline::NONE);
        let if_attached = IfAttached::Refuse;
        let (admin, mount) = (&admin, None);
        let job = harvest::Job { destination, mount, owner, admin, if_attached, detach_timeout, deadline };
        let bounds = Bounds { budget: MAX_DUMP, deadline, is_mounted: false };
        let taken = take(&mut OneFile(&file), job, bounds, &Published::default())?;
        taken.failures.into_iter().next().map_or(Ok(()), Err)
    };
    let last = container_dir.path().with_file_name(DUMPS);
    let mut done = publish(&note.destination);
    for spare in [&admin.host_destination, &last] {
        let Err(error) = &done else { break };
        log::error!("container {id}: {}; its dump goes to {}", error.report(), spare.display());
        done = publish(spare);
    }
    if let Some(hook) = hook::find(None) {
        start::start(&admin, &hook, Path::new(admin::FILE));
    }
    done
}

/// The file as the harvest sees an image.
struct OneFile<'a>(&'a File);

impl ImageFiles for OneFile<'_> {
    fn list(&mut self, _deadline: Deadline) -> Result<Listing> {
        let metadata = self.0.metadata().tried(|| "cannot inspect the dump")?;
        let nanoseconds = metadata.mtime_nsec().try_into().unwrap_or_default();
        let modified = Time { seconds: metadata.mtime(), nanoseconds };
        let kind = Kind::Regular { size: metadata.len(), modified };
        let place = Place { dir: Vec::new(), name: b"BREAKPAD_FD.dmp".to_vec() };
        let candidates = vec![Candidate { place, inode: metadata.ino(), kind, meta: None }];
        Ok(Listing { candidates, ..Listing::default() })
    }

    fn head(&mut self, _dump: &Place) -> Result<Vec<u8>> {
        let mut head = vec![0; 4];
        let count = self.0.read_at(&mut head, 0).tried(|| "cannot read the dump")?;
        head.truncate(count);
        Ok(head)
    }

    fn copy(&mut self, _dump: &Place, limit: u64, target: &File, deadline: Deadline) -> Result<u64> {
        let mut at = 0;
        pump(target, limit, deadline, |chunk| {
            let count = self.0.read_at(chunk, at).tried(|| "cannot read the dump")?;
            at += u64::try_from(count).unwrap_or(u64::MAX);
            Ok(count)
        })
    }
}

/// Takes the tmpfs away.
fn take_away(container_dir: &ContainerDir) -> Result<()> {
    let dir = container_dir.file(DIR);
    unmount(&dir)?;
    match std::fs::remove_dir(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).tried(|| format!("cannot remove {}", dir.display()));
        }
        _ => {}
    }
    container_dir.discard(NOTE);
    Ok(())
}
