//! The dumps of containers that run, when a person asks for them.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::harvest::LOCK_TIMEOUT;
use crate::hook::sweep::{Sweep, Swept};
use crate::image::read::leased::Stuck;
use crate::running::images::RunningImage;
use crate::settings::admin::Admin;

/// Brings the complete dumps of the containers with these ids, or of all that run, to the host.
///
/// # Errors
/// [`ErrorKind::NotFound`] when no container of an id runs that has an image; the kernel's, when the records cannot be read.
/// What fails on the way is collected, and the harvest goes on.
pub fn harvest(ids: &[String], admin: &Admin) -> Result<Sweep> {
    let mut sweep = Sweep::default();
    let mut images = Vec::new();
    for image in RunningImage::all(&admin.state_dir)? {
        match image {
            Ok(image) => images.push(image),
            Err(error) => sweep.fail(&error),
        }
    }
    let runs = |id: &&String| images.iter().any(|image| image.container() == id.as_str());
    if let Some(id) = ids.iter().find(|id| !runs(id)) {
        let what =
            format!("no container '{}' runs that has a minidump directory", crate::log::escape(id.as_str()));
        return Err(Error::new(ErrorKind::NotFound, what).advise(
            "give the id as the runtime knows it, of podman's and Docker's containers all 64 digits; if it has ended, \
             'oci-minidump-hook sweep' harvests it",
        ));
    }
    images.retain(|image| ids.is_empty() || ids.iter().any(|id| id == image.container()));
    for image in images {
        add(&mut sweep, &image, admin, LOCK_TIMEOUT);
    }
    Ok(sweep)
}

fn add(sweep: &mut Sweep, image: &RunningImage, admin: &Admin, lock_timeout: Duration) {
    let within = |error: Error| error.within(format!("container {}", image.container()));
    match image.harvest(admin, lock_timeout, &mut Stuck::new(), &mut |_| {}) {
        Ok(None) => {}
        Ok(Some(harvest)) => {
            if let Some(failure) = harvest.failure() {
                sweep.fail(&within(failure));
            }
            sweep.harvested.push(Swept::of(image.path(), image.container(), harvest));
        }
        Err(error) if error.kind() == ErrorKind::Busy => sweep.in_use.push(image.path().to_owned()),
        Err(error) => sweep.fail(&within(error)),
    }
}
