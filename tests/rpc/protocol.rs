//! Envelopes, ids, method names and errors, the same over HTTP, the Unix socket and WebSockets.

use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};

const LIST: &str = "org.rdk.OCIContainer.1.listContainers";

/// Sends `text` in all three ways and gives the one answer; the empty text when there is none.
fn everywhere(world: &DaemonWorld, text: &str) -> String {
    let mut answers = Vec::new();
    for mut client in [world.tcp(), world.unix()] {
        answers.push(client.request("POST", "/jsonrpc", &[], text).body);
    }
    let mut ws = world.ws();
    ws.send(text);
    // A marker shows the end of what the text brought about.
    let marker = r#"{"jsonrpc":"2.0","id":"marker","result":[]}"#;
    let first = ws.ask(r#"{"id":"marker","method":"OCIContainer.versions"}"#);
    // It may overtake the answer, which is waited for where there must be one.
    let answer = match first == marker {
        true if answers[0].is_empty() => String::new(),
        true => ws.text(),
        false => first,
    };
    answers.push(answer);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{text}: {answers:#?}");
    answers.swap_remove(0)
}

#[test]
fn ids_of_every_kind_come_back_unchanged() {
    let world = DaemonWorld::new();
    let ids = [
        "0",
        "3",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "18446744073709551615",
        "-1",
        "3.5",
        "\"17\"",
        "\"abc\"",
        "\"2d1c0f0e-uuid\"",
        "\"\"",
        "null",
    ];
    for id in ids {
        let answer = everywhere(&world, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{LIST}"}}"#));
        assert_eq!(
            answer,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"containers":[],"errorReason":"","success":true}}}}"#
            )
        );
    }
    for id in ["true", "false", "[]", "{}", "[1]"] {
        let answer = everywhere(&world, &format!(r#"{{"id":{id},"method":"{LIST}"}}"#));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32600)), "{id}");
    }
}

#[test]
fn errors_have_thunders_codes_and_texts() {
    let world = DaemonWorld::new();
    let cases = [
        (format!("{PLUGIN}.nope"), json!({}), -32601, "Unknown method."),
        ("".to_owned(), json!({}), -32601, "Unknown method."),
        (".".to_owned(), json!({}), -32601, "Unknown method."),
        ("listContainers".to_owned(), json!({}), -32601, "Unknown method."),
        (format!("{PLUGIN}.ListContainers"), json!({}), -32601, "Unknown method."),
        ("Controller.1.nope".to_owned(), json!({}), -32601, "Unknown method."),
        (
            "org.rdk.OCIContainer.2.listContainers".to_owned(),
            json!({}),
            45,
            "Requested version is not supported.",
        ),
        (
            "org.rdk.OCIContainer.0.listContainers".to_owned(),
            json!({}),
            45,
            "Requested version is not supported.",
        ),
        (
            "org.rdk.OCIContainer.1.0.listContainers".to_owned(),
            json!({}),
            45,
            "Requested version is not supported.",
        ),
        ("org.rdk.OCIContainer.v1.listContainers".to_owned(), json!({}), 2, "ERROR_UNAVAILABLE"),
        ("Controller.1.environment@PATH".to_owned(), json!({}), 22, "ERROR_UNKNOWN_KEY"),
        ("Controller.1.configuration@another".to_owned(), json!({}), 22, "ERROR_UNKNOWN_KEY"),
        ("Controller.2.status".to_owned(), json!({}), 45, "Requested version is not supported."),
        ("org.rdk.Nope.1.listContainers".to_owned(), json!({}), 2, "ERROR_UNAVAILABLE"),
        (format!("{PLUGIN}.getContainerState"), json!({}), 1, "ERROR_GENERAL"),
        (format!("{PLUGIN}.getContainerState"), json!({"containerId": 91}), 1, "ERROR_GENERAL"),
        (format!("{PLUGIN}.getContainerState"), json!({"containerId": null}), 1, "ERROR_GENERAL"),
        (format!("{PLUGIN}.getContainerState"), json!({"containerid": "x"}), 1, "ERROR_GENERAL"),
        (format!("{PLUGIN}.getContainerState"), json!({"containerId": "nobody"}), 1, "ERROR_GENERAL"),
        (format!("{PLUGIN}.getContainerState"), json!(["x"]), 1, "ERROR_GENERAL"),
        (format!("{PLUGIN}.getContainerState"), json!("x"), 1, "ERROR_GENERAL"),
        ("Controller.1.status@nobody".to_owned(), json!({}), 22, "ERROR_UNKNOWN_KEY"),
        ("Controller.1.activate".to_owned(), json!({"callsign": "nobody"}), 22, "ERROR_UNKNOWN_KEY"),
        ("Controller.1.activate".to_owned(), json!({}), 22, "ERROR_UNKNOWN_KEY"),
        ("Controller.1.deactivate".to_owned(), json!({"callsign": "nobody"}), 22, "ERROR_UNKNOWN_KEY"),
    ];
    for (method, params, code, message) in cases {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let answer: Value = serde_json::from_str(&everywhere(&world, &request.to_string())).unwrap();
        let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
        assert_eq!(members, ["jsonrpc", "id", "error"], "{request}");
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(code), &json!(message)),
            "{request}: {error}"
        );
        assert_eq!(error.get("data").is_some_and(Value::is_string), code != -32601, "{request}: {error}");
        assert!(error.get("kind").is_none(), "{error}");
    }
}

#[test]
fn what_is_no_request_is_told_so() {
    let world = DaemonWorld::new();
    let cases = [
        ("hello", -32700),
        ("{", -32700),
        (r#"{"id":1,"method":"x""#, -32700),
        ("{'id':1}", -32700),
        ("\u{feff}{}", -32700),
        ("[", -32700),
        ("[]", -32600),
        ("{}", -32600),
        ("42", -32600),
        ("\"x\"", -32600),
        ("null", -32600),
        (r#"{"jsonrpc":"2.0"}"#, -32600),
    ];
    for (text, code) in cases {
        let answer: Value = serde_json::from_str(&everywhere(&world, text)).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(code)), "{text}");
        let status = if code == -32700 { 400 } else { 200 };
        assert_eq!(world.post(text).status, status, "{text}");
    }
    assert_eq!(world.post(r#"{"id":1,"method":"x"}"#).status, 200, "an error is no failure of HTTP");
}

#[test]
fn liberties_that_clients_take_are_taken() {
    let world = DaemonWorld::new();
    let expected = r#"{"jsonrpc":"2.0","id":3,"result":{"containers":[],"errorReason":"","success":true}}"#;
    let texts = [
        format!(r#"{{"id":3,"method":"{LIST}"}}"#),
        format!(r#"{{"jsonrpc":"1.0","id":3,"method":"{LIST}","params":{{}}}}"#),
        format!(r#"{{"jsonrpc":2,"id":3,"method":"{LIST}","params":null,"more":[{{}}]}}"#),
        format!(r#"{{"id":3,"method":"{LIST}","params":["x"]}}"#),
        format!(r#"{{"id":3,"method":"{LIST}","params":"x"}}"#),
        format!(r#"{{"id":2,"id":3,"method":"nope","method":"{LIST}"}}"#),
        format!("\r\n\t {{\"id\":3,\"method\":\"{LIST}\"}} "),
        format!(r#"{{"id":3,"method":"{LIST}"}}{{"id":4,"method":"{LIST}"}}"#),
        r#"{"id":3,"method":"org.rdk.OCIContainer.listContainers"}"#.to_owned(),
        r#"{"id":3,"method":"OCIContainer.1.listContainers"}"#.to_owned(),
        r#"{"id":3,"method":"org.rdk.OCIContainer.01.listContainers@0"}"#.to_owned(),
        r#"{"id":3,"method":"org.rdk.OCIContainer..listContainers"}"#.to_owned(),
        r#"{"id":3,"method":"org.rdk.OCIContainer.999.listContainers@a.b"}"#.to_owned(),
    ];
    for text in texts {
        assert_eq!(everywhere(&world, &text), expected, "{text}");
    }
}

#[test]
fn batches_are_answered_in_order_and_notifications_not_at_all() {
    let world = DaemonWorld::new();
    let call = |id: &str| format!(r#"{{{id}"method":"{PLUGIN}.versions"}}"#);
    let one = r#"{"jsonrpc":"2.0","id":1,"result":[]}"#;
    assert_eq!(everywhere(&world, &call("")), "");
    assert_eq!(everywhere(&world, &format!("[{},{}]", call(""), call(""))), "");
    assert_eq!(everywhere(&world, &format!("[{}]", call("\"id\":1,"))), format!("[{one}]"));
    let mixed = format!("[{},{},5]", call("\"id\":1,"), call(""));
    let answer: Value = serde_json::from_str(&everywhere(&world, &mixed)).unwrap();
    assert_eq!(answer.as_array().unwrap().len(), 2);
    assert_eq!(answer[0].to_string(), one);
    assert_eq!(answer[1]["error"]["code"], -32600);
    let answer = world.post(&call(""));
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(world.post(r#"{"method":"unknown"}"#).status, 204);
    let many = |n: usize| format!("[{}]", vec![call("\"id\":1,"); n].join(","));
    assert_eq!(everywhere(&world, &many(32)).matches("result").count(), 32);
    assert!(everywhere(&world, &many(33)).contains("-32600"));
}

#[test]
fn built_ins_and_the_controller_answer() {
    let world = DaemonWorld::new();
    let status = json!([{
        "callsign": "org.rdk.OCIContainer", "locator": "libWPEFrameworkOCIContainer.so",
        "classname": "org.rdk.OCIContainer", "autostart": true, "startmode": "Activated",
        "state": "activated", "observers": 0, "module": "Plugin_OCIContainer",
        "version": {"hash": concat!("oci-minidump-", env!("CARGO_PKG_VERSION")), "major": 1, "minor": 0, "patch": 4},
    }]);
    let thunder = json!({"hash": "", "major": 4, "minor": 4, "patch": 1});
    let own = json!({
        "callsign": "Controller", "locator": "", "classname": "Controller", "autostart": true,
        "startmode": "Activated", "state": "activated", "observers": 0, "module": "Application",
        "version": thunder,
    });
    let cases = [
        ("versions", json!({}), json!([])),
        ("exists", json!("listContainers"), json!(0)),
        ("exists", json!("register"), json!(0)),
        ("exists", json!("nope"), json!(22)),
        ("exists", json!({"method": "execCommamd"}), json!(true)),
        ("exists", json!({"method": "nope"}), json!(false)),
    ];
    let cases = cases.map(|(method, params, result)| (format!("{PLUGIN}.{method}"), params, result));
    let controller = [
        ("Controller.1.status@org.rdk.OCIContainer", json!({}), status.clone()),
        ("Controller.status@org.rdk.OCIContainer", json!({}), status.clone()),
        ("status@OCIContainer", json!({}), status.clone()),
        ("Controller.1.status", json!({}), json!([status[0], own])),
        ("Controller.1.status@Controller", json!({}), json!([own])),
        ("Controller.1.configuration@org.rdk.OCIContainer", json!({}), json!({})),
        ("Controller.1.subsystems", json!({}), json!([{"subsystem": "Platform", "active": true}])),
        ("Controller.1.links", json!({}), json!([])),
        ("Controller.1.exists", json!("links"), json!(0)),
        ("Controller.1.exists", json!({"method": "reboot"}), json!(false)),
        ("Controller.1.activate", json!({"callsign": "org.rdk.OCIContainer"}), Value::Null),
        ("Controller.1.activate", json!({"callsign": "OCIContainer"}), Value::Null),
        ("Controller.1.deactivate", json!({"callsign": "org.rdk.OCIContainer"}), Value::Null),
        ("Controller.1.version", json!({}), json!({"hash": "", "major": 4, "minor": 4, "patch": 1})),
    ];
    let controller = controller.map(|(method, params, result)| (method.to_owned(), params, result));
    for (method, params, result) in cases.into_iter().chain(controller) {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value = serde_json::from_str(&everywhere(&world, &request.to_string())).unwrap();
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 1, "result": result}), "{request}");
    }
    assert_eq!(world.done("listContainers", &json!({}))["success"], true, "deactivate took nothing away");
}
