//! A client that comes back and says which event it saw last: it gets each event once, over restarts of the daemon.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::wire::Ws;

const EVENTS: [&str; 3] = ["onContainerStarted", "onContainerStopped", "onContainerStateChanged"];

/// A client that remembers, of each kind, the number of the last event.
#[derive(Default)]
struct Client {
    last: BTreeMap<String, u64>,
    /// Everything it received: kind, container, state, number.
    seen: Vec<(String, String, String, u64)>,
    lost: Vec<Value>,
}

impl Client {
    fn register(&self, ws: &mut Ws) {
        for event in EVENTS {
            let mut params = json!({"event": event, "id": "e"});
            if let Some(number) = self.last.get(event) {
                params["since"] = json!(number);
            }
            ws.send(&json!({"id": 1, "method": format!("{PLUGIN}.register"), "params": params}).to_string());
        }
    }

    /// Connects, and takes all that there is until a call that is made now is answered.
    fn visit(&mut self, world: &DaemonWorld) -> Ws {
        let mut ws = world.ws();
        self.register(&mut ws);
        self.catch_up(&mut ws);
        ws
    }

    fn catch_up(&mut self, ws: &mut Ws) {
        ws.send(&json!({"id": 2, "method": format!("{PLUGIN}.versions")}).to_string());
        loop {
            let message: Value = serde_json::from_str(&ws.text()).unwrap();
            if message["id"] == 2 {
                return;
            }
            if message["method"] == "e.onEventsLost" {
                self.lost.push(message["params"].clone());
            } else if let Some(method) = message["method"].as_str() {
                let kind = method.trim_start_matches("e.").to_owned();
                let params = &message["params"];
                let number = params["sequence"].as_u64().unwrap();
                let state = params["state"].as_str().unwrap_or_default().to_owned();
                assert!(
                    self.last.get(&kind).is_none_or(|last| *last < number),
                    "{message} again or too late"
                );
                self.last.insert(kind.clone(), number);
                self.seen.push((kind, params["name"].as_str().unwrap().to_owned(), state, number));
            } else {
                assert_eq!(message["result"], 0, "{message}");
            }
        }
    }

    fn ends(&self) -> Vec<&str> {
        let ends = self.seen.iter().filter(|(kind, ..)| kind == "onContainerStopped");
        ends.map(|(_, name, ..)| name.as_str()).collect()
    }
}

fn run(world: &DaemonWorld, name: &str) -> String {
    let id = world.id(name);
    let bundle = world.bundle(&id, &["/bin/sh", "-c", "sleep 0.2"]);
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    id
}

#[test]
fn a_client_that_comes_back_gets_each_event_once() {
    let mut world = DaemonWorld::new();
    let mut client = Client::default();
    let mut ids = Vec::new();
    let mut ws = client.visit(&world);
    // Before it has seen one event of each kind it cannot say what it saw last.
    ids.push(run(&world, "first"));
    world.until("it has seen a life", || {
        client.catch_up(&mut ws);
        client.ends().len() == 1
    });
    for round in 0..8 {
        ids.push(run(&world, &format!("seen-{round}")));
        if round % 3 == 0 {
            client.catch_up(&mut ws);
        }
        drop(ws);
        // No client listens, and with every other round no daemon looks either.
        ids.push(run(&world, &format!("missed-{round}")));
        if round % 2 == 0 {
            world.end(if round % 4 == 0 { Signal::KILL } else { Signal::TERM });
            world.start();
        }
        ws = client.visit(&world);
    }
    for id in &ids {
        world.until("it ended", || {
            client.catch_up(&mut ws);
            client.ends().contains(&id.as_str())
        });
    }
    drop(ws);
    client.visit(&world);
    for id in &ids {
        let of = |kind: &str| -> Vec<&str> {
            let seen = client.seen.iter().filter(|(seen, name, ..)| seen == kind && name == id);
            seen.map(|(_, _, state, _)| state.as_str()).collect()
        };
        assert_eq!((of(EVENTS[0]).len(), of(EVENTS[1]).len()), (1, 1), "{id} in {:?}", client.seen);
    }
    let mut numbers: Vec<u64> = client.seen.iter().map(|(.., number)| *number).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert_eq!(client.lost, [] as [Value; 0]);
}

#[test]
fn a_batch_that_registers_anew_gets_what_came_since() {
    let world = DaemonWorld::new();
    let mut ws = world.ws();
    let register = |since: Option<u64>| {
        let params = json!({"event": EVENTS[1], "id": "e", "since": since});
        json!({"id": 1, "method": format!("{PLUGIN}.register"), "params": params})
    };
    assert_eq!(serde_json::from_str::<Value>(&ws.ask(&register(None).to_string())).unwrap()["result"], 0);
    let id = run(&world, "a");
    let first: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!(first["params"]["name"], id.as_str());
    let number = first["params"]["sequence"].as_u64().unwrap();
    let old =
        json!({"id": 2, "method": format!("{PLUGIN}.unregister"), "params": {"event": EVENTS[1], "id": "e"}});
    let answer = ws.ask(&json!([old, register(Some(number - 1))]).to_string());
    assert!(answer.starts_with('['), "{answer}");
    assert_eq!(serde_json::from_str::<Value>(&ws.text()).unwrap(), first);
    for bad in [json!("1"), json!(-1), json!(1.5)] {
        let params = json!({"event": EVENTS[0], "id": "e", "since": bad});
        let request = json!({"id": 3, "method": format!("{PLUGIN}.register"), "params": params});
        let answer: Value = serde_json::from_str(&ws.ask(&request.to_string())).unwrap();
        assert_eq!(answer["error"]["code"], 1, "{bad}: {answer}");
    }
}

#[test]
fn a_client_learns_that_events_are_lost() {
    let world = DaemonWorld::new();
    let id = run(&world, "a");
    world.done("waitContainer", &json!({"containerId": id, "timeout": 20_000}));
    // A number of before a reboot, and one that is yet to come.
    for unknown in [17, u64::MAX] {
        let mut client = Client::default();
        client.last.insert(EVENTS[1].to_owned(), unknown);
        let mut ws = world.ws();
        client.register(&mut ws);
        client.last.clear();
        client.catch_up(&mut ws);
        assert_eq!(client.ends(), [id.as_str()]);
        assert_eq!(client.lost.len(), 1, "{:?}", client.lost);
        assert_eq!(client.lost[0]["since"], unknown);
        assert!(client.lost[0]["first"].as_u64() > Some(17), "{:?}", client.lost);
    }
}
