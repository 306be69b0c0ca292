//! Ctrl-C: the first interrupts the running statement, a second within two seconds ends the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::context::CancelToken;
use crate::error::{Error, Result};

/// Exit code of an interrupted process, as shells have it: 128 + SIGINT.
pub const EXIT_INTERRUPTED: u8 = 130;

/// A second signal within this time is meant for the process.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects signals to the statement that runs.
#[derive(Clone, Debug, Default)]
pub struct Interrupts(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: Option<CancelToken>,
    last: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Cancelled,
    Leave,
}

impl Interrupts {
    /// Takes over SIGINT, SIGTERM and SIGHUP of the process.
    ///
    /// # Errors
    /// A handler is installed already.
    pub fn install() -> Result<Self> {
        let interrupts = Self::default();
        let handled = interrupts.clone();
        ctrlc::set_handler(move || {
            if handled.signal(Instant::now()) == Reaction::Leave {
                std::process::exit(i32::from(EXIT_INTERRUPTED));
            }
        })
        .map_err(|error| Error::internal(format!("cannot handle signals: {error}")))?;
        Ok(interrupts)
    }

    /// Signals go to that token until the guard is dropped.
    pub fn watch(&self, token: &CancelToken) -> Watch<'_> {
        *self.state() = State { running: Some(token.clone()), last: None };
        Watch(self)
    }

    fn signal(&self, now: Instant) -> Reaction {
        let mut state = self.state();
        let again = state.last.is_some_and(|last| now.duration_since(last) <= PATIENCE);
        state.last = Some(now);
        match &state.running {
            Some(token) if !again => {
                token.cancel();
                Reaction::Cancelled
            }
            _ => Reaction::Leave,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, signals interrupt a statement.
#[derive(Debug)]
pub struct Watch<'a>(&'a Interrupts);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        *self.0.state() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_cancels_and_a_second_soon_after_leaves() {
        let interrupts = Interrupts::default();
        let token = CancelToken::default();
        let start = Instant::now();
        let watch = interrupts.watch(&token);
        assert_eq!(interrupts.signal(start), Reaction::Cancelled);
        assert!(token.is_cancelled());
        assert_eq!(interrupts.signal(start + Duration::from_secs(5)), Reaction::Cancelled);
        assert_eq!(interrupts.signal(start + Duration::from_secs(6)), Reaction::Leave);
        drop(watch);
        assert_eq!(interrupts.signal(start + Duration::from_secs(20)), Reaction::Leave);
    }
}
