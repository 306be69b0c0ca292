//! In which state of quoting each chunk of a file starts, found out when it is asked for.

use std::fs::File;
use std::sync::OnceLock;

use super::file::{InputFile, UNKNOWN};
use super::machine::{Machine, State, Transition};
use crate::context::CancelToken;
use crate::error::Result;

/// Bytes of a chunk's end that are looked at first: mostly they decide its end state.
const TAIL: u64 = 4 << 10;
/// Bytes read at once where all of a chunk must be looked at.
const READ: u64 = 256 << 10;

/// The chunks of a file: equal byte ranges, which fall anywhere in records, and what is known about each.
#[derive(Debug)]
pub struct Chunks {
    start: u64,
    end: u64,
    size: u64,
    transitions: Vec<OnceLock<Transition>>,
    /// In which state each starts, where that was asked before.
    states: Vec<OnceLock<State>>,
}

impl Chunks {
    /// Cuts the bytes from `start` to `end` into chunks of `size`; what ends at an [`UNKNOWN`] place is one chunk. A record
    /// must start at `start`.
    pub fn new(start: u64, end: u64, size: u64) -> Self {
        let size = if end == UNKNOWN { UNKNOWN } else { size.max(1) };
        let count = end.saturating_sub(start).div_ceil(size);
        Self {
            start,
            end,
            size,
            transitions: (0..count).map(|_| OnceLock::new()).collect(),
            states: (0..count).map(|_| OnceLock::new()).collect(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.transitions.len()
    }

    /// The byte range of a chunk.
    pub fn range(&self, chunk: usize) -> (u64, u64) {
        let start = self.start.saturating_add(self.size.saturating_mul(chunk as u64));
        (start, start.saturating_add(self.size).min(self.end))
    }

    /// The state in which a chunk starts.
    ///
    /// Goes back over the chunks before it until one is found whose start is known, or whose end state does not depend
    /// on its start, which is mostly the first one, and then forward again. What another thread has found out is used, and what it is still
    /// looking for is not waited for.
    pub fn start_state(
        &self,
        chunk: usize,
        machine: &Machine,
        input: &InputFile,
        file: &File,
        cancel: &CancelToken,
    ) -> Result<State> {
        let mut state = State::RecordStart;
        let mut first = 0;
        for before in (0..chunk).rev() {
            cancel.check()?;
            if let Some(known) = self.states[before + 1].get() {
                state = *known;
                first = before + 1;
                break;
            }
            if let Some(end) = self.transition(before, machine, input, file)?.constant() {
                state = end;
                first = before + 1;
                break;
            }
        }
        for before in first..chunk {
            state = self.transition(before, machine, input, file)?.after(state);
        }
        if let Some(known) = self.states.get(chunk) {
            let _ = known.set(state);
        }
        Ok(state)
    }

    fn transition(&self, chunk: usize, machine: &Machine, input: &InputFile, file: &File) -> Result<Transition> {
        if let Some(known) = self.transitions[chunk].get() {
            return Ok(*known);
        }
        let (start, end) = self.range(chunk);
        let tail = start.max(end.saturating_sub(TAIL));
        let mut found = summarize(machine, input, file, tail, end)?;
        if found.constant().is_none() && tail > start {
            found = summarize(machine, input, file, start, end)?;
        }
        // Another thread may have been faster; it found the same.
        Ok(*self.transitions[chunk].get_or_init(|| found))
    }
}

fn summarize(machine: &Machine, input: &InputFile, file: &File, start: u64, end: u64) -> Result<Transition> {
    let mut transition = machine.identity();
    let mut buffer = Vec::new();
    let mut at = start;
    while at < end {
        let amount = READ.min(end - at);
        buffer.clear();
        input.read(file, at, amount as usize, &mut buffer)?;
        machine.advance(&mut transition, &buffer);
        at += amount;
    }
    Ok(transition)
}
