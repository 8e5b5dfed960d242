//! `logging`: where the output goes. The start opens that place itself, since it does so for every container.

use crate::control::plugins::plugin::Plugin;

pub(crate) struct Logging;

impl Plugin for Logging {
    fn name(&self) -> &'static str {
        "logging"
    }
}
