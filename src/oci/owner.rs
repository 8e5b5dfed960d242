//! Whose dump it is.

/// The container, and what is known of the app in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner<'a> {
    /// The container's id, when it is known.
    pub container: Option<&'a str>,
    /// The state of the app (`fireboltState`), when somebody said it.
    pub app_state: Option<&'a str>,
}
