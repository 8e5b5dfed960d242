//! The id of the boot.

/// Where the kernel keeps it (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The most bytes of it that are kept: it has 36.
const MAX_ID: usize = 64;

/// What this boot of the machine is known by; `None` without `/proc`.
#[must_use]
pub fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string(BOOT_ID).ok()?;
    Some(crate::log::shortened(text.trim_end(), MAX_ID).to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_one_id() {
        assert_eq!(boot_id().map(|id| id.len()), Some(36));
        assert_eq!(boot_id(), boot_id());
    }
}
