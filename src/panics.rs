//! Panics of libraries that are caught where they are expected: decoders of file formats end in one at some damages, which is an error
//! of the file and no defect of the program.
//!
//! A flag of the thread tells whether such a panic is on its way. The binary's panic hook looks at it and stays silent, since the
//! error that follows says what was wrong; a library leaves the hook to the program that it is a part of.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a library's code that may panic at damaged data.
///
/// # Errors
/// The message of the panic.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = IS_GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(before);
    done.map_err(|panic| message(&*panic).to_string())
}

/// Whether a panic of this thread would be caught and told as an error of the data.
pub fn is_guarded() -> bool {
    IS_GUARDED.get()
}

/// What a panic says.
pub fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_guarded_is_marked_and_an_inner_panic_does_not_end_the_outer_guard() {
        assert!(!is_guarded());
        let outer = guarded(|| {
            let inner: Result<(), String> = guarded(|| panic!("{} is wrong", "this"));
            assert_eq!(inner.unwrap_err(), "this is wrong");
            is_guarded()
        });
        assert_eq!(outer, Ok(true));
        assert!(!is_guarded() && !std::thread::spawn(is_guarded).join().unwrap());
    }
}
