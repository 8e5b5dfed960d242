//! A client that does what `busctl` would not: many calls at once, descriptors, long arguments, no answer wanted.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Serialize;
use zbus::message::{Builder, Flags, Message, Type};
use zbus::zvariant::DynamicType;
use zbus::{Connection, MessageStream};

use crate::bus::Bus;

const SERVICE: &str = "org.rdk.dobby";
const OBJECT: &str = "/org/rdk/dobby";

/// A connection to a bus.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    pub connection: Connection,
}

impl Client {
    pub fn new(bus: &Bus) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = bus.address();
        let connection = runtime.block_on(async {
            // Room for every answer that comes before it is read.
            let builder = zbus::connection::Builder::address(address.as_str()).unwrap();
            builder.max_queued(4096).build().await.unwrap()
        });
        Self { runtime, connection }
    }

    /// Waits for what another program must do.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), work).await.expect("an answer in time")
        })
    }

    /// A call of a method of `ctrl1`, to be sent.
    pub fn call(method: &str) -> Builder<'_> {
        let call = Message::method_call(OBJECT, method).unwrap();
        call.destination(SERVICE).unwrap().interface("org.rdk.dobby.ctrl1").unwrap()
    }

    /// Sends a message and waits for nothing.
    pub fn send(&self, message: &Message) {
        self.run(self.connection.send(message)).unwrap();
    }

    /// Sends a call without wanting its answer.
    pub fn cast(&self, method: &str, arguments: &(impl Serialize + DynamicType)) {
        let call = Self::call(method).with_flags(Flags::NoReplyExpected).unwrap();
        self.send(&call.build(arguments).unwrap());
    }

    /// Takes a name on the bus.
    pub fn own(&self, name: &str) -> zbus::Result<()> {
        self.run(self.connection.request_name(name))
    }

    /// Sends the same call many times at once, and does something then; counts the answers by their types or error names.
    pub fn flood(
        &self,
        times: usize,
        method: &str,
        arguments: &(impl Serialize + DynamicType),
        then: impl FnOnce(),
    ) -> BTreeMap<String, usize> {
        let mut answers = MessageStream::from(&self.connection);
        for _ in 0..times {
            self.send(&Self::call(method).build(arguments).unwrap());
        }
        then();
        self.run(async {
            let mut counts = BTreeMap::new();
            let mut missing = times;
            while missing > 0 {
                let answer = answers.next().await.unwrap().unwrap();
                let header = answer.header();
                let kind = match answer.message_type() {
                    Type::MethodReturn => answer.body().signature().to_string(),
                    Type::Error => header.error_name().unwrap().to_string(),
                    _ => continue,
                };
                *counts.entry(kind).or_insert(0) += 1;
                missing -= 1;
            }
            counts
        })
    }
}
