//! PID 1 of a pod whose PID namespace is shared: it reaps every orphan and otherwise sleeps.
//!
//! No libc, no allocation, one page of stack: there is one of these for each pod. `podunit infra start` starts it
//! from a sealed copy in memory, in an empty root, without capabilities, with every signal blocked, so that none is
//! lost on the way. All signals stay blocked and are taken one by one; what nobody acts on has no effect.
//!
//! It ends, with status 0, on a SIGTERM from outside the pod. The kernel gives such a signal the sender 0, since
//! the sender has no number in here. A process of the pod cannot forge that: only kill(2) has the code `SI_USER`,
//! and its sender is the kernel's word.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

const SIGTERM: usize = 15;
const SIG_SETMASK: usize = 2;
const SI_USER: i32 = 0;
const PR_SET_DUMPABLE: usize = 4;
const PR_SET_NAME: usize = 15;
const WNOHANG: usize = 1;
/// Children of every kind, those made by clone(2) without SIGCHLD too.
const WALL: usize = 0x4000_0000;
/// Size of the kernel's signal set in bytes.
const SET_SIZE: usize = 8;

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const RT_SIGPROCMASK: usize = 14;
    pub(super) const WAIT4: usize = 61;
    pub(super) const RT_SIGTIMEDWAIT: usize = 128;
    pub(super) const PRCTL: usize = 157;
    pub(super) const EXIT_GROUP: usize = 231;
    pub(super) const CLOSE_RANGE: usize = 436;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub(super) const EXIT_GROUP: usize = 94;
    pub(super) const RT_SIGPROCMASK: usize = 135;
    pub(super) const RT_SIGTIMEDWAIT: usize = 137;
    pub(super) const PRCTL: usize = 167;
    pub(super) const WAIT4: usize = 260;
    pub(super) const CLOSE_RANGE: usize = 436;
}

// The kernel enters with no return address on the stack; a Rust function expects to have been called.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, #0", "mov x30, #0", "bl {main}", "brk #1", main = sym main);

/// Makes a system call; a negative result is an error number.
///
/// # Safety
/// The arguments are what the call wants: pointers point to what it reads or writes.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers rcx and r11 only.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Makes a system call; a negative result is an error number.
///
/// # Safety
/// The arguments are what the call wants: pointers point to what it reads or writes.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers x0 only.
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d,
            options(nostack));
    }
    result
}

/// The head of the kernel's `siginfo_t`, as it is where a long has 64 bits.
#[repr(C)]
struct SignalInfo {
    signal: i32,
    errno: i32,
    code: i32,
    padding: i32,
    sender: i32,
    rest: [i32; 27],
}

extern "C" fn main() -> ! {
    let all = u64::MAX;
    let set = &raw const all as usize;
    let mut info = MaybeUninit::<SignalInfo>::uninit();
    let info = info.as_mut_ptr();
    // SAFETY: each pointer is to a live value of the type that the call wants, or null where that is allowed.
    unsafe {
        call(number::RT_SIGPROCMASK, SIG_SETMASK, set, 0, SET_SIZE);
        call(number::CLOSE_RANGE, 3, u32::MAX as usize, 0, 0);
        call(
            number::PRCTL,
            PR_SET_NAME,
            c"podunit-pause".as_ptr() as usize,
            0,
            0,
        );
        // Not even root of the pod may trace it or follow /proc/1/fd, unless it may trace everybody.
        call(number::PRCTL, PR_SET_DUMPABLE, 0, 0, 0);
        loop {
            // One SIGCHLD may stand for many.
            while call(number::WAIT4, usize::MAX, 0, WNOHANG | WALL, 0) > 0 {}
            let signal = call(number::RT_SIGTIMEDWAIT, set, info as usize, 0, SET_SIZE);
            if signal == SIGTERM as isize && (*info).code == SI_USER && (*info).sender == 0 {
                break;
            }
        }
    }
    exit(0)
}

fn exit(status: usize) -> ! {
    loop {
        // SAFETY: takes no pointer.
        unsafe { call(number::EXIT_GROUP, status, 0, 0, 0) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}

/// A build without optimisation links the part of `core` that panics, which names this; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
