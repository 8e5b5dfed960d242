//! The figures of one container.

/// The figures of one container; `None` where the kernel has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// CPU time used on each CPU, in nanoseconds.
    pub(crate) percpu: Option<Vec<u64>>,
    /// CPU time used, in nanoseconds.
    pub(crate) total: Option<u64>,
    /// How often the memory limit was hit.
    pub(crate) failcnt: Option<u64>,
    /// The memory limit in bytes; -1 for none.
    pub(crate) limit: Option<i64>,
    /// The most memory ever used, in bytes.
    pub(crate) max: Option<u64>,
    /// Memory in use, in bytes.
    pub(crate) usage: Option<u64>,
}

/// A number alone in a file.
pub(crate) fn number(text: Option<String>) -> Option<u64> {
    text?.trim().parse().ok()
}
