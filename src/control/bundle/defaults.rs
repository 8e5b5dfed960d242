//! What the administrator's settings (`/etc/dobby.json`) give a container that does not say otherwise: a limit of
//! processes, and an AppArmor profile.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::control::process::cgroup;
use crate::dobby::settings::DobbySettings;
use crate::error::{Error, ErrorKind, Result};

/// The kernel's loaded profiles: a directory `NAME.NUMBER` for each (apparmor(7)).
const PROFILES: &str = "/sys/kernel/security/apparmor/policy/profiles";

/// Applies the settings in the file `settings`; gives the warnings about them. With `capped`, the limit of processes is
/// also the highest that the configuration may have.
///
/// # Errors
/// Those of [`DobbySettings::load`]; [`ErrorKind::Config`] when the configuration has no place for them.
pub(crate) fn apply(config: &mut Value, settings: &Path, capped: bool) -> Result<Vec<String>> {
    let (settings, odd) = DobbySettings::load(settings)?;
    limit_processes(config, settings.pids_limit, capped)?;
    confine(config, settings.apparmor_profile.as_deref(), Path::new(PROFILES))?;
    Ok(odd)
}

/// A container must not take all of the host's processes. A daemon without privileges, or a kernel without the
/// controller, cannot limit them.
fn limit_processes(config: &mut Value, limit: Option<u32>, capped: bool) -> Result<()> {
    let own = config.pointer("/linux/resources/pids/limit").filter(|limit| !limit.is_null());
    let within =
        |own: &Value| own.as_u64().is_some_and(|own| limit.is_some_and(|limit| own <= u64::from(limit)));
    let own = own.is_some_and(|own| !capped || within(own));
    let Some(limit) = limit.filter(|_| !own && rustix::process::geteuid().is_root() && cgroup::has("pids"))
    else {
        return Ok(());
    };
    part(config, &["linux", "resources"])?.insert("pids".to_owned(), json!({"limit": limit}));
    Ok(())
}

/// A profile that the configuration names stays, loaded or not: a start that fails is better than one without it.
fn confine(config: &mut Value, profile: Option<&str>, profiles: &Path) -> Result<()> {
    let own = config.pointer("/process/apparmorProfile").and_then(Value::as_str).unwrap_or_default();
    let Some(profile) = profile.filter(|profile| own.is_empty() && is_loaded(profile, profiles)) else {
        return Ok(());
    };
    part(config, &["process"])?.insert("apparmorProfile".to_owned(), profile.into());
    Ok(())
}

fn is_loaded(profile: &str, profiles: &Path) -> bool {
    let names = std::fs::read_dir(profiles).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| {
        let number = name.to_str().and_then(|name| name.strip_prefix(profile)?.strip_prefix('.'));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The object at `path`, made if it is missing or null.
fn part<'a>(config: &'a mut Value, path: &[&str]) -> Result<&'a mut Map<String, Value>> {
    let malformed = || {
        let what = format!("the bundle's config.json has a malformed {}", path.join("."));
        Error::new(ErrorKind::Config, what)
    };
    let mut part = config;
    for name in path {
        part = part.as_object_mut().ok_or_else(malformed)?.entry(*name).or_insert(json!({}));
        if part.is_null() {
            *part = json!({});
        }
    }
    part.as_object_mut().ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loaded_profile_confines_what_has_none() {
        let profiles = tempfile::tempdir().unwrap();
        for name in ["dobby_default.12", "dobby_default2.3", "other.1", "unfinished."] {
            std::fs::create_dir(profiles.path().join(name)).unwrap();
        }
        let confined = |profile: Option<&str>, own: Value| {
            let mut config = json!({"process": {"apparmorProfile": own}});
            confine(&mut config, profile, profiles.path()).unwrap();
            config["process"]["apparmorProfile"].clone()
        };
        assert_eq!(confined(Some("dobby_default"), json!(null)), "dobby_default");
        assert_eq!(confined(Some("dobby_default"), json!("")), "dobby_default");
        assert_eq!(confined(Some("dobby_default"), json!("mine")), "mine");
        for profile in [None, Some("dobby"), Some("unfinished"), Some("")] {
            assert_eq!(confined(profile, json!(null)), json!(null), "{profile:?}");
        }
        assert!(confine(&mut json!({"process": 1}), Some("other"), profiles.path()).is_err());
    }

    #[test]
    fn a_limit_of_ones_own_stays() {
        for own in [json!(5), json!(-1)] {
            let mut config = json!({"linux": {"resources": {"pids": {"limit": own}}}});
            limit_processes(&mut config, Some(7), false).unwrap();
            assert_eq!(config["linux"]["resources"]["pids"]["limit"], own);
        }
        let mut config = json!({});
        limit_processes(&mut config, None, false).unwrap();
        assert_eq!(config, json!({}));
    }
}
