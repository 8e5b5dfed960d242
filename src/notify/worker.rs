//! The worker: takes the entries of the spool in their order, one worker at a time.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::notify::entry::{Dump, Entry, Place, now};
use crate::notify::spool::Spool;
use crate::notify::{mark, pending, post, program, tally};
use crate::settings::admin::Admin;
use crate::settings::notify::Values;

/// The longest pause between two attempts, in seconds.
const MAX_PAUSE: u64 = 3600;
/// How often a dump is tried before its age counts.
const MIN_ATTEMPTS: u32 = 3;

/// Which entries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Those that are due: after a failure there is a pause.
    Due,
    /// All.
    All,
}

/// What a worker did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Dumps that were handed over.
    pub done: usize,
    /// Dumps that wait for another attempt.
    pub left: usize,
    /// Dumps that were given up.
    pub given_up: usize,
    /// Whether another worker is at work.
    pub is_busy: bool,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Left,
    GivenUp,
    /// There is nothing to say about it.
    Gone,
}

/// Hands over what is in the spool, each entry once, and those that come meanwhile. What cannot be handed over is logged and
/// stays, or is given up.
///
/// # Errors
/// The kernel's, when the spool cannot be read.
pub fn work(admin: &Admin, take: Take) -> Result<Work> {
    let mut work = Work::default();
    if !admin.notify.is_on() {
        return Ok(work);
    }
    crate::sys::detach::keep_ended_children();
    pending::flush(admin);
    let spool = Spool::of(admin);
    if !spool.dir().exists() {
        return Ok(work);
    }
    let mut seen = HashSet::new();
    loop {
        tally::count_all(admin, &spool);
        let Some(lock) = spool.lock()? else {
            work.is_busy = true;
            return Ok(work);
        };
        spool.clean();
        for name in spool.names()? {
            if seen.insert(name.clone()) {
                let fate =
                    Working { admin, spool: &spool, name: &name, take }.deal().unwrap_or_else(|error| {
                        log::warn!("{}", error.report());
                        Fate::Left
                    });
                work.add(fate);
            }
        }
        drop(lock);
        // Who wrote an entry after it was looked for, and found the lock taken, has left it to us.
        if spool.names()?.iter().all(|name| seen.contains(name)) {
            return Ok(work);
        }
    }
}

impl Work {
    fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Done => self.done += 1,
            Fate::Left => self.left += 1,
            Fate::GivenUp => self.given_up += 1,
            Fate::Gone => {}
        }
    }
}

/// One entry in work.
struct Working<'a> {
    admin: &'a Admin,
    spool: &'a Spool,
    name: &'a str,
    take: Take,
}

impl Working<'_> {
    fn deal(&self) -> Result<Fate> {
        let entry = match self.spool.read(self.name) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Fate::Gone),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Config) => {
                log::warn!("{}; it is removed", error.report());
                return self.spool.remove(self.name).map(|()| Fate::GivenUp);
            }
            other => other?,
        };
        let mut entry = entry;
        entry.age.look();
        let Some(dump) = entry.dump.clone() else {
            return self.finish(&entry, Fate::Gone);
        };
        let place = dump.look();
        // What is left to be posted may be known without it.
        let needs_file = entry.document.is_none() || entry.is_done(&self.admin.notify);
        if place == Place::Gone && needs_file {
            log::debug!("{} has gone before it was handed over", dump.path.display());
            return self.finish(&entry, Fate::Gone);
        }
        if entry.is_done(&self.admin.notify) {
            return self.finish(&entry, Fate::Gone);
        }
        // One worker after another may have been killed over this entry.
        if entry.attempts >= self.admin.notify.attempts {
            return self.give_up(&entry, &dump, "the last attempt was not seen to its end");
        }
        if self.take == Take::Due && !is_due(&entry) {
            return Ok(Fate::Left);
        }
        entry.attempts += 1;
        self.save(&entry);
        if place == Place::Away && needs_file {
            let what = "its directory is not there, or another one is";
            return self.after(Error::new(ErrorKind::NotFound, what), entry, &dump);
        }
        if place == Place::Taken {
            mark::end_at(&dump.path);
        }
        match self.hand_over(&mut entry, &dump) {
            Ok(()) => self.finish(&entry, Fate::Done),
            Err(error) => self.after(error, entry, &dump),
        }
    }

    /// Removes an entry that has nothing left to do. One that is not counted stays for that.
    fn finish(&self, entry: &Entry, fate: Fate) -> Result<Fate> {
        if self.admin.notify.metrics.is_none() {
            return self.spool.remove(self.name).map(|()| fate);
        }
        let _lock = self.spool.lock_counts()?;
        if self.is_counted(entry) {
            return self.spool.remove(self.name).map(|()| fate);
        }
        self.spool.write(self.name, entry).map(|()| Fate::Left)
    }

    /// Whether an entry was counted, also meanwhile by another worker. Needs the lock of the counts.
    fn is_counted(&self, entry: &Entry) -> bool {
        // One that has gone had nothing left but to be counted.
        entry.counted || self.spool.read(self.name).map_or(true, |now| now.counted)
    }

    /// Does what is left to do, also when a part of it fails.
    fn hand_over(&self, entry: &mut Entry, dump: &Dump) -> Result<()> {
        let (notify, path) = (&self.admin.notify, dump.path.display());
        let time = notify.deadline.duration();
        // Before the program moves the dump.
        let webhook = notify.webhook.as_ref().filter(|_| !entry.posted);
        let document = || entry.document.clone().map_or_else(|| dump.document(), String::into_bytes);
        let webhook = webhook.map(|webhook| (webhook, document()));
        let mut outcome = Ok(());
        if let Some(exec) = notify.exec.as_ref().filter(|_| !entry.ran) {
            let Dump { path: dump_path, container, name, .. } = dump;
            let record = dump.record().map(std::path::PathBuf::as_path);
            let values =
                Values { path: dump_path, record, container: container.as_deref(), name: name.as_deref() };
            match program::run(exec, values, time) {
                Ok(said) => {
                    log::info!("{} has taken {path}: {said}", exec.program().display());
                    entry.ran = true;
                    if let Some((_, document)) = &webhook {
                        entry.document = String::from_utf8(document.clone()).ok();
                        self.save(entry);
                    }
                }
                Err(error) => outcome = Err(error),
            }
        }
        if let Some((webhook, document)) = webhook {
            match post::post(webhook, &document, time) {
                Ok(()) => {
                    log::info!("{webhook} has taken {path}");
                    entry.posted = true;
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    /// An attempt failed: there is another one, or none.
    fn after(&self, error: Error, mut entry: Entry, dump: &Dump) -> Result<Fate> {
        let notify = &self.admin.notify;
        let is_old = entry.attempts >= MIN_ATTEMPTS && entry.age.seconds > notify.keep.seconds;
        if entry.attempts >= notify.attempts || is_old {
            return self.give_up(&entry, dump, &error.report());
        }
        log::warn!("cannot hand over {}, which is tried again: {}", dump.path.display(), error.report());
        let doublings = entry.attempts.saturating_sub(1).min(16);
        let pause = notify.retry.seconds.saturating_mul(1 << doublings).min(MAX_PAUSE);
        entry.not_before = now().saturating_add(pause);
        self.save(&entry);
        Ok(Fate::Left)
    }

    fn give_up(&self, entry: &Entry, dump: &Dump, why: &str) -> Result<Fate> {
        log::error!("{} is not handed over after {} attempts: {why}", dump.path.display(), entry.attempts);
        self.spool.remove(self.name).map(|()| Fate::GivenUp)
    }

    /// Notes how far it has come. A full disk keeps no entry from being handed over.
    fn save(&self, entry: &Entry) {
        let save = || -> Result<()> {
            if self.admin.notify.metrics.is_none() || entry.counted {
                return self.spool.write(self.name, entry);
            }
            let _lock = self.spool.lock_counts()?;
            let counted = self.is_counted(entry);
            self.spool.write(self.name, &Entry { counted, ..entry.clone() })
        };
        save().unwrap_or_else(|error| log::warn!("{}", error.report()));
    }
}

/// Whether an entry is due. A pause that is longer than any comes from a clock that was set.
fn is_due(entry: &Entry) -> bool {
    let now = now();
    entry.not_before <= now || entry.not_before > now.saturating_add(MAX_PAUSE)
}
