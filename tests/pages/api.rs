//! The API: methods, events, plugins.

use oci_minidump::control::{ContainerId, Event, ExitStatus, State, plugin_reference};
use oci_minidump::rpc::identity::Target;
use oci_minidump::rpc::methods::METHODS;
use oci_minidump::rpc::methods::method::{Access, Method};
use oci_minidump::rpc::params::Params;
use oci_minidump::rpc::subscriptions::Subscriptions;
use serde_json::{Value, json};

use crate::source::about;
use crate::table::{code, sentence, table};

/// Every method in a line.
pub(crate) fn methods() -> String {
    let rows =
        METHODS.iter().map(|method| [code(method.name), members(method.parameters), members(method.result)]);
    table(["method", "parameters", "result"], rows)
}

/// Every method with what it does.
pub(crate) fn methods_in_full() -> String {
    let rows = METHODS.iter().map(|method| {
        let what = sentence(&about("src/rpc/methods", method.name));
        let aliases: Vec<_> = method.aliases.iter().map(|alias| code(alias)).collect();
        let also = if aliases.is_empty() {
            String::new()
        } else {
            format!(" Also called {}.", aliases.join(" and "))
        };
        let access = if is_read_only(method) { " Changes nothing." } else { "" };
        [code(method.name), what + &also + access, members(method.parameters), members(method.result)]
    });
    table(["method", "what it does", "parameters", "result"], rows)
}

fn is_read_only(method: &Method) -> bool {
    method.access == Access::Read
}

/// Names as code, what is said of them as text: `bytes (at most 9)`.
fn members(members: &[&str]) -> String {
    let shown = members.iter().map(|member| {
        let end = member.find(|c: char| !c.is_alphanumeric()).unwrap_or(member.len());
        let (name, rest) = member.split_at(end);
        format!("{}{}", code(name), rest.replacen('*', "\\*", 1))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Every event, with the parameters that the server really sends.
pub(crate) fn events() -> String {
    let rows = samples().into_iter().map(|(event, when)| {
        let (name, params) = sent(&event);
        let params: Vec<_> =
            params.as_object().unwrap().iter().map(|(name, value)| typed(name, value)).collect();
        [code(&name), when.to_owned(), params.join(", ")]
    });
    table(["event", "when", "parameters"], rows)
}

fn typed(name: &str, value: &Value) -> String {
    let kind = match value {
        Value::String(_) => "text",
        Value::Bool(_) => "boolean",
        Value::Object(_) => "object",
        _ => "number",
    };
    format!("{} ({kind})", code(name))
}

/// An event of each kind, and when it comes.
fn samples() -> Vec<(Event, &'static str)> {
    let id: ContainerId = "x".parse().unwrap();
    let record = json!({"crash_record": 1, "size": 1, "sha256": "0", "truncated": false});
    let record = Some(serde_json::from_value(record).unwrap());
    let events = [
        Event::Started { id: id.clone(), descriptor: 1 },
        Event::Stopped { id: id.clone(), descriptor: 1, exit: ExitStatus::Code(0) },
        Event::Failed { id: id.clone(), descriptor: 1, error_code: 1 },
        Event::StateChanged { id: id.clone(), descriptor: 1, state: State::Hibernated },
        Event::CrashLoop { id: id.clone(), count: 6, since: 1_000_000_000 },
        Event::Minidump {
            id,
            name: "a.dmp".into(),
            path: "/a.dmp".into(),
            size: 1,
            truncated: false,
            record,
        },
    ];
    let when = |event: &Event| match event {
        Event::Started { .. } => "The program of a container runs.",
        Event::Stopped { .. } => "A container has ended and was deleted, and its dumps are on the disk.",
        Event::Failed { .. } => "A container was started and could not be kept, or could not be restarted.",
        Event::StateChanged { .. } => {
            "A container is in another state than before. After a crash of the daemon it comes again only with `since`."
        }
        Event::Minidump { .. } => {
            "A crash dump of a container is on the host at `path`: before `onContainerStopped`, or later, when a start \
             or a sweep harvests it. `record` is its crash record, if there is one."
        }
        Event::CrashLoop { .. } => {
            "A container has crashed more often than `burst` keeps dumps of that: once for each time of `burst` in which it \
             does. `count`: its crashes by now, without those whose dumps another program took away; `since`: when the first of \
             them was, in seconds since 1970 (UTC)."
        }
    };
    events.into_iter().map(|event| (event.clone(), when(&event))).collect()
}

/// The name and the parameters of an event as a client gets them.
fn sent(event: &Event) -> (String, Value) {
    let names = [
        "onContainerStarted",
        "onContainerStopped",
        "onContainerFailed",
        "onContainerStateChanged",
        "onMinidump",
        "onCrashLoop",
    ];
    for name in names {
        let mut subscriptions = Subscriptions::default();
        let wanted = json!({"event": name, "id": "c"});
        subscriptions.register(Target::Plugin, &Params::new(wanted)).unwrap();
        if let [message] = &subscriptions.messages(0, event)[..] {
            let message: Value = serde_json::from_str(message).unwrap();
            assert_eq!(message["method"], format!("c.{name}"));
            return (name.to_owned(), message["params"].clone());
        }
    }
    panic!("{event:?} has a name that is not known here")
}

/// Every plugin with what it does, and the members of its data.
pub(crate) fn plugins() -> String {
    let rows = plugin_reference().into_iter().map(|(name, members)| {
        let members: Vec<_> = members.iter().map(|member| self::members(&[member])).collect();
        [code(name), sentence(&about("src/control/plugins", name)), members.join(", ")]
    });
    table(["plugin", "what it does", "members of `data`"], rows)
}
