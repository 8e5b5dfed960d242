//! The versions of the plugin's interface.

use serde::{Deserialize, Serialize};

use crate::control::State;

/// The version of the plugin's interface that clients are written for. Members of results and events are those of the later
/// one in any case; only the names of states differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Api {
    /// States as `Running`.
    #[default]
    #[serde(rename = "1.0.4")]
    #[value(name = "1.0.4")]
    V1_0_4,
    /// States as `RUNNING`.
    #[serde(rename = "1.0.8")]
    #[value(name = "1.0.8")]
    V1_0_8,
}

impl Api {
    /// The name of a state.
    #[must_use]
    pub fn state(self, state: State) -> String {
        match self {
            Self::V1_0_4 => state.name().to_owned(),
            Self::V1_0_8 => state.name().to_uppercase(),
        }
    }

    /// The last part of the version.
    #[must_use]
    pub fn patch(self) -> u32 {
        match self {
            Self::V1_0_4 => 4,
            Self::V1_0_8 => 8,
        }
    }
}
