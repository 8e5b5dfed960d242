//! `logging`: where the output goes. The start opens that place itself, since it does so for every container.

use super::Plugin;

pub(super) struct Logging;

impl Plugin for Logging {}
