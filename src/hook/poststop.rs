//! poststop: the dumps are taken out of the images of a container that has ended.

use std::path::Path;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::Result;
use crate::harvest::LOCK_TIMEOUT;
use crate::hook::leftover::Terms;
use crate::hook::options::{Options, plans};
use crate::hook::previous::harvest_waiting;
use crate::hook::record::Record;
use crate::hook::settle::{Settled, settle};
use crate::image::mark::Mark;
use crate::oci::run::Run;
use crate::oci::state::State;
use crate::settings::admin::Admin;

/// How long all of it may take; `add` registers the hook with a timeout of 60 seconds.
const POSTSTOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a loop device may take to go after its container.
const DETACH_TIMEOUT: Duration = Duration::from_secs(2);

/// Harvests every image of the container. What was really prepared is known from the records of its runs; without one (a
/// reboot, another tool), the configuration says.
///
/// # Errors
/// None of a wrong configuration, by which nothing was prepared; otherwise the author of the annotations would decide that
/// the container cannot be deleted (youki). A harvest that fails is logged; the image stays, and the next start or `sweep`
/// tries again.
pub fn poststop(options: &Options, state: &State, dir: &Path, admin: &Admin) -> Result<()> {
    let deadline = Deadline::after(POSTSTOP_TIMEOUT);
    let terms = Terms { admin, lock_timeout: LOCK_TIMEOUT, detach_timeout: DETACH_TIMEOUT, deadline };
    let records = Record::of(&admin.state_dir, &state.id, dir).unwrap_or_else(|error| vec![Err(error)]);
    if !records.iter().any(Result::is_ok) {
        report(state, &without_record(options, state, dir, &terms));
    }
    for mut record in records {
        if let Ok(Record { subject: Some(subject), init, .. }) = &mut record
            && let Some(run) = Run::that_ended(dir, *init)
        {
            subject.run = run;
        }
        let images =
            record.iter().flat_map(|record| &record.paths).map(|prepared| prepared.plan.image.clone());
        let images: Vec<_> = images.collect();
        report(state, &record.map_or_else(Settled::failed, |record| settle(&record, &terms)));
        images.iter().for_each(|image| harvest_waiting(image, admin));
    }
    Record::remove_unfinished(&admin.state_dir, &state.id, dir);
    Ok(())
}

/// Harvests what the configuration names, as far as it belongs to the container.
fn without_record(options: &Options, state: &State, dir: &Path, terms: &Terms<'_>) -> Settled {
    // The bundle may be gone by now; annotations and the hook's own file do without it.
    let bundle = options.bundle(dir);
    let plans = plans(options, state, bundle.as_ref().ok(), terms.admin).unwrap_or_else(|error| {
        log::warn!("container {}: nothing to harvest: {}", state.id, error.report());
        None
    });
    if let (None, Err(error)) = (&plans, bundle) {
        // Nothing was prepared here, or it was before a reboot. Failing would keep youki from ever deleting it.
        log::warn!("container {}: nothing to harvest: {}", state.id, error.report());
    }
    let mut settled = Settled::default();
    for plan in plans.into_iter().flat_map(|plans| plans.paths) {
        let mark = Mark {
            container: Some(state.id.clone()),
            app_state: state.app_state().map(str::to_owned),
            destination: Some(plan.host_destination),
            ..Mark::default()
        };
        settled.harvest_all(&plan.image, &mark, terms);
        harvest_waiting(&plan.image, terms.admin);
    }
    settled
}

fn report(state: &State, settled: &Settled) {
    for path in &settled.in_use {
        log::info!("container {}: the image {} is in use and is left alone", state.id, path.display());
    }
    for error in &settled.failures {
        log::error!("container {}: {}; the image is kept for the next harvest", state.id, error.report());
    }
}
