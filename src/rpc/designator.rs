//! How Thunder reads the `method` member: `callsign.version.method@index`.

/// The one interface version there is.
const VERSION: u8 = 1;

/// The parts of a `method` member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Designator<'a> {
    /// The plugin meant; empty when the text names none.
    pub callsign: &'a str,
    /// The interface version asked for.
    pub version: Version,
    /// The method itself; may be empty.
    pub method: &'a str,
    /// What follows the last `@`; only the Controller looks at it.
    pub index: Option<&'a str>,
}

/// The version in a designator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// None given, or the one there is.
    Supported,
    /// A version that does not exist.
    Unsupported,
}

impl Version {
    /// Reads a version of decimal digits. Thunder takes 255 and everything larger for "no version".
    fn read(digits: &str) -> Self {
        match digits.parse::<u8>() {
            Ok(VERSION | u8::MAX) | Err(_) => Self::Supported,
            Ok(_) => Self::Unsupported,
        }
    }
}

impl<'a> Designator<'a> {
    /// Takes `text` apart. Nothing is trimmed and letter case counts.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let (name, index) = match text.rsplit_once('@') {
            Some((name, index)) => (name, Some(index)),
            None => (text, None),
        };
        let (path, method) = name.rsplit_once('.').unwrap_or(("", name));
        let (callsign, version) = split_version(path);
        Self { callsign, version, method, index }
    }
}

/// Takes the version off the end of `callsign.version`, where it is one: the last segment, of digits only.
#[must_use]
pub fn split_version(path: &str) -> (&str, Version) {
    let (callsign, last) = path.rsplit_once('.').unwrap_or(("", path));
    if last.is_empty() || !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return (path, Version::Supported);
    }
    (callsign, Version::read(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn designators_are_taken_apart_as_thunder_does() {
        use Version::{Supported, Unsupported};
        let plugin = "org.rdk.OCIContainer";
        let cases = [
            ("org.rdk.OCIContainer.1.listContainers", plugin, Supported, "listContainers", None),
            ("org.rdk.OCIContainer.01.listContainers", plugin, Supported, "listContainers", None),
            ("org.rdk.OCIContainer.listContainers", plugin, Supported, "listContainers", None),
            ("org.rdk.OCIContainer.1.listContainers@0", plugin, Supported, "listContainers", Some("0")),
            ("org.rdk.OCIContainer.1.listContainers@a.b", plugin, Supported, "listContainers", Some("a.b")),
            ("a.1.b@c@d", "a", Supported, "b@c", Some("d")),
            ("org.rdk.OCIContainer.0.x", plugin, Unsupported, "x", None),
            ("org.rdk.OCIContainer.2.x", plugin, Unsupported, "x", None),
            ("org.rdk.OCIContainer.254.x", plugin, Unsupported, "x", None),
            ("org.rdk.OCIContainer.255.x", plugin, Supported, "x", None),
            ("org.rdk.OCIContainer.999.x", plugin, Supported, "x", None),
            ("org.rdk.OCIContainer.99999999999999999999.x", plugin, Supported, "x", None),
            ("org.rdk.OCIContainer.v1.x", "org.rdk.OCIContainer.v1", Supported, "x", None),
            ("org.rdk.OCIContainer.1.0.x", "org.rdk.OCIContainer.1", Unsupported, "x", None),
            ("org.rdk.OCIContainer..x", "org.rdk.OCIContainer.", Supported, "x", None),
            ("1.listContainers", "", Supported, "listContainers", None),
            ("2.listContainers", "", Unsupported, "listContainers", None),
            ("listContainers", "", Supported, "listContainers", None),
            ("status@org.rdk.OCIContainer", "", Supported, "status", Some("org.rdk.OCIContainer")),
            ("Controller.1.status@x", "Controller", Supported, "status", Some("x")),
            (".", "", Supported, "", None),
            ("", "", Supported, "", None),
            ("@", "", Supported, "", Some("")),
            ("a.", "a", Supported, "", None),
        ];
        for (text, callsign, version, method, index) in cases {
            assert_eq!(Designator::parse(text), Designator { callsign, version, method, index }, "{text}");
        }
    }
}
