//! `rdkPlugins.minidump` of a `config.json`: the form of Dobby's minidump plugin (the seed).

use serde_json::Value;

use crate::error::Result;
use crate::log::shown;
use crate::settings::entry::{backing, check_container_path, host_path, imgsize, wrong};
use crate::settings::plan::{PLUGIN, Plan, Plans};

/// The plans in the `rdkPlugins` section of a configuration.
pub(super) fn from_config(config: &Value) -> Result<Option<Plans>> {
    let at = "rdkPlugins";
    let Some(plugins) = config.get(at).filter(|plugins| !plugins.is_null()) else { return Ok(None) };
    let plugins = plugins.as_object().ok_or_else(|| wrong("rdkPlugins is not an object", at))?;
    let at = "rdkPlugins.minidump";
    match plugins.get(PLUGIN) {
        None | Some(Value::Null) => Ok(None),
        Some(section) => from_section(section, at),
    }
}

/// The plans of a `minidump` section, which stands at `at`.
pub(super) fn from_section(section: &Value, at: &str) -> Result<Option<Plans>> {
    if !section.is_object() {
        return Err(wrong("minidump is not an object", at));
    }
    let required = flag(section, "required", at)?;
    match section.get("data") {
        None | Some(Value::Null) => Ok(None),
        Some(data) => from_data(data, &format!("{at}.data"), required),
    }
}

/// The member `key` of `object`, false when there is none.
fn flag(object: &Value, key: &str, at: &str) -> Result<bool> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(wrong(format!("{key} {} is not true or false", shown(other)), at)),
    }
}

/// The plans of a `data` object.
pub(super) fn from_data(data: &Value, at: &str, required: bool) -> Result<Option<Plans>> {
    if !data.is_object() {
        return Err(wrong(format!("{} is not an object", shown(data)), at));
    }
    let core = flag(data, "core", at)?;
    let at = format!("{at}.paths");
    let paths = match data.get("paths") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(paths)) => paths,
        Some(other) => return Err(wrong(format!("paths {} is not an array", shown(other)), &at)),
    };
    let paths = paths
        .iter()
        .enumerate()
        .map(|(n, entry)| plan(entry, format!("{at}[{n}]")))
        .collect::<Result<Vec<Plan>>>()?;
    Ok(if paths.is_empty() { None } else { Some(Plans { required, core, paths }) })
}

fn plan(entry: &Value, at: String) -> Result<Plan> {
    if !entry.is_object() {
        return Err(wrong(format!("{} is not an object", shown(entry)), &at));
    }
    let source = host_path(entry, "containerSource", &at)?;
    let source_at = format!("{at}.containerSource");
    Ok(Plan {
        image: host_path(entry, "image", &at)?,
        container_source: check_container_path(&source.to_string_lossy(), "containerSource", &source_at)?,
        host_destination: host_path(entry, "hostDestination", &at)?,
        imgsize: imgsize(entry, &at)?,
        backing: backing(entry, &at)?,
        origin: at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::admin::Admin;
    use crate::settings::plan::Sources;
    use serde_json::json;

    fn find(minidump: &Value) -> Result<Option<Plans>> {
        let config = json!({"rdkPlugins": {"other": {}, "minidump": minidump}});
        Plans::find(Sources { file: None, annotations: None, config: Some(&config) }, &Admin::default())
    }

    fn with_paths(paths: &Value) -> Value {
        json!({"required": true, "data": {"paths": paths}})
    }

    #[test]
    fn the_seeds_example_is_understood() {
        let entry = json!({"image": "/tmp/data/data.img", "containerSource": "/opt/minidumps",
            "hostDestination": "/opt/minidumps/"});
        let plans = find(&with_paths(&json!([entry]))).unwrap().unwrap();
        assert!(plans.required && !plans.core);
        assert_eq!(
            plans.paths,
            [Plan {
                image: "/tmp/data/data.img".into(),
                container_source: "/opt/minidumps".into(),
                host_destination: "/opt/minidumps".into(),
                imgsize: 8_388_608,
                backing: None,
                origin: "rdkPlugins.minidump.data.paths[0]".into(),
            }]
        );
    }

    #[test]
    fn cores_are_asked_for_beside_the_paths() {
        let entry = json!({"image": "/i", "containerSource": "/c", "hostDestination": "/h"});
        for (core, expected) in [(json!(true), true), (json!(false), false), (json!(null), false)] {
            let plans = find(&json!({"data": {"core": core, "paths": [entry]}})).unwrap().unwrap();
            assert_eq!(plans.core, expected);
        }
    }

    #[test]
    fn nothing_configured_is_nothing_to_do() {
        let cases = [json!(null), json!({}), json!({"required": true, "data": {}}), with_paths(&json!([]))];
        for minidump in cases {
            assert_eq!(find(&minidump).unwrap(), None, "{minidump}");
        }
    }

    #[test]
    fn every_wrong_value_is_named_with_its_place() {
        let entry = |key: &str, value: Value| {
            let mut entry = json!({"image": "/i", "containerSource": "/c", "hostDestination": "/h"});
            entry[key] = value;
            with_paths(&json!([entry]))
        };
        let cases = [
            (json!([]), "minidump is not an object (rdkPlugins.minidump)"),
            (json!({"required": "yes"}), "required \"yes\" is not true or false (rdkPlugins.minidump)"),
            (json!({"data": {"core": 1}}), "core 1 is not true or false (rdkPlugins.minidump.data)"),
            (json!({"data": 1}), "1 is not an object (rdkPlugins.minidump.data)"),
            (with_paths(&json!({})), "paths {} is not an array (rdkPlugins.minidump.data.paths)"),
            (with_paths(&json!([1])), "1 is not an object (rdkPlugins.minidump.data.paths[0])"),
            (
                with_paths(&json!([{}])),
                "containerSource is missing (rdkPlugins.minidump.data.paths[0].containerSource)",
            ),
            (entry("image", json!(7)), "image 7 is not a string (rdkPlugins.minidump.data.paths[0].image)"),
            (entry("image", json!("data.img")), "image \"data.img\" is not an absolute path"),
            (entry("image", json!("/a\u{0}b")), "image \"/a\\u{0}b\" contains a control character"),
            (entry("image", json!("/a\nb")), "image \"/a\\nb\" contains a control character"),
            (entry("hostDestination", json!("/a/../../b")), "hostDestination \"/a/../../b\" contains '..'"),
            (entry("containerSource", json!("opt")), "containerSource \"opt\" is not an absolute path"),
            (entry("containerSource", json!("/a/../b")), "containerSource \"/a/../b\" contains '..'"),
            (entry("containerSource", json!("/")), "containerSource \"/\" is the root directory"),
            (entry("containerSource", json!("/proc")), "containerSource \"/proc\" lies in /proc"),
            (entry("containerSource", json!("/dev/shm/x")), "containerSource \"/dev/shm/x\" lies in /dev"),
            (
                entry("imgsize", json!(1024)),
                "imgsize 1024 is below the minimum of 131072 bytes (rdkPlugins.minidump.data.paths[0].imgsize)",
            ),
            (entry("imgsize", json!(0)), "imgsize 0 is below the minimum"),
            (entry("imgsize", json!(-5)), "imgsize -5 is not a size"),
            (entry("imgsize", json!(1e30)), "imgsize 1e+30 is not a size"),
            (entry("imgsize", json!("8T")), "imgsize \"8T\" is not a size"),
            (entry("imgsize", json!(u64::MAX)), "is above the maximum"),
            (
                entry("imageBacking", json!(1)),
                "imageBacking 1 is neither \"disk\" nor \"memory\" (rdkPlugins",
            ),
            (entry("imageBacking", json!("ram")), "imageBacking \"ram\" is neither \"disk\" nor \"memory\""),
        ];
        for (minidump, expected) in cases {
            let error = find(&minidump).unwrap_err();
            assert!(error.to_string().contains(expected), "{minidump}: {error}");
        }
    }

    #[test]
    fn two_entries_must_not_share_an_image_or_a_mount_point() {
        let entry = |image: &str, source: &str| json!({"image": image, "containerSource": source, "hostDestination": "/h"});
        let cases = [
            (json!([entry("/i", "/a"), entry("/i", "/b")]), "image /i is already used by"),
            (json!([entry("/i", "/a"), entry("/j", "/a/")]), "containerSource /a is already used by"),
        ];
        for (paths, expected) in cases {
            let error = find(&with_paths(&paths)).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
