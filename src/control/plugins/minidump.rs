//! `minidump`: the form with `paths` is the work of the hook, which the start registers.

use super::Plugin;

pub(super) struct Minidump;

impl Plugin for Minidump {}
