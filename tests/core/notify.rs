//! The dump of a crash that the kernel hands over is handed on like any other, without the limits of the handler.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::container::Container;
use crate::support::host::wait_until;

#[test]
fn the_program_gets_the_dump_without_the_limits_of_the_handler() {
    let container = Container::new();
    let (program, said) = (container.path("upload"), container.path("said"));
    let script = format!(
        "#!/bin/sh\n{{ echo $1; ulimit -v; ulimit -f; nice; }} > '{0}.new'\nmv '{0}.new' '{0}'\n",
        said.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    container.settings(&format!("[notify]\nexec = [{program:?}, \"{{path}}\"]\n"));
    let output = container.crash(&container.head().bytes(), &["/bin/false"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait_until(|| said.exists());
    let dump = container.dumps()[0].display().to_string();
    let lines = fs::read_to_string(&said).unwrap();
    assert_eq!(lines.lines().collect::<Vec<_>>(), [dump.as_str(), "unlimited", "unlimited", "0"]);
    // The worker removes its entry after that.
    wait_until(|| fs::read_dir(container.path("spool")).unwrap().count() == 1);
}
