//! Harvests the dumps of containers that run, each as soon as it is complete. Idle, it makes no system call: it waits for
//! the kernel to say that a container has come or gone, or that a file in an image was closed.
//!
//! Every look at an image first watches its directories and then looks into them, so that nothing comes in between. It can
//! be killed at any moment: what was not removed from an image is harvested again, under the same name, or by poststop.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::hook::sweep::Swept;
use crate::host;
use crate::image::read::leased::Stuck;
use crate::image::token::Token;
use crate::running::directories::Directories;
use crate::running::images::RunningImage;
use crate::running::pace::{Outcome, Pace};
use crate::settings::admin::Admin;

/// How long the records are left alone after they were read.
const RECORDS_PAUSE: Duration = Duration::from_millis(50);

/// An image under watch.
#[derive(Debug)]
struct Watched {
    image: RunningImage,
    pace: Pace,
    stuck: Stuck,
    /// The last failure, so that it is logged once.
    said: Option<String>,
}

/// The images under watch. Those of version 0.1, without a token, are left to poststop.
struct Watch<'a> {
    admin: &'a Admin,
    directories: Directories,
    images: HashMap<Token, Watched>,
    records_due: Option<Instant>,
}

/// Harvests the images of containers that run, those that run now and those that come, and calls `each` for what was in
/// them. Ends only with an error.
///
/// # Errors
/// Those of `each`; the kernel's, when nothing can be watched.
pub fn watch(admin: &Admin, mut each: impl FnMut(&Swept) -> Result<()>) -> Result<()> {
    // Made only here: whatever removes it later may be removing everything, and what starts us does so again.
    host::make_dir(&admin.state_dir, 0o700)?;
    let now = Instant::now();
    let directories = Directories::new()?;
    let mut watch = Watch { admin, directories, images: HashMap::new(), records_due: Some(now) };
    loop {
        watch.look_at_records()?;
        if let Some(token) = watch.next_image()
            && let Some(swept) = watch.look_at(token)
        {
            each(&swept)?;
        }
        // Not at all when another image is due.
        watch.wait()?;
    }
}

impl Watch<'_> {
    /// Finds the containers that have come, and forgets those that have gone.
    fn look_at_records(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.records_due.is_none_or(|due| due > now) {
            return Ok(());
        }
        self.records_due = None;
        if !self.directories.has_records() {
            self.directories.watch_records(&self.admin.state_dir)?;
        }
        let mut gone: Vec<Token> = self.images.keys().copied().collect();
        // A record that cannot be understood is for `sweep` to complain about.
        for image in RunningImage::all(&self.admin.state_dir)?.into_iter().flatten() {
            let Some(token) = image.token() else { continue };
            gone.retain(|other| *other != token);
            self.images.entry(token).or_insert_with(|| Watched {
                pace: Pace::new(image.size(), now),
                image,
                stuck: Stuck::new(),
                said: None,
            });
        }
        gone.into_iter().for_each(|token| self.forget(token));
        Ok(())
    }

    fn forget(&mut self, token: Token) {
        self.images.remove(&token);
        self.directories.forget(token);
    }

    /// The image that is due for longest.
    fn next_image(&self) -> Option<Token> {
        let now = Instant::now();
        let due = self.images.iter().filter_map(|(token, watched)| Some((watched.pace.due()?, *token)));
        due.filter(|(due, _)| *due <= now).min_by_key(|(due, _)| *due).map(|(_, token)| token)
    }

    /// Looks at an image; gives what was in it, if anything.
    fn look_at(&mut self, token: Token) -> Option<Swept> {
        let begin = Instant::now();
        let watched = self.images.get_mut(&token)?;
        let mut unwatched = None;
        let directories = &mut self.directories;
        let result = watched.image.harvest(self.admin, Duration::ZERO, &mut watched.stuck, &mut |mounted| {
            unwatched = directories.watch_image(token, mounted).err();
        });
        let (harvest, outcome) = match result {
            Ok(None) => {
                self.forget(token);
                return None;
            }
            // Without a watch, it is looked at again after a while.
            Ok(Some(harvest)) => {
                let failure = harvest.failure().or(unwatched);
                (Some(harvest), watched.say(failure.as_ref()))
            }
            Err(error) if error.kind() == ErrorKind::Busy => (None, Outcome::Busy),
            Err(error) => (None, watched.say(Some(&error))),
        };
        let taken = harvest.iter().flat_map(|harvest| &harvest.dumps).map(|dump| dump.size).sum();
        watched.pace.looked((begin, Instant::now()), taken, outcome);
        let harvest = harvest.filter(|harvest| !harvest.dumps.is_empty())?;
        Some(Swept::of(watched.image.path(), watched.image.container(), harvest))
    }

    /// Waits for something to happen.
    fn wait(&mut self) -> Result<()> {
        let due = self.images.values().filter_map(|watched| watched.pace.due());
        let changes = self.directories.wait(due.chain(self.records_due).min())?;
        let now = Instant::now();
        if changes.records {
            self.records_due = Some(self.records_due.unwrap_or(now + RECORDS_PAUSE));
        }
        for token in changes.images {
            if let Some(watched) = self.images.get_mut(&token) {
                watched.pace.stir(now);
            }
        }
        Ok(())
    }
}

impl Watched {
    /// Logs a failure, unless it was the last thing that was said of this image.
    fn say(&mut self, failure: Option<&Error>) -> Outcome {
        let report = failure.map(Error::report);
        if let Some(report) = &report
            && self.said.as_ref() != Some(report)
        {
            log::warn!("container {}: {report}", self.image.container());
        }
        self.said = report;
        if failure.is_some() { Outcome::Failed } else { Outcome::Done }
    }
}
