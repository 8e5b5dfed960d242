//! Runs the plugins that a container asks for, in the order in which they depend on each other.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::control::model::state::ExitStatus;
use crate::control::plugins::catalogue::{self, ALL};
use crate::control::plugins::config_edit;
use crate::control::plugins::plugin::{ContainerRef, FIRST_PASSED, Invocation, Passed, Plugin};
use crate::dobby::runtime::RuntimeExtras;
use crate::dobby::spec::PluginSection as Section;
use crate::error::{Error, ErrorKind, Result};
use crate::log::shown;

/// The plugins of one container, those that others depend on first.
pub(crate) struct PluginSet {
    entries: Vec<RequestedPlugin>,
}

/// A plugin that a container asks for.
struct RequestedPlugin {
    plugin: &'static dyn Plugin,
    data: Value,
    required: bool,
    dobby_settings: PathBuf,
}

impl PluginSet {
    /// The plugins of a configuration, and warnings about those that are missing here. `dobby_settings` is for them.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] naming all that is missing and required; [`ErrorKind::Config`] when plugins depend on
    /// each other in a circle, or on one that the container does not ask for.
    pub(crate) fn of(runtime: &RuntimeExtras, dobby_settings: &Path) -> Result<(Self, Vec<String>)> {
        let unknown = runtime.plugins.iter().filter(|(name, _)| catalogue::find(name).is_none());
        let (required, optional): (Vec<_>, Vec<_>) = unknown.partition(|(_, section)| section.required);
        let missing: Vec<_> = required.iter().map(|(name, _)| title(name)).collect();
        if !missing.is_empty() {
            let what = format!("the container needs what is not supported: {}", missing.join(", "));
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        let without =
            |name: &String| format!("{} is not supported: the container starts without it", title(name));
        let legacy = runtime.legacy_plugins.keys().filter(|name| catalogue::find_legacy(name).is_none());
        let warnings = optional.iter().map(|(name, _)| *name).chain(legacy).map(without).collect();
        let mut entries = Vec::new();
        for (name, section) in in_order(runtime)? {
            if let Some(plugin) = catalogue::find(name) {
                let required = section.required || plugin.is_vital();
                let (data, dobby_settings) = (section.data.clone(), dobby_settings.to_owned());
                entries.push(RequestedPlugin { plugin, data, required, dobby_settings });
            }
        }
        for (name, data) in &runtime.legacy_plugins {
            if let Some(plugin) = catalogue::find_legacy(name) {
                let (data, dobby_settings) = (data.clone(), dobby_settings.to_owned());
                entries.push(RequestedPlugin { plugin, data, required: false, dobby_settings });
            }
        }
        Ok((Self { entries }, warnings))
    }

    /// Changes the configuration and prepares the host. An optional plugin that fails leaves the configuration as if
    /// the container had not asked for it.
    ///
    /// # Errors
    /// That of the first required plugin that fails.
    pub(crate) async fn set_up(
        &mut self,
        container: ContainerRef<'_>,
        config: &mut Value,
    ) -> Result<Vec<Passed>> {
        let mut passed = Vec::new();
        let mut done = Vec::new();
        for entry in self.entries.drain(..) {
            let before = config.clone();
            match entry.set_up(container, passed.len(), config).await {
                Ok(given) => {
                    passed.extend(given);
                    done.push(entry);
                }
                Err(error) => {
                    entry.tolerate(container, error)?;
                    *config = before;
                    config_edit::forget_plugin(config, entry.plugin.name());
                    report(container, entry.plugin.name(), entry.plugin.post_stop(&container, true).await);
                }
            }
        }
        self.entries = done;
        Ok(passed)
    }

    /// Prepares the host for another start of a container that was set up before.
    ///
    /// # Errors
    /// That of the first plugin that fails: the configuration counts on each by now.
    pub(crate) async fn prepare(&self, container: ContainerRef<'_>, config: &Value) -> Result<Vec<Passed>> {
        let mut passed = Vec::new();
        for entry in &self.entries {
            let given = entry.plugin.prepare(&entry.call(container, passed.len()), config).await;
            passed.extend(given.map_err(|error| error.within(title(entry.plugin.name())))?);
        }
        Ok(passed)
    }

    /// Whether the program must wait for [`PluginSet::create_runtime`].
    pub(crate) fn wants_process(&self, container: ContainerRef<'_>) -> bool {
        self.entries.iter().any(|entry| entry.plugin.wants_process(&entry.call(container, 0)))
    }

    /// The container's first process is `pid`, and its program waits.
    ///
    /// # Errors
    /// As [`PluginSet::set_up`].
    pub(crate) async fn create_runtime(&self, container: ContainerRef<'_>, pid: i32) -> Result<()> {
        for entry in &self.entries {
            if let Err(error) = entry.plugin.create_runtime(&entry.call(container, 0), pid).await {
                entry.tolerate(container, error)?;
            }
        }
        Ok(())
    }
}

impl RequestedPlugin {
    /// What it is to do; plugins before it have handed over `passed` descriptors.
    fn call<'a>(&'a self, container: ContainerRef<'a>, passed: usize) -> Invocation<'a> {
        let descriptor = FIRST_PASSED.saturating_add(i32::try_from(passed).unwrap_or(i32::MAX));
        Invocation { container, data: &self.data, descriptor, dobby_settings: &self.dobby_settings }
    }

    async fn set_up(
        &self,
        container: ContainerRef<'_>,
        passed: usize,
        config: &mut Value,
    ) -> Result<Option<Passed>> {
        let call = self.call(container, passed);
        self.plugin.configure(&call, config)?;
        self.plugin.prepare(&call, config).await
    }

    /// Returns the error if the plugin is required, otherwise logs it.
    fn tolerate(&self, container: ContainerRef<'_>, error: Error) -> Result<()> {
        if self.required {
            return Err(error.within(title(self.plugin.name())));
        }
        log::warn!(
            "container {} starts without {}: {}",
            container.id,
            title(self.plugin.name()),
            error.report()
        );
        Ok(())
    }
}

/// The program of a container has ended: whatever a plugin left in its directory to be brought home is.
pub(crate) async fn post_halt(container: ContainerRef<'_>, exit: ExitStatus) {
    for plugin in ALL.iter().rev() {
        report(container, plugin.name(), plugin.post_halt(&container, exit).await);
    }
}

/// The runtime does not have a container any more: whatever a plugin left in its directory to be undone is.
pub(crate) async fn post_stop(container: ContainerRef<'_>, last: bool) {
    for plugin in ALL.iter().rev() {
        report(container, plugin.name(), plugin.post_stop(&container, last).await);
    }
}

fn report(container: ContainerRef<'_>, name: &str, done: Result<()>) {
    if let Err(error) = done {
        log::error!("container {}: {}: {}", container.id, title(name), error.report());
    }
}

fn title(name: &str) -> String {
    format!("the plugin {}", shown(&name.into()))
}

/// All plugins, each behind those that it depends on, and by name among equals.
fn in_order(runtime: &RuntimeExtras) -> Result<Vec<(&str, &Section)>> {
    let mut waiting: Vec<_> =
        runtime.plugins.iter().map(|(name, section)| (name.as_str(), section)).collect();
    let mut order: Vec<(&str, &Section)> = Vec::new();
    while !waiting.is_empty() {
        let placed = |name: &String| order.iter().any(|(placed, _)| placed == name);
        let Some(next) = waiting.iter().position(|(_, section)| section.depends_on.iter().all(placed)) else {
            let names: Vec<_> = waiting.iter().map(|(name, _)| title(name)).collect();
            let what = format!("unresolved or circular dependsOn: {}", names.join(", "));
            return Err(Error::new(ErrorKind::Config, what).advise("fix dependsOn in rdkPlugins"));
        };
        order.push(waiting.remove(next));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chain(plugins: &Value) -> Result<(PluginSet, Vec<String>)> {
        let extras = RuntimeExtras::of_config(&json!({"rdkPlugins": plugins})).unwrap();
        PluginSet::of(&extras, Path::new("/nonexistent"))
    }

    #[test]
    fn plugins_come_after_what_they_depend_on() {
        let section = |depends_on: Value| json!({"dependsOn": depends_on, "data": {"sink": "devnull"}});
        let (found, warnings) = chain(&json!({
            "logging": section(json!(["other", "networking"])),
            "minidump": section(json!(["logging"])),
            "networking": section(json!([])),
            "other": {},
        }))
        .unwrap();
        let names: Vec<_> = found.entries.iter().map(|entry| entry.plugin.name()).collect();
        assert_eq!(names, ["networking", "logging", "minidump"]);
        assert_eq!(warnings, ["the plugin \"other\" is not supported: the container starts without it"]);
        for circle in [json!(["minidump"]), json!(["logging"]), json!(["nobody"])] {
            let plugins = json!({"logging": section(circle), "minidump": section(json!(["logging"]))});
            assert_eq!(chain(&plugins).err().unwrap().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let error = chain(&json!({"one": {"required": true}, "two": {"required": true}, "three": {}}));
        let report = error.err().unwrap().report();
        assert!(report.contains("the plugin \"one\", the plugin \"two\""), "{report}");
        assert!(!report.contains("three"), "{report}");
    }
}
