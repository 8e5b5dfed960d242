//! Crashes without a crash handler.

fn main() {
    // SAFETY: there is none: nothing is mapped there, which is what the program is for.
    let byte = unsafe { std::ptr::read_volatile(std::hint::black_box(0x1234) as *const u8) };
    std::process::exit(byte.into());
}
