//! The stages of a container's life at which the hook does something (runtime-spec, "Lifecycle").

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before the container's program runs: prestart or createRuntime.
    Prestart,
    /// After the container is gone.
    Poststop,
}

impl Stage {
    /// The stage that a word on the hook's command line names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "prestart" | "createRuntime" => Some(Self::Prestart),
            "poststop" => Some(Self::Poststop),
            _ => None,
        }
    }
}
