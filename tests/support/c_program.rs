//! A C program whose stack only call frame information leads up, compiled by the test.

use std::fs;
use std::path::Path;
use std::process::Command;

/// No function has a frame pointer, and most have more on the stack than is looked through for likely values.
pub(crate) const SOURCE: &str = r#"
#include <unistd.h>

#define CALL __attribute__((noinline, noclone))
static void use(volatile char *room) { __asm__ volatile("" :: "r"(room) : "memory"); }

CALL void crash_here(int *where) { volatile char room[4096] = {0}; use(room); *where = 1; use(room); }
CALL void third(int *where) { volatile char room[8192] = {0}; use(room); crash_here(where); use(room); }
CALL void second(int *where) { volatile char room[64] = {0}; use(room); third(where); use(room); }
CALL void first(int *where) { volatile char room[4096] = {0}; use(room); second(where); use(room); }

int main(void) {
    char byte;
    if (read(0, &byte, 1) != 1) return 1;
    first((int *)0x1234);
    return 0;
}
"#;

/// Compiles the program to `path`.
pub(crate) fn compile(path: &Path, options: &[&str]) {
    let source = path.with_extension("c");
    fs::write(&source, SOURCE).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-fomit-frame-pointer", "-Wl,--build-id=sha1"]).args(options);
    compiler.arg("-o").args([path, &source]);
    assert!(compiler.status().unwrap().success(), "{compiler:?}");
}
