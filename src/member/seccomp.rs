//! The default filter of system calls: what programs in containers need and what needs no more than the capabilities
//! they have. It lets through what Podman's default does, but for setns(2).
//!
//! A call that is not named returns `ENOSYS`, so that a C library falls back to an older one; a call that exists but
//! needs a capability returns `EPERM`.

use super::oci::{Argument, Rule, Seccomp};
use std::borrow::Cow;

const ENOSYS: u32 = 38;
const EPERM: u32 = 1;
const EINVAL: u32 = 22;

/// Allowed for everybody.
const ALLOWED: &[&str] = &[
    // files by descriptor
    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek close close_range dup dup2
     dup3 fcntl fcntl64 flock ftruncate ftruncate64 fallocate fadvise64 fadvise64_64 arm_fadvise64_64 readahead
     sendfile sendfile64 splice tee copy_file_range fsync fdatasync sync syncfs sync_file_range sync_file_range2
     arm_sync_file_range ioctl pipe pipe2 poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64
     cachestat",
    // files by name
    "open openat openat2 creat access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat
     statx statfs statfs64 fstatfs fstatfs64 mkdir mkdirat mknod mknodat rmdir rename renameat renameat2 link linkat
     unlink unlinkat symlink symlinkat readlink readlinkat chmod fchmod fchmodat fchmodat2 chown chown32 fchown
     fchown32 fchownat lchown lchown32 utime utimes utimensat utimensat_time64 futimesat truncate truncate64 getdents
     getdents64 getcwd chdir fchdir umask name_to_handle_at file_getattr file_setattr",
    "getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr removexattr
     lremovexattr fremovexattr getxattrat setxattrat listxattrat removexattrat",
    // mounts and namespaces: the kernel asks for CAP_SYS_ADMIN over a user namespace, which may be one of their own
    "mount umount umount2 pivot_root open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr statmount
     listmount unshare",
    // waiting for events
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd
     eventfd2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_init fanotify_mark signalfd
     signalfd4 timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64 io_setup io_destroy
     io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64",
    // memory
    "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall
     remap_file_pages mseal map_shadow_stack memfd_create memfd_secret membarrier mbind get_mempolicy set_mempolicy
     set_mempolicy_home_node pkey_alloc pkey_free pkey_mprotect process_mrelease process_vm_readv process_vm_writev",
    // processes and threads
    "clone clone3 fork vfork execve execveat exit exit_group wait4 waitid waitpid kill tkill tgkill pidfd_open
     pidfd_getfd pidfd_send_signal getpid getppid gettid getpgid setpgid getpgrp getsid setsid prctl ptrace seccomp
     landlock_create_ruleset landlock_add_rule landlock_restrict_self rseq futex futex_time64 futex_wait futex_wake
     futex_waitv futex_requeue get_robust_list set_robust_list set_tid_address get_thread_area set_thread_area
     restart_syscall getcpu getrusage getrlimit setrlimit ugetrlimit prlimit64 getpriority setpriority ioprio_get
     ioprio_set sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam
     sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min
     sched_rr_get_interval sched_rr_get_interval_time64",
    // signals and time
    "rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo
     rt_tgsigqueueinfo rt_sigreturn sigaltstack signal sigprocmask sigreturn pause alarm getitimer setitimer nanosleep
     clock_nanosleep clock_nanosleep_time64 clock_gettime clock_gettime64 clock_getres clock_getres_time64
     clock_adjtime clock_adjtime64 adjtimex gettimeofday time times timer_create timer_delete timer_getoverrun
     timer_gettime timer_gettime64 timer_settime timer_settime64",
    // identity
    "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
     getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid
     setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset",
    // sockets, but for socket itself
    "socketcall socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt
     send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64",
    // System V IPC and POSIX message queues
    "ipc msgget msgctl msgsnd msgrcv semget semctl semop semtimedop semtimedop_time64 shmget shmctl shmat shmdt mq_open
     mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64",
    // the system; the kernel checks the rest
    "uname sysinfo syslog getrandom keyctl reboot",
    // one architecture or another
    "arch_prctl modify_ldt breakpoint cacheflush set_tls riscv_flush_icache riscv_hwprobe swapcontext",
];

/// Allowed for whoever has one of the capabilities, `EPERM` for others.
const WITH_CAPABILITY: &[(&[&str], &str)] = &[
    (&["CAP_DAC_READ_SEARCH"], "open_by_handle_at"),
    (
        &["CAP_SYS_ADMIN"],
        "lookup_dcookie quotactl quotactl_fd sethostname setdomainname setns",
    ),
    (&["CAP_SYS_ADMIN", "CAP_BPF"], "bpf"),
    (&["CAP_SYS_ADMIN", "CAP_PERFMON"], "perf_event_open"),
    (&["CAP_SYS_CHROOT"], "chroot"),
    (
        &["CAP_SYS_MODULE"],
        "init_module finit_module delete_module query_module",
    ),
    (&["CAP_SYS_PACCT"], "acct"),
    (&["CAP_SYS_PTRACE"], "kcmp process_madvise"),
    (&["CAP_SYS_RAWIO"], "ioperm iopl"),
    (
        &["CAP_SYS_TIME"],
        "clock_settime clock_settime64 settimeofday stime",
    ),
    (&["CAP_SYS_TTY_CONFIG"], "vhangup"),
];

/// `EPERM` for everybody: old, or dangerous and of no use in a container.
const REFUSED: &str = "bdflush kexec_file_load kexec_load migrate_pages move_pages nfsservctl nice oldfstat oldlstat
    oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask ssetmask swapoff swapon
    syscall sysfs uselib userfaultfd ustat vm86 vm86old vmsplice";

/// Values of personality(2) that take no protection away: Linux, 32 bits, UNAME26, both, and asking.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x20000, 0x20008, 0xffff_ffff];

const AF_NETLINK: u64 = 16;
const NETLINK_AUDIT: u64 = 9;

/// The filter for a container with these capabilities in its bounding set.
pub fn profile(capabilities: &[String]) -> Seccomp {
    let has = |wanted: &&str| capabilities.iter().any(|name| name == wanted);
    let (allowed, refused): (Vec<_>, Vec<_>) = WITH_CAPABILITY
        .iter()
        .partition(|(wanted, _)| wanted.iter().any(has));
    let names = |list: &[&(&[&str], &'static str)]| -> Vec<&'static str> {
        list.iter()
            .flat_map(|(_, names)| names.split_whitespace())
            .collect()
    };

    let mut allow: Vec<&str> = ALLOWED
        .iter()
        .flat_map(|group| group.split_whitespace())
        .collect();
    allow.extend(names(&allowed));
    let mut refuse: Vec<&str> = REFUSED.split_whitespace().collect();
    refuse.extend(names(&refused));

    let mut syscalls = vec![rule(allow, ALLOW), rule(refuse, Action::Refuse(EPERM))];
    for value in PERSONALITIES {
        let equal = Argument {
            index: 0,
            value,
            value_two: None,
            op: "SCMP_CMP_EQ".into(),
        };
        syscalls.push(Rule {
            args: vec![equal],
            ..rule(vec!["personality"], ALLOW)
        });
    }
    if has(&"CAP_AUDIT_WRITE") {
        syscalls.push(rule(vec!["socket"], ALLOW));
    } else {
        // Programs take EINVAL for a kernel without auditing and go on without it.
        let family = |op: &'static str| Argument {
            index: 0,
            value: AF_NETLINK,
            value_two: None,
            op: Cow::Borrowed(op),
        };
        let protocol = |op: &'static str| Argument {
            index: 2,
            value: NETLINK_AUDIT,
            value_two: None,
            op: Cow::Borrowed(op),
        };
        let socket = |args, action| Rule {
            args,
            ..rule(vec!["socket"], action)
        };
        syscalls.push(socket(
            vec![family("SCMP_CMP_EQ"), protocol("SCMP_CMP_EQ")],
            Action::Refuse(EINVAL),
        ));
        syscalls.push(socket(vec![family("SCMP_CMP_NE")], ALLOW));
        syscalls.push(socket(vec![protocol("SCMP_CMP_NE")], ALLOW));
    }
    Seccomp {
        default_action: "SCMP_ACT_ERRNO".into(),
        default_errno_ret: Some(ENOSYS),
        architectures: architectures().into_iter().map(Cow::Borrowed).collect(),
        syscalls,
    }
}

enum Action {
    Allow,
    Refuse(u32),
}
const ALLOW: Action = Action::Allow;

fn rule(names: Vec<&'static str>, action: Action) -> Rule {
    let (action, errno_ret) = match action {
        Action::Allow => ("SCMP_ACT_ALLOW", None),
        Action::Refuse(errno) => ("SCMP_ACT_ERRNO", Some(errno)),
    };
    Rule {
        names: names.into_iter().map(Cow::Borrowed).collect(),
        action: action.into(),
        errno_ret,
        args: Vec::new(),
    }
}

/// Architectures whose calls the kernel takes: without a rule for it, a call of another one would end the process.
pub(super) fn architectures() -> Vec<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => vec!["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "aarch64" => vec!["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        // The runtime adds the native one.
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn allowed(capabilities: &[&str]) -> BTreeSet<Cow<'static, str>> {
        let capabilities: Vec<_> = capabilities.iter().map(|name| (*name).to_owned()).collect();
        let profile = profile(&capabilities);
        let plain = profile
            .syscalls
            .into_iter()
            .filter(|rule| rule.errno_ret.is_none() && rule.args.is_empty());
        plain.flat_map(|rule| rule.names).collect()
    }

    #[test]
    fn a_capability_brings_its_calls() {
        let none = allowed(&[]);
        assert!(none.contains("read") && none.contains("clone3"));
        for call in [
            "bpf",
            "setns",
            "chroot",
            "init_module",
            "userfaultfd",
            "io_uring_setup",
            "socket",
        ] {
            assert!(!none.contains(call), "{call}");
        }
        assert!(allowed(&["CAP_SYS_CHROOT"]).contains("chroot"));
        assert!(allowed(&["CAP_BPF"]).contains("bpf") && !allowed(&["CAP_BPF"]).contains("setns"));
        assert!(allowed(&["CAP_AUDIT_WRITE"]).contains("socket"));
    }

    #[test]
    fn no_call_is_named_twice() {
        let profile = profile(&[]);
        let mut seen = BTreeSet::new();
        for name in profile
            .syscalls
            .iter()
            .filter(|rule| rule.args.is_empty())
            .flat_map(|rule| &rule.names)
        {
            assert!(seen.insert(name), "{name}");
        }
    }
}
