//! `harvest IMAGE --to DIR`: takes the dumps out of an image by hand.

use std::io::Write;
use std::path::Path;

use crate::command::{say, say_json};
use crate::error::{Error, ErrorKind, Result};
use crate::harvest::{Fate, Harvest, IfMounted, Job, Owner};
use crate::log::escape;
use crate::settings::admin::Admin;

/// Harvests `image` into `destination` and says what it did, for people or as JSON.
///
/// # Errors
/// As [`crate::harvest::harvest`], and [`ErrorKind::Input`] when there is no image.
pub fn harvest(
    image: &Path,
    destination: &Path,
    json: bool,
    admin: &Admin,
    out: &mut impl Write,
) -> Result<()> {
    let job = Job { destination, owner: Owner::default(), admin, if_mounted: IfMounted::Read };
    let harvest = crate::harvest::harvest(image, job)?;
    if harvest.image == Fate::Absent {
        return Err(Error::new(ErrorKind::Input, format!("there is no image {}", image.display())));
    }
    if json {
        return say_json(out, &harvest);
    }
    tell(&harvest, image, out)
}

fn tell(harvest: &Harvest, image: &Path, out: &mut impl Write) -> Result<()> {
    for dump in &harvest.dumps {
        let mut notes = String::new();
        if let Some(why) = &dump.truncated {
            notes.push_str(&format!(", truncated: {}", escape(why)));
        }
        if dump.already {
            notes.push_str(", harvested before");
        }
        say(out, format_args!("{} ({} bytes{notes})", dump.path.display(), dump.size))?;
    }
    for skipped in &harvest.skipped {
        say(out, format_args!("skipped {}: {}", escape(&skipped.name), skipped.reason))?;
    }
    let fate = match harvest.image {
        Fate::Absent => "absent",
        Fate::Removed => "removed",
        Fate::Aside => "damaged, renamed",
        Fate::Kept => "kept",
    };
    say(out, format_args!("image {}: {fate}", image.display()))
}
