//! Input and output as streams: of a command in a container, and of a container itself. From the bottom up:
//!
//! - [`program`]: the command's process.
//! - [`pump`]: moves its bytes.
//! - [`attach`]: the input and output of a container.

pub(crate) mod attach;
mod program;
mod pump;

use std::convert::Infallible;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::control::input::console;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::inside::exec;
use crate::control::lifecycle::inside::stream::program::{Command, Ends, Program};
use crate::control::lifecycle::inside::stream::pump::Feed;
use crate::control::model::id::ContainerId;
use crate::control::model::stream::{Inlet, Outlet, StreamEnd, StreamPart, StreamRequest, WINDOW};
use crate::error::Result;

/// Runs a command until it has ended and all that it wrote is passed on.
pub(crate) async fn exec_stream(
    ctx: &Context,
    id: &ContainerId,
    request: StreamRequest,
    inlet: &Inlet,
    outlet: &impl Outlet,
) -> Result<StreamEnd> {
    let StreamRequest { exec, terminal, timeout } = request;
    let (container, options) = exec::check(ctx, id, &exec)?;
    let command = Command { container: &container, options: &options, words: &exec.command, terminal };
    let (program, ends) = Program::launch(ctx, &command).await?;
    let Ends { input, output, errors, terminal } = ends;
    outlet.put(StreamPart::Credit(WINDOW)).await;
    let (end, ended) = watch::channel(false);
    let waiting = async {
        let exit = program.wait().await;
        end.send_replace(true);
        exit
    };
    let running = async {
        let stdout = pump::pump(Some(&output), StreamPart::Stdout, inlet, outlet, ended.clone());
        let stderr = pump::pump(errors.as_ref(), StreamPart::Stderr, inlet, outlet, ended.clone());
        let (exit, (), ()) = tokio::join!(waiting, stdout, stderr);
        exit
    };
    let feeding = async {
        Feed::default().run(&input, inlet, outlet, || ()).await;
        // Its end is seen by the command.
        drop(input);
        // It goes on without input.
        std::future::pending::<Infallible>().await
    };
    let steering = async {
        loop {
            let orders = inlet.orders().await;
            orders.signals().for_each(|signal| program.signal(signal));
            if let (Some(terminal), Some(size)) = (&terminal, orders.size) {
                console::resize(terminal, size);
            }
            if let Some(why) = orders.end {
                return why;
            }
        }
    };
    let overdue = async {
        match timeout {
            Some(timeout) => sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(running, feeding, steering, overdue);
    let mut timed_out = false;
    loop {
        tokio::select! {
            exit = &mut running => return Ok(StreamEnd { exit, timed_out }),
            why = &mut steering => return Err(why),
            never = &mut feeding => match never {},
            () = &mut overdue, if !timed_out => {
                timed_out = true;
                program.kill();
            }
        }
    }
}
