//! Annotations, for engines whose users cannot add sections to `config.json` (podman, CRI-O).
//!
//! podman takes them from the manifest of the container's image, too, so that its author chooses them. They can name only
//! what the administrator allows; everything else is refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::host;
use crate::log::{cut, escape};
use crate::settings::admin::{self, Admin};
use crate::settings::backing::Backing;
use crate::settings::entry::{DEFAULT_IMGSIZE, check_container_path, check_host_path, check_imgsize, wrong};
use crate::settings::plan::{Plan, Plans};
use crate::settings::size;

/// The annotation whose presence enables the hook; its value is the containerSource.
pub const KEY: &str = "org.rdk.minidump";

/// What a path in an annotation must lie below.
struct Limit<'a> {
    /// The setting that lists the directories.
    setting: &'static str,
    dirs: &'a [PathBuf],
    /// Whether the path may be such a directory itself.
    itself: bool,
}

/// What both paths must lie below.
struct Limits<'a> {
    images: Limit<'a>,
    destinations: Limit<'a>,
}

impl<'a> Limits<'a> {
    fn of(admin: &'a Admin) -> Self {
        Self {
            images: Limit { setting: "image_dirs", dirs: admin.annotated_image_dirs(), itself: false },
            destinations: Limit {
                setting: "host_destinations",
                dirs: admin.annotated_destinations(),
                itself: true,
            },
        }
    }
}

/// The annotations of a container that are meant for us.
struct Given<'a>(&'a HashMap<String, String>);

impl<'a> Given<'a> {
    /// The value of the annotation `name`, and what messages call it.
    fn get(&self, name: &str) -> Option<(&'a str, String)> {
        let key = format!("{KEY}.{name}");
        let text = self.0.get(&key)?;
        Some((text, format!("annotation {key}")))
    }

    fn path(&self, name: &str, limit: &Limit<'_>, default: impl FnOnce() -> PathBuf) -> Result<PathBuf> {
        self.get(name).map_or_else(|| Ok(default()), |(text, at)| limit.check(text, name, &at))
    }

    fn imgsize(&self, admin: &Admin) -> Result<u64> {
        let Some((text, at)) = self.get("imgsize") else { return Ok(DEFAULT_IMGSIZE) };
        let not_a_size =
            || wrong(format!("imgsize \"{}\" is not a size: {}", cut(&escape(text)), size::ADVICE), &at);
        let size = check_imgsize(size::parse(text).ok_or_else(not_a_size)?, &at)?;
        check_max(size, admin, &at)?;
        Ok(size)
    }

    fn backing(&self) -> Result<Option<Backing>> {
        let Some((text, at)) = self.get("imageBacking") else { return Ok(None) };
        let rule = |rule| wrong(format!("imageBacking \"{}\" {rule}", cut(&escape(text))), &at);
        text.parse().map(Some).map_err(rule)
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None | Some(("false", _)) => Ok(false),
            Some(("true", _)) => Ok(true),
            Some((text, at)) => {
                Err(wrong(format!("{name} \"{}\" is not true or false", cut(&escape(text))), &at))
            }
        }
    }
}

impl Limit<'_> {
    /// `text` as a path that lies where it may, with nothing on the way that leads elsewhere.
    fn check(&self, text: &str, name: &str, at: &str) -> Result<PathBuf> {
        let path = check_host_path(text, name, at)?;
        if text.contains(char::is_control) {
            return Err(wrong(format!("{name} \"{}\" contains a control character", escape(text)), at));
        }
        let is_allowed = |dir: &&PathBuf| path.starts_with(dir) && (self.itself || path != **dir);
        let Some(dir) = self.dirs.iter().find(is_allowed) else {
            return Err(wrong(format!("{name} \"{}\" {}", escape(text), self.rule()), at)
                .advise(advice(&format!("list its directory in {}", self.setting))));
        };
        host::check_below(dir, &path).map_err(|error| error.within(format!("{name} ({at})")))?;
        Ok(path)
    }

    fn rule(&self) -> String {
        if self.dirs.is_empty() {
            return "is refused: annotations may not set it".to_owned();
        }
        let dirs: Vec<String> = self.dirs.iter().map(|dir| dir.display().to_string()).collect();
        format!("lies in none of the directories that annotations may use: {}", dirs.join(", "))
    }
}

impl Admin {
    /// Checks that annotations could ask for a plan with this image (its path and size) and destination. `at` names the
    /// place of both in messages.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Config`] or [`crate::error::ErrorKind::Attack`] naming what is not allowed.
    pub fn check_annotated(&self, image: Option<(&Path, u64)>, destination: &Path, at: &str) -> Result<()> {
        let limits = Limits::of(self);
        if let Some((path, size)) = image {
            limits.images.check(&path.to_string_lossy(), "image", at)?;
            check_max(size, self, at)?;
        }
        limits.destinations.check(&destination.to_string_lossy(), "hostDestination", at).map(drop)
    }
}

fn check_max(size: u64, admin: &Admin, at: &str) -> Result<()> {
    let max = admin.annotations.max_imgsize;
    if size <= max {
        return Ok(());
    }
    let what = format!("imgsize {size} is above the {max} bytes that annotations may ask for");
    Err(wrong(what, at).advise(advice("raise max_imgsize")))
}

fn advice(what: &str) -> String {
    format!("if you trust it, {what}, section [annotations] of the settings ({})", admin::FILE)
}

/// The plan that the annotations of container `id` describe, as far as the administrator allows what they ask for.
pub(super) fn plans(annotations: &HashMap<String, String>, id: &str, admin: &Admin) -> Result<Option<Plans>> {
    let Some(source) = annotations.get(KEY) else { return Ok(None) };
    let given = Given(annotations);
    let Limits { images, destinations } = Limits::of(admin);
    let origin = format!("annotation {KEY}");
    let plan = Plan {
        image: given.path("image", &images, || admin.image_dir.join(format!("{id}.img")))?,
        container_source: check_container_path(source, "containerSource", &origin)?,
        host_destination: given.path("hostDestination", &destinations, || admin.host_destination.clone())?,
        imgsize: given.imgsize(admin)?,
        backing: given.backing()?,
        origin,
    };
    Ok(Some(Plans { required: given.flag("required")?, core: given.flag("core")?, paths: vec![plan] }))
}

/// Whether the annotations ask for minidumps and say `required`, read leniently: it decides how an error in the others
/// is taken.
pub(super) fn required(annotations: &HashMap<String, String>) -> bool {
    annotations.contains_key(KEY) && Given(annotations).flag("required").unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn find(pairs: &[(&str, &str)]) -> Result<Option<Plans>> {
        let annotations = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        plans(&annotations, "c1", &Admin::default())
    }

    #[test]
    fn one_annotation_is_enough() {
        assert_eq!(find(&[("org.rdk.other", "/x")]).unwrap(), None);
        let plans = find(&[("org.rdk.minidump", "/opt/minidumps")]).unwrap().unwrap();
        assert!(!plans.required);
        assert_eq!(plans.paths[0].image, PathBuf::from("/var/lib/oci-minidump/images/c1.img"));
        assert_eq!(plans.paths[0].container_source, PathBuf::from("/opt/minidumps"));
        assert_eq!(plans.paths[0].host_destination, PathBuf::from("/var/lib/oci-minidump/dumps"));
    }

    #[test]
    fn cores_are_asked_for_by_an_annotation_of_their_own() {
        let core = |value: &str| find(&[(KEY, "/d"), ("org.rdk.minidump.core", value)]);
        assert!(core("true").unwrap().unwrap().core && !core("false").unwrap().unwrap().core);
        assert!(!find(&[(KEY, "/d")]).unwrap().unwrap().core);
        assert!(core("yes").unwrap_err().to_string().contains("core \"yes\" is not true or false"));
        assert_eq!(find(&[("org.rdk.minidump.core", "true")]).unwrap(), None);
    }

    #[test]
    fn the_others_override_and_are_checked() {
        let on = ("org.rdk.minidump", "/d");
        let plans = find(&[
            on,
            ("org.rdk.minidump.image", "/var/lib/oci-minidump/images//deep/./i"),
            ("org.rdk.minidump.hostDestination", "/var/lib/oci-minidump/dumps/h/"),
            ("org.rdk.minidump.imgsize", "256K"),
            ("org.rdk.minidump.required", "true"),
        ]);
        let plans = plans.unwrap().unwrap();
        assert_eq!((plans.required, plans.paths[0].imgsize), (true, 262_144));
        assert_eq!(plans.paths[0].image, PathBuf::from("/var/lib/oci-minidump/images/deep/i"));
        assert_eq!(plans.paths[0].host_destination, PathBuf::from("/var/lib/oci-minidump/dumps/h"));
        let cases = [
            (
                ("org.rdk.minidump.image", "i"),
                "image \"i\" is not an absolute path (annotation org.rdk.minidump.image)",
            ),
            (("org.rdk.minidump.imgsize", "8.5M"), "imgsize \"8.5M\" is not a size: write a whole number"),
            (("org.rdk.minidump.imgsize", "1024"), "imgsize 1024 is below the minimum of 131072 bytes"),
            (("org.rdk.minidump.required", "yes"), "required \"yes\" is not true or false"),
        ];
        for (pair, expected) in cases {
            let error = find(&[on, pair]).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    /// The directories of the settings below, and of none of them.
    const ALLOWED: [&str; 2] = ["/nonexistent/a", "/nonexistent/b"];

    fn limited(name: &str, value: &str, dirs: &[&str]) -> Result<PathBuf> {
        let dirs = Some(dirs.iter().map(PathBuf::from).collect());
        let limits = admin::Annotations {
            max_imgsize: DEFAULT_IMGSIZE,
            image_dirs: dirs.clone(),
            host_destinations: dirs,
        };
        let admin = Admin { annotations: limits, ..Admin::default() };
        let pairs = [(KEY.to_owned(), "/d".to_owned()), (format!("{KEY}.{name}"), value.to_owned())];
        let plan = plans(&HashMap::from(pairs), "c1", &admin)?.unwrap().paths.remove(0);
        Ok(if name == "image" { plan.image } else { plan.host_destination })
    }

    #[test]
    fn paths_lie_where_the_administrator_allows() {
        let good = [
            ("image", "/nonexistent/b/x.img", "/nonexistent/b/x.img"),
            ("image", "//nonexistent/./a///x/", "/nonexistent/a/x"),
            ("hostDestination", "/nonexistent/a", "/nonexistent/a"),
            ("hostDestination", "/nonexistent/b/c", "/nonexistent/b/c"),
        ];
        for (name, value, path) in good {
            assert_eq!(limited(name, value, &ALLOWED).unwrap(), PathBuf::from(path), "{name} {value}");
        }
        let bad = [
            ("image", "/etc/nologin"),
            ("image", "/nonexistent/a"),
            ("image", "/nonexistent/ab/x"),
            ("image", "/nonexistent/a/../../etc/x"),
            ("image", "/nonexistent/a/x\n/etc"),
            ("image", "/"),
            ("image", ""),
            ("hostDestination", "/nonexistent"),
            ("hostDestination", "/proc/nowhere"),
            ("hostDestination", "/nonexistent/a/.."),
            ("imgsize", "8388609"),
            ("imgsize", "18446744073709551615"),
            ("imgsize", "18446744073709551616"),
        ];
        for (name, value) in bad {
            let error = limited(name, value, &ALLOWED).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{name} {value}");
            assert!(error.report().contains(&format!("{KEY}.{name}")), "{}", error.report());
        }
    }

    #[test]
    fn a_refusal_names_the_value_and_the_setting() {
        let cases = [
            ("image", "/etc/nologin", "image_dirs"),
            ("hostDestination", "/proc/x", "host_destinations"),
            ("imgsize", "8388609", "max_imgsize"),
        ];
        for (name, value, setting) in cases {
            for dirs in [&ALLOWED[..], &[]] {
                let report = limited(name, value, dirs).unwrap_err().report();
                let words = [value, setting, "[annotations]", "/etc/oci-minidump.toml"];
                assert!(words.iter().all(|word| report.contains(word)), "{report}");
            }
        }
        for name in ["image", "hostDestination"] {
            let error = limited(name, "/nonexistent/a/x", &[]).unwrap_err();
            assert!(error.to_string().contains("may not set it"), "{error}");
        }
    }

    #[test]
    fn required_counts_although_the_rest_is_wrong() {
        let cases = [
            (&[("org.rdk.minidump", "rel"), ("org.rdk.minidump.required", "true")][..], true),
            (&[("org.rdk.minidump", "/d"), ("org.rdk.minidump.required", "1")], false),
            (&[("org.rdk.minidump", "/d")], false),
            (&[("org.rdk.minidump.required", "true")], false),
        ];
        for (pairs, expected) in cases {
            let annotations = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(required(&annotations), expected, "{pairs:?}");
        }
    }
}
