//! The images of containers that run, by the hook's records.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::harvest::running::harvest_running;
use crate::harvest::{Harvest, IfAttached, Job, Owner};
use crate::hook::leftover::owner;
use crate::hook::record::{Liveness, Prepared, Record};
use crate::image::identity::Identity;
use crate::image::lock::LockedImage;
use crate::image::mark::Mark;
use crate::image::read::kernel::Mounted;
use crate::image::read::leased::Stuck;
use crate::image::token::Token;
use crate::settings::admin::Admin;

/// How long one image may be worked on: less than its poststop waits for the lock.
const IMAGE_TIMEOUT: Duration = Duration::from_secs(8);

/// An image of a container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningImage {
    record: Record,
    prepared: Prepared,
}

impl RunningImage {
    /// Those of all containers that run. A record that cannot be understood is an error of its own.
    ///
    /// # Errors
    /// The kernel's, when the records cannot be listed.
    pub fn all(state_dir: &Path) -> Result<Vec<Result<Self>>> {
        let mut images = Vec::new();
        for record in Record::all(state_dir)? {
            match record {
                Ok(record) if record.liveness() == Liveness::Running => {
                    let of =
                        |prepared: &Prepared| Self { record: record.clone(), prepared: prepared.clone() };
                    images.extend(record.paths.iter().map(|prepared| Ok(of(prepared))));
                }
                Ok(_) => {}
                Err(error) => images.push(Err(error)),
            }
        }
        Ok(images)
    }

    /// The id of the container.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.record.id
    }

    /// Where the image lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.prepared.place()
    }

    /// What tells it from every other image. Images of version 0.1 have none.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.prepared.identity?.token
    }

    /// The size that was asked for, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.prepared.plan.imgsize
    }

    /// Publishes the complete dumps in the image and removes them from it; `None` when the container does not use it (any
    /// more). `first` gets the image before anything is looked for in it.
    ///
    /// # Errors
    /// [`Busy`](crate::error::ErrorKind::Busy) when another process works on the image for longer than `lock_timeout`; else
    /// as [`harvest_running`].
    pub fn harvest(
        &self,
        admin: &Admin,
        lock_timeout: Duration,
        stuck: &mut Stuck,
        first: &mut dyn FnMut(&Mounted),
    ) -> Result<Option<Harvest>> {
        let Some(image) = LockedImage::open(self.path(), lock_timeout)? else { return Ok(None) };
        // Looked at once more under the lock: the container may have ended, and another one have got an image of that name.
        if !self.is_ours(image.file())? || self.record.liveness() != Liveness::Running {
            return Ok(None);
        }
        let Some(device) = image.attached(Duration::ZERO)? else { return Ok(None) };
        let fallback = Mark {
            container: Some(self.record.id.clone()),
            app_state: self.record.app_state.clone(),
            destination: Some(self.prepared.plan.host_destination.clone()),
            mount: self.prepared.mount.clone(),
            subject: self.record.subject.clone(),
        };
        let owner = owner(&image, &fallback, admin)?;
        let job = Job {
            destination: owner.destination.as_deref().unwrap_or(&admin.host_destination),
            mount: owner.mount.as_deref(),
            owner: Owner::from(&owner),
            admin,
            if_attached: IfAttached::Publish,
            detach_timeout: Duration::ZERO,
            deadline: Deadline::after(IMAGE_TIMEOUT),
        };
        harvest_running(&image, device, job, stuck, first).map(Some)
    }

    /// Whether a file is the image that was prepared. A record of version 0.1 does not say.
    fn is_ours(&self, image: &File) -> Result<bool> {
        let Some(identity) = self.prepared.identity else { return Ok(false) };
        let within = |e: Error| e.within(self.path().display());
        Ok(Identity::of(image).map_err(within)?.is_same(&identity))
    }
}
