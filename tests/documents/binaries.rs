//! The programs that the documents are about.

/// The hook of this build. The static one that `scripts/test` names has the same commands.
pub(crate) const HOOK: &str = env!("CARGO_BIN_EXE_oci-minidump-hook");
/// The program that walks stacks.
pub(crate) const STACK: &str = env!("CARGO_BIN_EXE_oci-minidump-stack");
/// The daemon and its command line.
pub(crate) const OCICONTAINER: &str = env!("CARGO_BIN_EXE_ocicontainer");
