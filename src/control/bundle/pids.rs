//! The administrator's limit of processes, for a bundle that has none of its own, as Dobby gives it.

use std::path::Path;

use serde_json::{Value, json};

use crate::dobby::settings::DobbySettings;

/// Adds the limit that the file `settings` names (`pids` in `/etc/dobby.json`), or Dobby's default. A file that cannot be
/// used is logged and counts as absent: the limit protects the host.
pub(crate) fn limit(config: &mut Value, settings: &Path) {
    let settings = match DobbySettings::load(settings) {
        // Its warnings are of what only the conversion of a specification uses.
        Ok((settings, _warnings)) => settings,
        Err(error) => {
            log::warn!("{}: a bundle gets the default limit of processes", error.report());
            DobbySettings::default()
        }
    };
    let Some(limit) = settings.pids_limit else { return };
    let Some(config) = config.as_object_mut() else { return };
    let linux = config.entry("linux").or_insert(json!({}));
    let resources = linux.as_object_mut().map(|linux| linux.entry("resources").or_insert(json!({})));
    // What is malformed is for the runtime to refuse.
    let Some(resources) = resources.and_then(Value::as_object_mut) else { return };
    if resources.get("pids").is_none_or(Value::is_null) {
        resources.insert("pids".to_owned(), json!({"limit": limit}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_the_bundle_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("dobby.json");
        let limited = |config: Value, text: &str| {
            std::fs::write(&file, text).unwrap();
            let mut config = config;
            limit(&mut config, &file);
            config["linux"]["resources"]["pids"]["limit"].clone()
        };
        let own = json!({"linux": {"resources": {"pids": {"limit": -1}}}});
        assert_eq!(limited(own, "{}"), -1);
        for config in [json!({}), json!({"linux": {"resources": {"pids": null}}})] {
            assert_eq!(limited(config.clone(), "{}"), 256);
            assert_eq!(limited(config.clone(), r#"{"pids": {"limit": 9}}"#), 9);
            assert_eq!(limited(config.clone(), "not JSON"), 256);
            assert_eq!(limited(config, r#"{"pids": {"enable": false}}"#), Value::Null);
        }
        let mut odd = json!({"linux": 1});
        limit(&mut odd, &file);
        assert_eq!(odd, json!({"linux": 1}));
    }
}
