//! The parts of the control layer, put together. Each part owns its own work; this has none.

use std::path::PathBuf;
use std::sync::Arc;

use crate::control::bundle::hook;
use crate::control::events::bus::EventBus;
use crate::control::events::outbox::Outbox;
use crate::control::events::sweeper::Sweeper;
use crate::control::events::watcher::Watcher;
use crate::control::health::HealthMonitor;
use crate::control::output::log_store::LogStore;
use crate::control::registry::Registry;
use crate::control::runtime::Runtime;
use crate::control::settings::Settings;
use crate::control::state::lock::StateLock;
use crate::control::tasks::Tasks;

/// Everything that the life of a container needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    /// The minidump hook, if there is one.
    pub(crate) hook: Option<PathBuf>,
    pub(crate) runtime: Runtime,
    pub(crate) logs: LogStore,
    pub(crate) registry: Registry,
    pub(crate) health: HealthMonitor,
    pub(crate) bus: Arc<EventBus>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) sweeper: Arc<Sweeper>,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) tasks: Arc<Tasks>,
    /// Held while dumps are listed.
    pub(crate) listing: tokio::sync::Mutex<()>,
    /// Held for as long as this daemon is the one.
    pub(crate) lock: StateLock,
}

impl Context {
    pub(crate) fn new(settings: Settings, logs: LogStore, lock: StateLock) -> Self {
        let (bus, tasks) = (Arc::new(EventBus::new(settings.state_dir.clone())), Arc::new(Tasks::new()));
        let outbox = Outbox::new(settings.state_dir.clone(), Arc::clone(&bus), Arc::clone(&tasks));
        let outbox = Arc::new(outbox);
        let hook = hook::find(settings.hook.as_deref());
        Self {
            runtime: Runtime::new(&settings),
            sweeper: Sweeper::new(hook.clone(), Arc::clone(&outbox), Arc::clone(&tasks)),
            watcher: Watcher::new(
                hook.clone(),
                settings.state_dir.clone(),
                Arc::clone(&outbox),
                Arc::clone(&tasks),
            ),
            registry: Registry::new(),
            health: HealthMonitor::default(),
            settings,
            hook,
            logs,
            bus,
            outbox,
            tasks,
            listing: tokio::sync::Mutex::default(),
            lock,
        }
    }
}
