//! The command line of `scripts/test-vm`.

use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Uml,
    Tcg,
}

/// What images lie on while their containers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    Disk,
    Memory,
}

impl std::fmt::Display for Backing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        })
    }
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) engine: Engine,
    pub(crate) seed: u64,
    /// How many power cuts for each backing.
    pub(crate) cuts: u64,
    /// The backings of images that `cuts` and `cache` look at, in turn.
    pub(crate) backings: Vec<Backing>,
    /// What to run; nothing means everything.
    pub(crate) parts: Vec<String>,
    /// The directory with the guest.
    pub(crate) guest: PathBuf,
}

impl Options {
    pub(crate) fn from_arguments() -> Result<Self, String> {
        let guest =
            std::env::var_os("OCI_MINIDUMP_VM").ok_or("run scripts/test-vm, which makes the guest")?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seed = u64::from(now.subsec_nanos()) % 1_000_000;
        let mut options = Self {
            engine: Engine::Uml,
            seed,
            cuts: 56,
            backings: vec![Backing::Disk, Backing::Memory],
            parts: Vec::new(),
            guest: guest.into(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--engine" => {
                    options.engine = match value()?.as_str() {
                        "uml" => Engine::Uml,
                        "tcg" => Engine::Tcg,
                        other => return Err(format!("there is no engine {other}")),
                    };
                }
                "--backing" => {
                    options.backings = match value()?.as_str() {
                        "disk" => vec![Backing::Disk],
                        "memory" => vec![Backing::Memory],
                        other => return Err(format!("the backing {other} is not known")),
                    };
                }
                "--seed" => options.seed = number(&value()?)?,
                "--cuts" => options.cuts = number(&value()?)?,
                part if crate::PARTS.iter().any(|(name, _)| *name == part) => options.parts.push(word),
                other => return Err(format!("what is {other}? See the top of scripts/test-vm")),
            }
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
