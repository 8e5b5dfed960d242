//! Starts a container: claims the id, makes the bundle, launches it.

use std::sync::Arc;

use crate::control::bundle::owned::opened;
use crate::control::bundle::policy::Policy;
use crate::control::bundle::{config, defaults, launcher, source, spec};
use crate::control::container::Container;
use crate::control::health::descriptor_problem;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::{cleanup, launch};
use crate::control::model::request::{Source, StartRequest};
use crate::control::model::state::ExitStatus;
use crate::control::phase::Phase;
use crate::control::plugins::mount_points;
use crate::control::plugins::plugin::ContainerRef;
use crate::control::plugins::plugin_set;
use crate::control::plugins::plugin_set::PluginSet;
use crate::control::process::handle::Process;
use crate::control::registry::Claim;
use crate::control::state::container_dir::ContainerDir;
use crate::dobby::convert::Conversion;
use crate::dobby::runtime::RuntimeExtras;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::bundle::Bundle;

/// Starts a container, which runs then; nothing is left of one that does not.
///
/// # Errors
/// [`ErrorKind::Busy`] when the id is taken; others with the runtime's reason.
pub(crate) async fn start(ctx: &Context, request: StartRequest) -> Result<(Arc<Container>, Arc<Process>)> {
    let within = |error: Error| error.within(format_args!("cannot start container {}", request.id));
    if let Some(why) = descriptor_problem() {
        // Half-way through, what fails for this reason says little.
        return Err(within(
            Error::new(ErrorKind::System, why).advise("raise LimitNOFILE= of its unit, or stop containers"),
        ));
    }
    let spec = spec::convert(&request, &ctx.settings).map_err(within)?;
    let container = claim_id(ctx, &request).await?;
    let _change = container.change.lock().await;
    if let Err(error) = prepare_and_run(ctx, &container, &request, spec).await {
        cleanup::abort_start(ctx, &container).await;
        return Err(within(error));
    }
    match launch::track_init(ctx, &container) {
        Ok(init) => {
            let init = launch::mark_running(&container, init);
            Ok((Arc::clone(&container), init))
        }
        Err(error) => {
            cleanup::report_failed_start(ctx, &container).await;
            Err(within(error))
        }
    }
}

/// Waits for a container of this id that is on its way out: a client that stopped it may start it again at once.
async fn claim_id(ctx: &Context, request: &StartRequest) -> Result<Arc<Container>> {
    let id = &request.id;
    let make = |descriptor| {
        let dir = ContainerDir::new(&ctx.settings.state_dir, id);
        Container::new(id.clone(), descriptor, dir)
    };
    let timeout = ctx.settings.stop_timeout + ctx.settings.runtime_timeout * 2;
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        let holder = match ctx.registry.claim(id, make)? {
            Claim::New(container) => return Ok(container),
            Claim::Taken(holder) => holder,
        };
        match holder.phase() {
            Phase::Starting
            | Phase::Running(_)
            | Phase::Hibernating(_)
            | Phase::Hibernated(_)
            | Phase::Awakening(_) => {
                let what = format!("container {id} is {} already", holder.state());
                return Err(Error::new(ErrorKind::Busy, what));
            }
            Phase::Undeletable(_) => cleanup::retry(ctx, &holder).await?,
            Phase::Stopping(_) | Phase::CleaningUp | Phase::Gone(_) => {
                let ending = tokio::time::timeout_at(deadline, holder.ending()).await;
                ending.map_err(|_| {
                    Error::new(ErrorKind::Timeout, format!("the earlier container {id} does not end"))
                })?;
            }
        }
    }
}

/// Makes the bundle for the runtime and has it run.
async fn prepare_and_run(
    ctx: &Context,
    container: &Container,
    request: &StartRequest,
    spec: Option<Conversion>,
) -> Result<()> {
    let (dir, target) = (&container.dir, ContainerRef::of(container));
    if dir.is_there()? {
        plugin_set::post_halt(target, ExitStatus::Unknown).await;
        let known = ctx.runtime.state(&container.id).await?;
        cleanup::remove_everywhere(ctx, container, known).await?;
    }
    dir.create()?;
    let bundle = open_bundle(ctx, container, request, spec)?;
    if matches!(request.source, Source::Bundle(_)) && !opened::is_pinned(dir) {
        let _first = container.bundle.set(bundle.dir().to_owned());
    }
    let mut config = config::effective(bundle, request, ctx.hook.as_deref())?;
    let is_bundle = matches!(request.source, Source::Bundle(_));
    let odd_settings = defaults::apply(&mut config, &ctx.settings.dobby_settings, opened::is_pinned(dir))?;
    launcher::drop_hooks(&mut config);
    let runtime = RuntimeExtras::of_config(&config)?;
    container.set_policy(Policy::new(&runtime, &config, &container.id, request.interactive));
    let (mut plugins, missing) = PluginSet::of(&runtime, &ctx.settings.dobby_settings)?;
    // Those of a spec were logged when it was converted.
    let odd = odd_settings.iter().chain(&runtime.warnings).filter(|_| is_bundle);
    for warning in odd.chain(&missing) {
        log::warn!("container {}: {warning}", container.id);
    }
    let mounts = config["mounts"].as_array().map_or(0, Vec::len);
    let passed = plugins.set_up(target, &mut config).await?;
    mount_points::make(&config, mounts);
    dir.save_config(&config)?;
    drop((config, runtime));
    launch::run(ctx, container, &plugins, passed, launch::open_log(ctx, container)?).await
}

/// The bundle to start: the one that is named, or what becomes of the spec.
fn open_bundle(
    ctx: &Context,
    container: &Container,
    request: &StartRequest,
    spec: Option<Conversion>,
) -> Result<Bundle> {
    match (&request.source, spec) {
        (Source::Bundle(dir), _) => source::open(dir, &ctx.settings, &container.dir),
        (Source::Spec(_), Some(spec)) => source::open_trusted(&spec::place(&spec, &container.dir)?),
        (Source::Spec(_), None) => Err(Error::new(ErrorKind::System, "the spec was not converted")),
    }
}
