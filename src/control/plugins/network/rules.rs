//! The rules of iptables that hold containers apart, as text for iptables-restore.
//!
//! All chains are our own and are written again, whole, each time a container comes or goes. What is refused is refused
//! in the table `mangle`, which packets pass before `filter`: no rule of netavark or of a firewall can let it through.
//! What is granted is also accepted in `filter`, where a firewall may refuse everything by default.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::control::plugins::network::access::{Access, BRIDGE, Family};
use crate::control::plugins::network::addresses::Range;
use crate::control::plugins::network::wishes::{Direction, Port};

/// A rule that leads to a chain of ours: the kernel's chain and the condition.
type Jump = (&'static str, &'static str);

/// Our chains: table, name, and the rules that lead there.
const CHAINS: [(&str, &str, &[Jump]); 7] = [
    ("raw", "OCICONTAINER-SRC", &[("PREROUTING", "-i dobby0")]),
    ("mangle", "OCICONTAINER-IN", &[("INPUT", "-i dobby0")]),
    ("mangle", "OCICONTAINER-FWD", &[("FORWARD", "-i dobby0"), ("FORWARD", "-o dobby0")]),
    ("nat", "OCICONTAINER-DNAT", &[("PREROUTING", "-i dobby0")]),
    ("nat", "OCICONTAINER-SNAT", &[("POSTROUTING", "-o dobby0")]),
    ("filter", "OCICONTAINER-IN", &[("INPUT", "-i dobby0")]),
    ("filter", "OCICONTAINER-FWD", &[("FORWARD", "-o dobby0")]),
];

/// The input of iptables-restore that makes the rules those of `all` containers, given the output of iptables-save; with
/// no container, everything of ours is taken away. `None` when there is nothing to do.
pub(crate) fn script(family: Family, all: &[Access], saved: &str) -> Option<String> {
    if all.is_empty() && !saved.contains("OCICONTAINER-") {
        return None;
    }
    let mut text = String::new();
    for table in ["raw", "mangle", "nat", "filter"] {
        let chains: Vec<_> = CHAINS.iter().filter(|(of, ..)| *of == table).collect();
        let present = lines_of(saved, table);
        let known = |chain: &str| present.iter().any(|line| line.starts_with(&format!(":{chain} ")));
        if all.is_empty() && !chains.iter().any(|(_, chain, _)| known(chain)) {
            continue;
        }
        let _ = writeln!(text, "*{table}");
        for (_, chain, _) in &chains {
            let _ = writeln!(text, ":{chain} - [0:0]");
        }
        for (_, chain, jumps) in &chains {
            for (from, condition) in *jumps {
                let is_there = present.contains(&format!("-A {from} {condition} -j {chain}").as_str());
                match (all.is_empty(), is_there) {
                    (true, true) => _ = writeln!(text, "-D {from} {condition} -j {chain}"),
                    (false, false) => _ = writeln!(text, "-I {from} {condition} -j {chain}"),
                    _ => {}
                }
            }
        }
        for (_, chain, _) in &chains {
            if all.is_empty() {
                let _ = writeln!(text, "-X {chain}");
            }
            for rule in rules(family, table, chain, all) {
                let _ = writeln!(text, "-A {chain} {rule}");
            }
        }
        text.push_str("COMMIT\n");
    }
    Some(text)
}

/// What iptables-save says of one table.
fn lines_of<'a>(saved: &'a str, table: &str) -> Vec<&'a str> {
    let lines = saved.lines().skip_while(|line| line.strip_prefix('*') != Some(table));
    lines.take_while(|line| *line != "COMMIT").collect()
}

fn rules(family: Family, table: &str, chain: &str, all: &[Access]) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    match (table, chain) {
        ("raw", _) => all
            .iter()
            .filter(|access| !access.link.is_empty())
            .flat_map(|access| sources(family, access))
            .collect(),
        ("mangle", "OCICONTAINER-IN") => input(family, all, "RETURN").chain(["-j DROP".to_owned()]).collect(),
        ("mangle", _) => forward(family, all),
        ("nat", "OCICONTAINER-DNAT") => destinations(family, all),
        ("nat", _) => all.first().map(|access| between_sources(family, access)).into_iter().collect(),
        ("filter", "OCICONTAINER-IN") => input(family, all, "ACCEPT").collect(),
        // What mangle lets into the bridge: ports of the host that lead into a container.
        _ => vec![format!("! -i {BRIDGE} -m conntrack --ctstate DNAT -j ACCEPT")],
    }
}

/// A packet from a container's port has the container's own address, or is part of how IPv6 finds neighbours.
fn sources(family: Family, access: &Access) -> Vec<String> {
    let port = format!("-m physdev --physdev-in {}", access.link);
    let mut may: Vec<_> = access.source(family).map(|own| own.to_string()).into_iter().collect();
    if family == Family::V6 {
        may.extend(["fe80::/10".to_owned(), "::/128".to_owned()]);
    }
    let returns = may.iter().map(|source| format!("-s {source} {port} -j RETURN"));
    returns.chain([format!("{port} -j DROP")]).collect()
}

const ANSWERS: &str = "-m conntrack --ctstate RELATED,ESTABLISHED";

fn dport(port: Port) -> String {
    let protocol = port.protocol.name();
    format!("-p {protocol} -m {protocol} --dport {}", port.port)
}

/// What containers may say to the host itself.
fn input(family: Family, all: &[Access], target: &'static str) -> impl Iterator<Item = String> {
    let mut rules = vec![format!("{ANSWERS} -j {target}")];
    if family == Family::V6 {
        // Neighbour solicitations and advertisements: without them IPv6 does not work on the bridge.
        rules.extend(
            ["135", "136"].map(|kind| format!("-p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j {target}")),
        );
    }
    for access in all {
        let Some(source) = access.source(family) else { continue };
        for (port, place) in access.granted(family) {
            // The address of loopback never without a translation: the container did not address it.
            let translated = if family == Family::V4 { " -m conntrack --ctstate DNAT" } else { "" };
            rules.push(format!("-s {source} -d {place} {}{translated} -j {target}", dport(port)));
        }
    }
    rules.into_iter()
}

/// What goes from container to container, to the outside, and from there to containers.
fn forward(family: Family, all: &[Access]) -> Vec<String> {
    let mut rules = vec![format!("{ANSWERS} -j RETURN")];
    for (client, server, port) in pairs(family, all) {
        let way = format!("-s {client} -d {server} -i {BRIDGE} -o {BRIDGE}");
        rules.push(format!("{way} {} -m conntrack --ctstate DNAT -j RETURN", dport(port)));
    }
    rules.push(format!("-i {BRIDGE} -o {BRIDGE} -j DROP"));
    for access in all {
        let Some(source) = access.source(family) else { continue };
        if access.external.is_empty() {
            rules.push(format!("-s {source} -i {BRIDGE} -j RETURN"));
        }
        let out = |name: &String| format!("-s {source} -i {BRIDGE} -o {name} -j RETURN");
        rules.extend(access.external.iter().map(out));
    }
    rules.push(format!("-i {BRIDGE} -j DROP"));
    // From outside, only what a forwarded port has translated.
    rules.push("-m conntrack --ctstate DNAT -j RETURN".to_owned());
    rules.push("-j DROP".to_owned());
    rules
}

/// A port of the bridge leads to the host's own, or to the container that serves it.
fn destinations(family: Family, all: &[Access]) -> Vec<String> {
    let mut rules = Vec::new();
    for access in all.iter().filter(|_| family == Family::V4) {
        let Some(source) = access.source(family) else { continue };
        for (port, place) in access.granted(family) {
            let to = Family::socket(place, port.port);
            let gateway = access.gateway(family);
            rules.push(format!("-s {source} -d {gateway} {} -j DNAT --to-destination {to}", dport(port)));
        }
    }
    for (client, server, port) in pairs(family, all) {
        let Some(access) = all.first() else { continue };
        let (gateway, to) = (access.gateway(family), Family::socket(server, port.port));
        rules.push(format!("-s {client} -d {gateway} {} -j DNAT --to-destination {to}", dport(port)));
    }
    rules
}

/// The server answers the bridge: it cannot reach the other container itself.
fn between_sources(family: Family, access: &Access) -> String {
    let net = match family {
        Family::V4 => Range::around(access.address).subnet(),
        Family::V6 => Range::subnet6(),
    };
    let gateway = access.gateway(family);
    format!("-s {net} -d {net} -m conntrack --ctstate DNAT -j SNAT --to-source {gateway}")
}

/// Who may use a port of whom: the one has it as `out`, the other as `in`. The first server of a port has it.
fn pairs(family: Family, all: &[Access]) -> Vec<(IpAddr, IpAddr, Port)> {
    let wanted = |access: &Access, direction| {
        let those = access.between.iter().filter(move |between| between.direction == direction);
        those.map(|between| between.port).collect::<Vec<_>>()
    };
    let mut pairs = Vec::new();
    for client in all {
        for port in wanted(client, Direction::Out) {
            let server = all.iter().find(|server| {
                server.address != client.address
                    && server.source(family).is_some()
                    && wanted(server, Direction::In).contains(&port)
            });
            let addresses = client.source(family).zip(server.and_then(|server| server.source(family)));
            pairs.extend(addresses.map(|(client, server)| (client, server, port)));
        }
    }
    pairs
}

/// The rules in a container's own network that lead ports of its `localhost` elsewhere, and from elsewhere there. IPv4
/// only, as with Dobby. `None` when it asks for none.
pub(crate) fn localhost(access: &Access, masquerade_host: bool) -> Option<String> {
    let (own, gateway) = (access.address, access.gateway(Family::V4));
    let mut rules = String::new();
    let outgoing = access.to_host.iter().copied().filter(|_| masquerade_host);
    let marked = |direction| {
        let those = access.between.iter().filter(move |b| b.localhost_masquerade && b.direction == direction);
        those.map(|between| between.port)
    };
    for port in outgoing.chain(marked(Direction::Out)) {
        let (to, dport) = (Family::socket(gateway, port.port), dport(port));
        let _ = writeln!(rules, "-A OUTPUT -o lo {dport} -j DNAT --to-destination {to}");
        let _ = writeln!(rules, "-A POSTROUTING -s 127.0.0.1 -d {gateway} {dport} -j SNAT --to-source {own}");
    }
    for port in marked(Direction::In) {
        let to = Family::socket(Ipv4Addr::LOCALHOST.into(), port.port);
        let _ =
            writeln!(rules, "-A PREROUTING -i eth0 -d {own} {} -j DNAT --to-destination {to}", dport(port));
    }
    (access.ipv4 && !rules.is_empty()).then(|| format!("*nat\n{rules}COMMIT\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_anew_and_taken_away_with_the_last_container() {
        let mut access = Access::only_out(Ipv4Addr::new(100, 64, 11, 2));
        access.link = "veth0".to_owned();
        access.external = vec!["eth0".to_owned()];
        assert_eq!(script(Family::V4, &[], "*filter\nCOMMIT\n"), None);
        let first = script(Family::V4, &[access.clone()], "").unwrap();
        for line in [
            "-I INPUT -i dobby0 -j OCICONTAINER-IN",
            "-A OCICONTAINER-SRC -s 100.64.11.2 -m physdev --physdev-in veth0 -j RETURN",
            "-A OCICONTAINER-SRC -m physdev --physdev-in veth0 -j DROP",
            "-A OCICONTAINER-FWD -s 100.64.11.2 -i dobby0 -o eth0 -j RETURN",
        ] {
            assert!(first.lines().any(|other| other == line), "{line}\n{first}");
        }
        // As iptables-save gives it back.
        let saved = "*mangle\n:OCICONTAINER-IN - [0:0]\n-A INPUT -i dobby0 -j OCICONTAINER-IN\nCOMMIT\n";
        let again = script(Family::V4, &[access], saved).unwrap();
        assert_eq!(again.matches("-I INPUT -i dobby0 -j OCICONTAINER-IN").count(), 1, "filter only: {again}");
        let last = script(Family::V4, &[], saved).unwrap();
        let expected = "*mangle\n:OCICONTAINER-IN - [0:0]\n:OCICONTAINER-FWD - [0:0]\n\
            -D INPUT -i dobby0 -j OCICONTAINER-IN\n-X OCICONTAINER-IN\n-X OCICONTAINER-FWD\nCOMMIT\n";
        assert_eq!(last, expected);
    }
}
