//! The description of the object that D-Bus clients ask for, made from the table of methods.

use std::fmt::Write as _;

use crate::dbus::methods;
use crate::dbus::names::{ADMIN, CTRL, DEBUG, OBJECT};
use crate::dbus::signals::SIGNALS;

const HEAD: &str = "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n \
    \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n";

/// The interfaces that every object has.
const STANDARD: &str = r#" <interface name="org.freedesktop.DBus.Peer">
  <method name="Ping"/>
 </interface>
 <interface name="org.freedesktop.DBus.Introspectable">
  <method name="Introspect">
   <arg type="s" name="xml_data" direction="out"/>
  </method>
 </interface>
 <interface name="org.freedesktop.DBus.Properties">
  <method name="Get">
   <arg type="s" name="interface_name" direction="in"/>
   <arg type="s" name="property_name" direction="in"/>
   <arg type="v" name="value" direction="out"/>
  </method>
  <method name="Set">
   <arg type="s" name="interface_name" direction="in"/>
   <arg type="s" name="property_name" direction="in"/>
   <arg type="v" name="value" direction="in"/>
  </method>
  <method name="GetAll">
   <arg type="s" name="interface_name" direction="in"/>
   <arg type="a{sv}" name="props" direction="out"/>
  </method>
 </interface>
"#;

/// What is at `path`; `None` when nothing is.
pub(crate) fn describe(path: &str) -> Option<String> {
    if path == OBJECT {
        let interfaces: String = [ADMIN, CTRL, DEBUG].map(interface).concat();
        return Some(format!("{HEAD}<node>\n{STANDARD}{interfaces}</node>\n"));
    }
    // The nodes that lead to it.
    let below = OBJECT.strip_prefix(path.trim_end_matches('/'))?.strip_prefix('/')?;
    let child = below.split('/').next()?;
    Some(format!("{HEAD}<node>\n <node name=\"{child}\"/>\n</node>\n"))
}

fn interface(name: &str) -> String {
    let mut text = format!(" <interface name=\"{name}\">\n");
    for method in methods::all().filter(|method| method.interface == name) {
        // Writing to a String cannot fail, here and below.
        let _infallible = writeln!(text, "  <method name=\"{}\">", method.name);
        for (signature, argument) in method.arguments {
            let _infallible =
                writeln!(text, "   <arg type=\"{signature}\" name=\"{argument}\" direction=\"in\"/>");
        }
        for signature in method.form.signatures() {
            let _infallible = writeln!(text, "   <arg type=\"{signature}\" direction=\"out\"/>");
        }
        text.push_str("  </method>\n");
    }
    for (_, signal, signatures) in SIGNALS.iter().filter(|(interface, ..)| *interface == name) {
        let _infallible = writeln!(text, "  <signal name=\"{signal}\">");
        for signature in *signatures {
            let _infallible = writeln!(text, "   <arg type=\"{signature}\"/>");
        }
        text.push_str("  </signal>\n");
    }
    text.push_str(" </interface>\n");
    text
}
