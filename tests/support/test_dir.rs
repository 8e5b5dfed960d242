//! Where tests make what they need.

use std::path::PathBuf;

/// A directory that everybody may pass (the root of a user namespace is nobody special on the way to its container), on a
/// disk, with a short name wherever the checkout lies: podman takes 50 characters for its run root, a Unix socket 107.
/// `OCI_MINIDUMP_TEST_DIR` names another one, without blanks.
pub(crate) fn test_dir() -> PathBuf {
    std::env::var_os("OCI_MINIDUMP_TEST_DIR").map_or_else(|| "/var/tmp".into(), PathBuf::from)
}
