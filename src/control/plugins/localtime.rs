//! `localtime`: mounts the host's `/etc/localtime`, and sets `TZ` from the file `setTZ`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::control::plugins::config_edit::{Bind, set_env};
use crate::control::plugins::plugin::{Invocation, Plugin};
use crate::error::{Result, Tried};

/// The link to the file of the time zone.
const LINK: &str = "/etc/localtime";
/// The longest name of a time zone that is read from a file, in bytes.
const MAX_NAME: u64 = 4096;

pub(crate) struct LocalTime;

#[derive(Deserialize)]
struct Data {
    /// Instead of the usual link.
    path: Option<String>,
    /// A file with the name of the time zone.
    #[serde(rename = "setTZ")]
    set_tz: Option<String>,
}

impl Plugin for LocalTime {
    fn name(&self) -> &'static str {
        "localtime"
    }

    /// A mount, where Dobby makes a link: a bundle is never written to, and the file need not be in the container.
    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        let data: Data = call.data()?;
        let link = data.path.as_deref().unwrap_or(LINK);
        let source = Path::new(link).canonicalize().tried(|| format!("cannot find {link}"))?;
        let options = &["ro", "nosuid", "nodev", "noexec"];
        Bind { source: &source, destination: link, options }.add_to(config)?;
        match &data.set_tz {
            Some(file) => set_env(config, &[format!("TZ={}", first_line(file)?)]),
            None => Ok(()),
        }
    }
}

fn first_line(path: &str) -> Result<String> {
    let mut line = String::new();
    let file = File::open(path).tried(|| format!("cannot open {path}"))?;
    BufReader::new(file.take(MAX_NAME)).read_line(&mut line).tried(|| format!("cannot read {path}"))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
