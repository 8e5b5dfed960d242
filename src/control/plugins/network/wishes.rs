//! The data of the plugin `networking`, as a container with the network `nat` means them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::control::plugins::data::{Whole, or_default};

/// What a container wants of its network.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wishes {
    #[serde(default, deserialize_with = "flag")]
    ipv4: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) ipv6: bool,
    /// Whether the host answers for names.
    #[serde(default, deserialize_with = "flag")]
    pub(crate) dnsmasq: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) port_forwarding: Forwarding,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) inter_container: Vec<Between>,
}

impl Wishes {
    /// Whether it gets an IPv4 address: also when it asks for neither family.
    pub(crate) fn ipv4(&self) -> bool {
        self.ipv4 || !self.ipv6
    }

    /// Whether any port is to be found under the container's `localhost`, or to lead there.
    pub(crate) fn asks_for_localhost(&self) -> bool {
        let forwarding = &self.port_forwarding;
        (forwarding.localhost_masquerade && !forwarding.container_to_host.is_empty())
            || self.inter_container.iter().any(|between| between.localhost_masquerade)
    }
}

/// `portForwarding`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Forwarding {
    /// Whether ports of the host are found under the container's own `localhost`.
    #[serde(default, deserialize_with = "flag")]
    pub(crate) localhost_masquerade: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) host_to_container: Vec<Port>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) container_to_host: Vec<Port>,
}

/// A port and its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    #[serde(deserialize_with = "number")]
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) protocol: Protocol,
}

/// A port that a container serves to others, or wants of another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Between {
    pub(crate) direction: Direction,
    #[serde(flatten)]
    pub(crate) port: Port,
    /// Whether it is found under, or leads to, the container's own `localhost`.
    #[serde(default, deserialize_with = "flag")]
    pub(crate) localhost_masquerade: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// The container serves the port.
    In,
    /// The container uses the port.
    Out,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl<'de> Deserialize<'de> for Protocol {
    /// In any case; empty or null stands for tcp, as with Dobby.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        match name.to_lowercase().as_str() {
            "" | "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(D::Error::custom(format!("the protocol {name:?} is neither tcp nor udp"))),
        }
    }
}

/// A switch. Any other value than true leaves it off, as with Dobby: some bundles have `"true"` there, of which the reader
/// of the configuration warns.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Value::deserialize(deserializer)? == true)
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let Whole(number) = Whole::deserialize(deserializer)?;
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| D::Error::custom(format!("{number} is not a port")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::plugins::data::read;
    use serde_json::json;

    #[test]
    fn ports_have_a_protocol_and_families_a_default() {
        let wishes: Wishes = read(&json!({"ipv6": null, "dnsmasq": "true", "interContainer": [
            {"direction": "in", "port": 80.0, "protocol": "UDP"}, {"direction": "out", "port": 81, "protocol": null}]}))
        .unwrap();
        assert!(wishes.ipv4() && !wishes.ipv6 && !wishes.dnsmasq);
        let ports: Vec<_> = wishes.inter_container.iter().map(|between| between.port).collect();
        assert_eq!(
            ports,
            [Port { port: 80, protocol: Protocol::Udp }, Port { port: 81, protocol: Protocol::Tcp }]
        );
        assert!(!read::<Wishes>(&json!({"ipv6": true})).unwrap().ipv4());
        for wrong in [json!({"port": 0}), json!({"port": 65536}), json!({"port": 1, "protocol": "sctp"})] {
            let all = json!({"portForwarding": {"containerToHost": [wrong]}});
            assert!(read::<Wishes>(&all).is_err(), "{all}");
        }
    }
}
