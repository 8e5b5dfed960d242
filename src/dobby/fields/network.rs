//! `network`.

use crate::dobby::read::node::Node;
use crate::dobby::spec::NetworkKey;

/// `network`. Null is the same as absent: a network of the container's own.
pub(in crate::dobby) fn network(spec: &Node<'_>) -> Option<NetworkKey> {
    match spec.given("network")?.one_of(&["nat", "open", "private"])?.as_str() {
        "nat" => Some(NetworkKey::Nat),
        "open" => Some(NetworkKey::Open),
        _ => Some(NetworkKey::Private),
    }
}
