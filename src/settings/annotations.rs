//! Annotations, for engines whose users cannot add sections to `config.json` (podman, CRI-O).

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::Result;
use crate::settings::admin::Admin;
use crate::settings::entry::{DEFAULT_IMGSIZE, check_container_path, check_host_path, check_imgsize, wrong};
use crate::settings::{Plan, Plans};

/// The annotation whose presence enables the hook; its value is the containerSource.
pub(super) const KEY: &str = "org.rdk.minidump";

/// The plan that the annotations of container `id` describe.
pub(super) fn plans(annotations: &HashMap<String, String>, id: &str, admin: &Admin) -> Result<Option<Plans>> {
    let Some(source) = annotations.get(KEY) else { return Ok(None) };
    let get = |name: &str| {
        let at = format!("annotation {KEY}.{name}");
        annotations.get(&format!("{KEY}.{name}")).map(|text| (text.as_str(), at))
    };
    let path = |name: &str, default: PathBuf| match get(name) {
        Some((text, at)) => check_host_path(text, name, &at),
        None => Ok(default),
    };
    let imgsize = match get("imgsize") {
        None => DEFAULT_IMGSIZE,
        Some((text, at)) => {
            let size = text.parse().map_err(|_| {
                wrong(
                    format!(
                        "imgsize \"{}\" is not a positive whole number of bytes",
                        crate::log::escape(text)
                    ),
                    &at,
                )
            })?;
            check_imgsize(size, &at)?
        }
    };
    let required = match get("required") {
        None | Some(("false", _)) => false,
        Some(("true", _)) => true,
        Some((text, at)) => {
            return Err(wrong(
                format!("required \"{}\" is not true or false", crate::log::escape(text)),
                &at,
            ));
        }
    };
    let origin = format!("annotation {KEY}");
    let plan = Plan {
        image: path("image", admin.image_dir.join(format!("{id}.img")))?,
        container_source: check_container_path(source, "containerSource", &origin)?,
        host_destination: path("hostDestination", admin.host_destination.clone())?,
        imgsize,
        origin,
    };
    Ok(Some(Plans { required, paths: vec![plan] }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_others_override_and_are_checked() {
        let on = ("org.rdk.minidump", "/d");
        let plans = find(&[
            on,
            ("org.rdk.minidump.image", "/i"),
            ("org.rdk.minidump.hostDestination", "/h"),
            ("org.rdk.minidump.imgsize", "262144"),
            ("org.rdk.minidump.required", "true"),
        ]);
        let plans = plans.unwrap().unwrap();
        assert_eq!((plans.required, plans.paths[0].imgsize), (true, 262_144));
        let cases = [
            (
                ("org.rdk.minidump.image", "i"),
                "image \"i\" is not an absolute path (annotation org.rdk.minidump.image)",
            ),
            (("org.rdk.minidump.imgsize", "8M"), "imgsize \"8M\" is not a positive whole number of bytes"),
            (("org.rdk.minidump.imgsize", "1024"), "imgsize 1024 is below the minimum of 131072 bytes"),
            (("org.rdk.minidump.required", "yes"), "required \"yes\" is not true or false"),
        ];
        for (pair, expected) in cases {
            let error = find(&[on, pair]).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
