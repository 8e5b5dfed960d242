//! Where tests make what they need.

use std::path::PathBuf;

/// A directory on a disk, with a short name wherever the checkout lies: podman accepts 50 characters for its run root, a
/// Unix socket 107. Every user may pass it, since the root of a user namespace needs to reach its container's files.
/// `OCI_MINIDUMP_TEST_DIR` names another one, without blanks.
pub(crate) fn test_dir() -> PathBuf {
    std::env::var_os("OCI_MINIDUMP_TEST_DIR").map_or_else(|| "/var/tmp".into(), PathBuf::from)
}
