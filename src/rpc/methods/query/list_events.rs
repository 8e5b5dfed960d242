//! `listEvents`: lists what happened, the oldest first.
//!
//! Not in Thunder's plugin. Parameters: `since`, the number of the last event that the client saw, or `sinceTime` in milliseconds since
//! 1970; without both, all that is kept. Each event has its name, its parameters as they were sent, and when that was.

use serde_json::{Value, json};

use crate::control::{Begin, Event, Manager, PastEvent};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::common::exit_members;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;
use crate::rpc::subscriptions::numbered;

pub(crate) const METHOD: Method = Method {
    name: "listEvents",
    aliases: &[],
    access: Access::Read,
    parameters: &["since (the number of an event)", "sinceTime (milliseconds since 1970)"],
    result: &[
        "events (event, params, time, and of an end exitCode and signal of each; at most 500)",
        "more (whether there are others behind them)",
        "lost (whether some behind the number are not known any more)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let begin = match (params.count("since", u64::MAX)?, params.count("sinceTime", u64::MAX)?) {
        (None, None) => Begin::Oldest,
        (Some(number), None) => Begin::After(number),
        (None, Some(time)) => Begin::Time(time),
        (Some(_), Some(_)) => return Err(Fault::parameter("give since or sinceTime")),
    };
    let entry = |past: PastEvent| {
        let (name, sent) = numbered(past.number, &past.event, params.api);
        let mut entry = json!({"event": name, "params": sent, "time": past.time});
        if let Event::Stopped { exit, .. } = past.event {
            let (code, signal) = exit_members(exit);
            entry["exitCode"] = code;
            entry["signal"] = signal;
        }
        entry
    };
    let past = manager.past(begin).await?;
    let events: Vec<Value> = past.events.into_iter().map(entry).collect();
    Ok(json!({"events": events, "more": past.more, "lost": past.lost, "success": true}))
}
