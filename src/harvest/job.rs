//! What a harvest is about: which dumps, of which container, and where they go.

use std::path::Path;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::image::mark::Mark;
use crate::oci::subject::Subject;
use crate::settings::admin::Admin;

/// The container, and what is known of the app in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner<'a> {
    /// The container's id, when it is known.
    pub container: Option<&'a str>,
    /// The state of the app (`fireboltState`), when somebody said it.
    pub app_state: Option<&'a str>,
    /// What the engine says of the container, when crash records are kept.
    pub subject: Option<&'a Subject>,
}

impl<'a> From<&'a Mark> for Owner<'a> {
    fn from(mark: &'a Mark) -> Self {
        let Mark { container, app_state, subject, .. } = mark;
        Self { container: container.as_deref(), app_state: app_state.as_deref(), subject: subject.as_ref() }
    }
}

/// What to harvest, whose it is and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The directory on the host for the dumps.
    pub destination: &'a Path,
    /// Where its file system must be mounted: else the dumps would go where a later mount hides them.
    pub mount: Option<&'a Path>,
    /// Whose dumps they are.
    pub owner: Owner<'a>,
    /// The administrator's settings.
    pub admin: &'a Admin,
    /// What to do with an image that is attached to a loop device.
    pub if_attached: IfAttached,
    /// How long a loop device may take to go after its container.
    pub detach_timeout: Duration,
    /// When reading must have ended.
    pub deadline: Deadline,
}

/// What to do with an image that is attached to a loop device, so that somebody may still write to it. It is kept in any
/// case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfAttached {
    /// Refuse: a container may be using it.
    Refuse,
    /// Publish the dumps that are complete.
    Publish,
}
