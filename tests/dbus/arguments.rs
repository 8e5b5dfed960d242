//! Every method that takes arguments, with arguments that it does not take.

use serde_json::{Value, json};

use crate::bus::BusWorld;

/// A method as the daemon describes it: interface, name, types in, types out.
type Described = (String, String, Vec<String>, Vec<String>);

/// The value of an attribute.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("{name}=\""))?.1.split_once('"').map(|(value, _)| value)
}

/// Dobby's methods among those that are described.
fn methods(description: &str) -> Vec<Described> {
    let mut methods: Vec<Described> = Vec::new();
    let mut interface = None;
    for line in description.lines().map(str::trim) {
        if line.starts_with("<interface ") {
            interface = attribute(line, "name")
                .and_then(|name| name.strip_prefix("org.rdk.dobby."))
                .map(str::to_owned);
        }
        let Some(interface) = &interface else { continue };
        if line.starts_with("<method ") {
            let name = attribute(line, "name").unwrap().to_owned();
            methods.push((interface.clone(), name, Vec::new(), Vec::new()));
        }
        if let (true, Some(direction)) = (line.starts_with("<arg "), attribute(line, "direction")) {
            let (_, _, takes, gives) = methods.last_mut().unwrap();
            let types = if direction == "in" { takes } else { gives };
            types.push(attribute(line, "type").unwrap().to_owned());
        }
    }
    methods
}

#[test]
fn other_arguments_than_a_method_takes_are_a_failure_in_the_form_of_its_answers() {
    let world = BusWorld::new();
    let d = world.sleeper(&world.daemon.id("a"));
    let output = world
        .bus
        .busctl(["introspect", "--xml-interface", "org.rdk.dobby", "/org/rdk/dobby"])
        .output()
        .unwrap();
    let methods = methods(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(methods.len(), 24, "{methods:?}");
    // One structure of all arguments is not among them: zbus does not distinguish it from the arguments themselves.
    let others: [&[&str]; 7] = [
        &[],
        &["d", "1.5"],
        &["v", "s", "x"],
        &["x", &d],
        &["iiii", &d, "1", "1", "1"],
        &["a{sv}", "1", "id", "i", &d],
        &["a(ib)", "1", &d, "true"],
    ];
    for (interface, method, takes, gives) in methods {
        if takes.is_empty() {
            continue;
        }
        let failure: Value = match gives.concat().as_str() {
            "b" => json!([false]),
            "i" => json!([-1]),
            "s" => json!([""]),
            other => panic!("{method} gives {other}"),
        };
        for arguments in others {
            assert_eq!(world.bus.answer(&interface, &method, arguments), failure, "{method} {arguments:?}");
        }
    }
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 2, "the container runs on");
}
