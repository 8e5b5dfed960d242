//! Many at once: containers, clients, and clients that want different things of one container.

use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};

#[test]
fn fifty_containers_start_and_go_at_once() {
    let world = DaemonWorld::new();
    let bundle = world.bundle("b", &["sleep", "100"]);
    let mut clients = [world.ws(), world.ws()];
    let ids: Vec<String> = (0..50).map(|n| world.id(&format!("n{n}"))).collect();
    let mut all = |method: &str| {
        for (n, id) in ids.iter().enumerate() {
            let params = json!({"containerId": id, "bundlePath": bundle, "force": true});
            let request = json!({"id": n, "method": format!("{PLUGIN}.{method}"), "params": params});
            clients[n % 2].send(&request.to_string());
        }
        for n in 0..ids.len() {
            let answer: Value = serde_json::from_str(&clients[n % 2].text()).unwrap();
            assert_eq!(answer["result"]["success"], true, "{method}: {answer}\n{}", world.log());
        }
    };
    all("startContainer");
    let listed = world.done("listContainers", &json!({}));
    let mut descriptors: Vec<i64> = listed["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["Descriptor"].as_i64().unwrap())
        .collect();
    descriptors.sort_unstable();
    descriptors.dedup();
    assert_eq!(descriptors.len(), 50, "each has a descriptor of its own");
    all("deleteContainer");
    assert!(world.runtime_list().is_empty());
}

#[test]
fn clients_that_race_for_one_id_get_one_winner_each_time() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["sleep", "100"]);
    let params = json!({"containerId": id, "bundlePath": bundle, "force": true});
    for _ in 0..5 {
        for method in ["startContainer", "deleteContainer"] {
            let mut clients = [world.ws(), world.ws(), world.ws()];
            let request =
                json!({"id": 1, "method": format!("{PLUGIN}.{method}"), "params": params}).to_string();
            clients.iter_mut().for_each(|client| client.send(&request));
            let answers =
                clients.each_mut().map(|client| serde_json::from_str::<Value>(&client.text()).unwrap());
            let won = answers.iter().filter(|answer| answer["result"]["success"] == true).count();
            // Deletions may join; of the starts exactly one can win.
            assert!(if method == "startContainer" { won == 1 } else { won >= 1 }, "{answers:#?}");
            for answer in answers.iter().filter(|answer| answer.get("error").is_some()) {
                assert!(answer["error"]["data"].is_string(), "{answer}");
            }
        }
        assert!(world.runtime_list().is_empty());
    }
}

#[test]
fn a_slow_call_on_one_container_delays_no_other() {
    let world = DaemonWorld::new();
    let (slow, other) = (world.id("slow"), world.id("other"));
    world.run(&slow, &["sleep", "100"]);
    world.run(&other, &["sleep", "100"]);
    let mut ws = world.ws();
    let call = |id: &str, method: &str, params: Value| {
        json!({"id": id, "method": format!("{PLUGIN}.{method}"), "params": params}).to_string()
    };
    // It ends when all others have been answered.
    let command = "sh -c 'while ! test -e /go; do sleep 0.05; done'";
    ws.send(&call(
        "slow",
        "runCommand",
        json!({"containerId": slow, "command": command, "timeout": 600_000}),
    ));
    for n in 0..20 {
        let id = n.to_string();
        for (method, params) in [
            ("getContainerInfo", json!({"containerId": other})),
            ("pauseContainer", json!({"containerId": other})),
            ("resumeContainer", json!({"containerId": other})),
            ("listContainers", json!({})),
        ] {
            let answer: Value = serde_json::from_str(&ws.ask(&call(&id, method, params))).unwrap();
            assert_eq!((&answer["id"], &answer["result"]["success"]), (&json!(id), &json!(true)), "{answer}");
        }
    }
    std::fs::write(world.path("rootfs/go"), "").unwrap();
    let last: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!((&last["id"], &last["result"]["exitCode"]), (&json!("slow"), &json!(0)));
}

#[test]
fn a_command_ends_with_the_client_that_waits_for_it() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let about = json!({"containerId": id});
    let processes = || world.done("getContainerInfo", &about)["info"]["pids"].as_array().unwrap().len();
    let params = json!({"containerId": id, "command": "sleep 1000", "timeout": 60_000});
    let request = json!({"id": 1, "method": format!("{PLUGIN}.runCommand"), "params": params}).to_string();
    let mut http = world.tcp();
    http.send(crate::support::wire::request("POST", "/jsonrpc", &[], &request).as_bytes());
    world.until("the command runs", || processes() == 2);
    drop(http);
    world.until("the command ended with its HTTP client", || processes() == 1);
    let mut ws = world.ws();
    ws.send(&request);
    world.until("the command runs", || processes() == 2);
    drop(ws);
    world.until("the command ended with its WebSocket", || processes() == 1);
}
