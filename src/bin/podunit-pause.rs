//! PID 1 of a pod whose PID namespace is shared. See `docs/architecture.md`.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {}
}
