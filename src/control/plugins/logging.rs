//! `logging`: sends the output to a file with a limit, to the journal (`journald`), or nowhere (`devnull`).
//!
//! The start opens that place itself, since it does so for every container.

use crate::control::plugins::plugin::Plugin;

pub(crate) struct Logging;

impl Plugin for Logging {
    fn name(&self) -> &'static str {
        "logging"
    }
}
