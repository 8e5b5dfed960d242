//! The `Host` check: requests of a browser by a rebound DNS name end here.

use crate::rpc::errors::quoted;
use crate::server::guard::refusal::Refusal;

/// The names under which we may be addressed.
#[derive(Debug)]
pub struct Hosts {
    /// The port we answer on.
    port: u16,
    /// Names of the administrator's choice, with or without a port.
    allowed: Vec<String>,
}

/// What is always this host.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

impl Hosts {
    /// The loopback names with `port` or none, and those `allowed` beside them.
    #[must_use]
    pub fn new(port: u16, allowed: Vec<String>) -> Self {
        Self { port, allowed }
    }

    /// Checks the `Host` header, or the authority of an absolute request target.
    ///
    /// # Errors
    /// It names another host, or another port of this one.
    pub fn check(&self, host: &str) -> Result<(), Refusal> {
        let (name, port) = split_port(host);
        let own_port = port.is_none_or(|port| port == self.port.to_string());
        let loopback = LOOPBACK.iter().any(|known| known.eq_ignore_ascii_case(name));
        let allowed = self.allowed.iter().any(|allowed| {
            allowed.eq_ignore_ascii_case(host) || (own_port && allowed.eq_ignore_ascii_case(name))
        });
        if (loopback && own_port) || allowed {
            return Ok(());
        }
        Err(Refusal::forbidden(format!("the request is for host {}; see --allow-host", quoted(host))))
    }

    /// Whether `origin` is our own: a page at it comes from us.
    #[must_use]
    pub fn is_own_origin(&self, origin: &str) -> bool {
        let Some(host) = origin.strip_prefix("http://") else { return false };
        split_port(host).1.is_some() && self.check(host).is_ok()
    }
}

/// `host:port` taken apart; an IPv6 address stays in its brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    let name_end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    match host[name_end..].rfind(':') {
        Some(colon) => (&host[..name_end + colon], Some(&host[name_end + colon + 1..])),
        None => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_on_this_port_is_meant() {
        let hosts = Hosts::new(9998, vec!["box.local".into(), "proxy:8080".into()]);
        let cases = [
            ("127.0.0.1", true),
            ("127.0.0.1:9998", true),
            ("localhost:9998", true),
            ("LocalHost", true),
            ("[::1]", true),
            ("[::1]:9998", true),
            ("box.local", true),
            ("box.local:9998", true),
            ("proxy:8080", true),
            ("proxy", false),
            ("box.local:80", false),
            ("127.0.0.1:80", false),
            ("127.0.0.1:", false),
            ("[::1]:80", false),
            ("::1", false),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:9998", false),
            ("127.0.0.2", false),
            ("", false),
        ];
        for (host, allowed) in cases {
            assert_eq!(hosts.check(host).is_ok(), allowed, "{host:?}");
        }
        assert!(hosts.is_own_origin("http://127.0.0.1:9998"));
        for origin in ["http://127.0.0.1", "https://127.0.0.1:9998", "http://127.0.0.1:80", "null", "file://"]
        {
            assert!(!hosts.is_own_origin(origin), "{origin}");
        }
    }
}
