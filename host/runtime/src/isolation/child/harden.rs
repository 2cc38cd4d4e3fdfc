//! What a process takes from itself before it runs a guest, for good.

use std::{collections::BTreeMap, io};

use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior, set_parent_process_death_signal, setrlimit},
    thread::{CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs, unshare_unsafe},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use super::super::wire::{Bounds, Held};

/// Address space: eight linear memories with their guards, the code, and stacks.
const ADDRESS_SPACE_MAX_BYTES: u64 = 64 << 30;
/// Descriptors: the socket, what the runtime waits with, and an image of memory for each module of a component.
const DESCRIPTORS_MAX: u64 = 256;

/// What computing, waiting and the one socket need, without a look at arguments.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_getsockname,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
];

/// What the sockets of a guest would need: it is told that they may not, as by a machine that refuses, and goes on.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
];

/// Gives up what a process of this user could do or be seen by. Call it first, while there is one thread.
///
/// # Errors
/// What the kernel refuses with; a kernel that gives no namespaces is no error.
pub(super) fn give_up() -> io::Result<Held> {
    close_inherited()?;
    let namespaces = unshare_all();
    // In a namespace of its own a process has every capability there.
    set_capabilities(None, CapabilitySets { effective: none(), permitted: none(), inheritable: none() })?;
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(Held { namespaces })
}

fn none() -> CapabilitySet {
    CapabilitySet::empty()
}

/// Closes what was inherited, but for the socket and the two that lead nowhere.
#[allow(unsafe_code, reason = "no safe function closes descriptors that nobody owns")]
fn close_inherited() -> io::Result<()> {
    // SAFETY: the process has just started with one thread, so that no value owns a descriptor above 2.
    match unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A network, mounts, names and queues of its own, with nothing in them, where the kernel gives them.
#[allow(unsafe_code, reason = "it is unsafe for what it can do to descriptors, which are left alone")]
fn unshare_all() -> bool {
    let others = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWNS;
    // SAFETY: the table of descriptors stays shared: `FILES` is not among the flags.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER | others).or_else(|_not_for_users| unshare_unsafe(others)) }.is_ok()
}

/// Bounds the process, and ends it from here on for every system call that is not one of computing, waiting, or the socket. Call it when
/// all threads and all code that can be executed are there: neither can be made any more.
///
/// # Errors
/// What the kernel, or the filter's compiler, refuses with.
pub(super) fn confine(bounds: Bounds) -> io::Result<()> {
    let most = [
        (Resource::As, ADDRESS_SPACE_MAX_BYTES),
        (Resource::Data, bounds.data_bytes),
        (Resource::Cpu, bounds.cpu_s),
        (Resource::Nofile, DESCRIPTORS_MAX),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Core, 0),
    ];
    for (resource, most) in most {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    for filter in [refusing(), ending()] {
        apply_filter_all_threads(&filter.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    Ok(())
}

fn arch() -> Result<TargetArch, seccompiler::BackendError> {
    TargetArch::try_from(std::env::consts::ARCH)
}

/// Answers what is [`REFUSED`]. Of two filters, the one that takes more away counts.
fn refusing() -> Result<BpfProgram, seccompiler::BackendError> {
    let rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch()?)?.try_into()
}

/// Ends the process at what is not allowed.
fn ending() -> Result<BpfProgram, seccompiler::BackendError> {
    let rule = |argument: u8, op: Op, value: u64| SeccompRule::new(vec![Condition::new(argument, Len::Qword, op, value)?]);
    let only = |argument: u8, op: Op, value: u64| Ok::<_, seccompiler::BackendError>(vec![rule(argument, op, value)?]);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().chain(REFUSED).map(|call| (*call, Vec::new())).collect();
    let executable = Op::MaskedEq(u64::from(libc::PROT_EXEC.unsigned_abs()));
    rules.insert(libc::SYS_mmap, only(2, executable.clone(), 0)?);
    rules.insert(libc::SYS_mprotect, only(2, executable, 0)?);
    // An abort; never a signal to another process.
    rules.insert(libc::SYS_tgkill, only(0, Op::Eq, u64::from(std::process::id()))?);
    // Over the one socket; never to an address.
    rules.insert(libc::SYS_sendto, only(4, Op::Eq, 0)?);
    // A guest may have a socket that leads nowhere: it is refused, and recorded, when it says where it should.
    let families = [libc::AF_INET, libc::AF_INET6].map(|family| rule(0, Op::Eq, u64::from(family.unsigned_abs())));
    rules.insert(libc::SYS_socket, families.into_iter().collect::<Result<_, _>>()?);
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch()?)?.try_into()
}
