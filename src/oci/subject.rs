//! What an engine says of a container in its annotations: names that people know it by.
//!
//! Some engines take annotations from the image, so that all of it may be made up, but for the bundle and the boot.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::log;
use crate::oci::run::Run;
use crate::proc::boot::boot_id;

/// The longest text that is kept, in bytes: names in Kubernetes have 253.
const MAX_TEXT: usize = 256;
/// The longest form as JSON, in bytes. It is kept in an extended attribute beside others, for which ext4 has 4 KiB in all.
const MAX_JSON: usize = 2048;
/// Where names stand: first the kubelet's, which CRI-O passes on, then those of containerd's CRI.
const NAME: [&str; 2] = ["io.kubernetes.container.name", "io.kubernetes.cri.container-name"];
const POD: [&str; 2] = ["io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name"];
const NAMESPACE: [&str; 2] = ["io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace"];
const IMAGE: [&str; 2] = ["io.kubernetes.cri-o.ImageName", "io.kubernetes.cri.image-name"];
const IMAGE_REF: [&str; 2] = ["io.kubernetes.cri-o.ImageRef", "io.kubernetes.cri.image-ref"];

/// What is known of a run of a container. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// The container's name in its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The pod's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The pod's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The image's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The image's digest: `sha256:` and 64 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The bundle directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The id of the boot in which the container ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// What its supervisor says of the run.
    #[serde(flatten)]
    pub run: Run,
}

impl Subject {
    /// What the annotations of a container say that runs now.
    #[must_use]
    pub fn of(annotations: &HashMap<String, String>, bundle: &Path) -> Self {
        let find = |keys: [&str; 2]| {
            let found = keys.into_iter().find_map(|key| annotations.get(key).filter(|text| !text.is_empty()));
            found.map(|text| shortened(text))
        };
        let (image, reference) = (find(IMAGE), find(IMAGE_REF));
        let digest = [&reference, &image].into_iter().find_map(|text| digest(text.as_deref()?));
        Self {
            name: find(NAME),
            pod: find(POD),
            namespace: find(NAMESPACE),
            image,
            digest,
            ..Self::of_bundle(bundle)
        }
    }

    /// What is known of a container of this boot without annotations.
    #[must_use]
    pub fn of_bundle(bundle: &Path) -> Self {
        let bundle = Some(shortened(&bundle.to_string_lossy())).filter(|bundle| !bundle.is_empty());
        Self { bundle, boot: boot_id(), ..Self::default() }
    }

    /// As JSON on one line, at most 2 KiB: names that are longer, for what must be escaped in them, are left out.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        if text.len() <= MAX_JSON {
            return text;
        }
        let Self { bundle, boot, run, .. } = self.clone();
        serde_json::to_string(&Self { bundle, boot, run, ..Self::default() }).unwrap_or_default()
    }

    /// From such a line; each text is bounded again.
    #[must_use]
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let mut subject: Self = serde_json::from_slice(text).ok()?;
        let Self { name, pod, namespace, image, digest, bundle, boot, run: _ } = &mut subject;
        for text in [name, pod, namespace, image, digest, bundle, boot].into_iter().flatten() {
            *text = shortened(text);
        }
        Some(subject)
    }
}

/// The beginning of a text.
fn shortened(text: &str) -> String {
    log::shortened(text, MAX_TEXT).to_owned()
}

/// The digest in `name@sha256:...`, or `sha256:...` alone. An id of an image in another form is not one.
fn digest(text: &str) -> Option<String> {
    let digest = text.rsplit('@').next()?;
    let hex = digest.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| digest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control character has six bytes in JSON.
    #[test]
    fn texts_that_grow_when_they_are_escaped_cost_neither_bundle_nor_boot() {
        for (character, is_kept) in [("n", true), ("\u{1}", false), ("\"", true)] {
            let hostile = character.repeat(300);
            let keys = [NAME[0], POD[0], NAMESPACE[0]];
            let annotations = keys.into_iter().map(|key| (key.to_owned(), hostile.clone())).collect();
            let subject = Subject::of(&annotations, Path::new("/bundles/app"));
            let text = subject.to_json();
            assert!(text.len() <= MAX_JSON, "{} bytes", text.len());
            let read = Subject::from_json(text.as_bytes()).unwrap();
            assert_eq!((read.bundle.as_deref(), read.boot.is_some()), (Some("/bundles/app"), true));
            assert_eq!(read == subject, is_kept, "{character:?}");
        }
    }

    fn of(pairs: &[(&str, &str)]) -> Subject {
        let annotations = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Subject::of(&annotations, Path::new("/b"))
    }

    #[test]
    fn names_are_found_in_the_annotations_of_every_engine() {
        let hex = "0123456789abcdef".repeat(4);
        let crio = of(&[
            ("io.kubernetes.container.name", "web"),
            ("io.kubernetes.pod.name", "web-1"),
            ("io.kubernetes.pod.namespace", "shop"),
            ("io.kubernetes.cri-o.ImageName", "example.com/web:1"),
            ("io.kubernetes.cri-o.ImageRef", &format!("example.com/web@sha256:{hex}")),
        ]);
        let containerd = of(&[
            ("io.kubernetes.cri.container-name", "web"),
            ("io.kubernetes.cri.sandbox-name", "web-1"),
            ("io.kubernetes.cri.sandbox-namespace", "shop"),
            ("io.kubernetes.cri.image-name", "example.com/web:1"),
            ("io.kubernetes.cri.image-ref", &format!("sha256:{hex}")),
        ]);
        assert_eq!(crio, containerd);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((crio.name, crio.pod, crio.namespace), (text("web"), text("web-1"), text("shop")));
        assert_eq!((crio.image, crio.bundle), (text("example.com/web:1"), text("/b")));
        assert_eq!(crio.digest, Some(format!("sha256:{hex}")));
        assert_eq!(crio.boot.unwrap().len(), 36);
    }

    #[test]
    fn what_is_not_said_is_absent_and_what_is_hostile_bounded() {
        let none = of(&[("io.container.manager", "libpod"), ("io.kubernetes.pod.name", "")]);
        assert_eq!((none.name, none.pod, none.image, none.digest), (None, None, None, None));
        for reference in ["sha256:12", "f00d", "a@sha512:00", &format!("sha256:{}", "z".repeat(64))] {
            assert_eq!(of(&[("io.kubernetes.cri-o.ImageRef", reference)]).digest, None, "{reference}");
        }
        let long = of(&[("io.kubernetes.pod.name", &"\u{e9}\"\n\u{202e}".repeat(100_000))]);
        assert!(long.pod.as_ref().unwrap().len() <= MAX_TEXT);
        let long = Subject { name: Some("x".repeat(1000)), ..long };
        let read = Subject::from_json(long.to_json().as_bytes()).unwrap();
        assert_eq!((read.pod, read.name), (long.pod, Some("x".repeat(MAX_TEXT))));
        for text in [&b"\xff"[..], b"", b"[1]", b"{\"pod\": 3}", b"{"] {
            assert_eq!(Subject::from_json(text), None);
        }
    }
}
