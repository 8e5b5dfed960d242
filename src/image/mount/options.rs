//! What an image is mounted for, and the options that come with that.

use crate::image::mount::label::MountLabel;

/// The options of a mount into which a container writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writable {
    /// ext4's own options.
    pub options: &'static [(&'static str, Option<&'static str>)],
    /// Whether every write waits for the disk (`MS_SYNCHRONOUS`, mount(2)).
    pub sync: bool,
    /// The container's label, where there is SELinux.
    pub label: Option<MountLabel>,
}

impl Writable {
    /// An error never panics the host, whatever the superblock says, and a dump is on the disk a second after it was
    /// written: the journal is committed every second, and holds the data too. Ordered data would not do: only blocks
    /// that are new in a commit go out with it, while Breakpad writes a dump's header last, into a block that may
    /// have been committed without it; that would wait for the kernel's writeback, for half a minute. An image too
    /// small for a journal has no commits; there, every write waits.
    #[must_use]
    pub fn new(journal: bool, label: Option<MountLabel>) -> Self {
        let (options, sync): (&[_], _) = if journal {
            (&[("errors", Some("remount-ro")), ("commit", Some("1")), ("data", Some("journal"))], false)
        } else {
            (&[("errors", Some("remount-ro"))], true)
        };
        Self { options, sync, label }
    }

    /// The options in the form of mount(2).
    #[must_use]
    pub fn data(&self) -> String {
        let words = self.options.iter();
        let words =
            words.map(|(key, value)| value.map_or_else(|| (*key).into(), |value| format!("{key}={value}")));
        words.chain(self.label.as_ref().map(MountLabel::option)).collect::<Vec<String>>().join(",")
    }
}

/// How an image is to be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access<'a> {
    /// For a container that writes its dumps.
    Container(&'a Writable),
    /// To read an image that nobody has mounted.
    Harvest,
    /// To read an image that is still mounted elsewhere, with this label: through the same device, so through the same
    /// superblock.
    HarvestPinned(Option<&'a MountLabel>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_more_option_and_changes_no_other() {
        let label = MountLabel::decide(Some("u:r:t:s0:c1,c2"), || Ok(true)).unwrap();
        let cases = [
            (true, None, "errors=remount-ro,commit=1,data=journal"),
            (false, None, "errors=remount-ro"),
            (true, label.clone(), "errors=remount-ro,commit=1,data=journal,context=\"u:r:t:s0:c1,c2\""),
            (false, label, "errors=remount-ro,context=\"u:r:t:s0:c1,c2\""),
        ];
        for (journal, label, expected) in cases {
            assert_eq!(Writable::new(journal, label).data(), expected);
        }
    }
}
