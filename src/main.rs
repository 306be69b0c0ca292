//! The binary: chooses the allocator, calls [`highwater::cli::run`], sets the exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_defect));
    highwater::cli::run(std::env::args_os(), purge)
}

/// Makes the allocator give back to the system what is free, in all arenas (number 4096 stands for all of them).
fn purge() {
    let name = c"arena.4096.purge";
    let (none, no_length) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the name ends with a zero byte; the call takes no value and returns none, which null pointers and a
    // length of zero say. It fails where the arenas cannot be purged, which leaves memory as it is.
    unsafe {
        tikv_jemalloc_sys::mallctl(name.as_ptr(), none, no_length, std::ptr::null_mut(), 0);
    }
}

/// One line for a panic, wherever it happens: in a worker it ends the query, and the shell lives on. None for one that a damaged file
/// leads to, of which an error tells.
fn report_defect(panic: &std::panic::PanicHookInfo<'_>) {
    use std::io::Write;
    if highwater::panics::is_guarded() {
        return;
    }
    let what = panic.payload_as_str().unwrap_or("unknown");
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    // A closed standard error is no reason to panic again.
    let _ = writeln!(std::io::stderr(), "internal error{place}: {what}; please report it");
}
