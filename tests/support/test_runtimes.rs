//! The runtimes that the tests drive.

/// crun and runc, or those that `OCI_RUNTIMES` names, by name or path, with colons between them as in `PATH`.
pub(crate) fn runtimes() -> Vec<&'static str> {
    static NAMES: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let names =
        NAMES.get_or_init(|| std::env::var("OCI_RUNTIMES").unwrap_or_else(|_| "crun:runc".to_owned()));
    names.split(':').collect()
}
