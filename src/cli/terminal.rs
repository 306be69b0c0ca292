//! What the standard streams are connected to. Asked once, and passed on, so that nothing below needs a terminal to be tested.

use std::io::IsTerminal;

use anstream::{AutoStream, ColorChoice};

/// What the standard streams are connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether standard input is a terminal.
    pub stdin: bool,
    /// Whether standard output is a terminal.
    pub stdout: bool,
    /// Whether standard error is a terminal.
    pub stderr: bool,
    /// Whether colour is wanted on standard output.
    pub stdout_color: bool,
    /// Whether colour is wanted on standard error.
    pub stderr_color: bool,
}

impl Terminal {
    /// Asks the system; `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` decide about colour with it.
    pub fn detect() -> Self {
        Self {
            stdin: std::io::stdin().is_terminal(),
            stdout: std::io::stdout().is_terminal(),
            stderr: std::io::stderr().is_terminal(),
            stdout_color: AutoStream::choice(&std::io::stdout()) != ColorChoice::Never,
            stderr_color: AutoStream::choice(&std::io::stderr()) != ColorChoice::Never,
        }
    }

    /// Columns of standard output now, where it is a terminal that knows them.
    pub fn width(&self) -> Option<usize> {
        if !self.stdout {
            return None;
        }
        let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?.ws_col;
        (columns > 0).then_some(usize::from(columns))
    }
}
