//! In which state of quoting each chunk of a file starts, found out when it is asked for.

use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::file::{InputFile, UNKNOWN};
use super::machine::{Machine, State, Transition};
use crate::context::CancelToken;
use crate::error::Result;

/// Bytes of a chunk's end that are looked at first: mostly they decide its end state.
const TAIL: u64 = 4 << 10;
/// How long to sleep at most before looking at the cancel token.
const WAKE_UP: Duration = Duration::from_millis(50);
/// Bytes read at once where all of a chunk must be looked at.
const READ: u64 = 256 << 10;

/// The chunks of a file: equal byte ranges, which fall anywhere in records, and what is known about each.
///
/// Who reads a chunk has its bytes at hand: it [claims](Self::claim) the chunk, reads it, and publishes how the chunk
/// takes states on, before it looks at values. Readers of later chunks wait for that moment, and need not read twice.
#[derive(Debug)]
pub struct Chunks {
    start: u64,
    end: u64,
    size: u64,
    chunks: Vec<Chunk>,
    /// Wakes those who wait for what another thread is finding out.
    published: (Mutex<()>, Condvar),
}

#[derive(Debug, Default)]
struct Chunk {
    transition: OnceLock<Transition>,
    /// In which state it starts, where that was asked before.
    state: OnceLock<State>,
    /// Whether a thread is reading it and will publish its transition soon.
    claimed: AtomicBool,
}

impl Chunks {
    /// Cuts the bytes from `start` to `end` into chunks of `size`; what ends at an [`UNKNOWN`] place is one chunk. A record
    /// must start at `start`.
    pub fn new(start: u64, end: u64, size: u64) -> Self {
        let size = if end == UNKNOWN { UNKNOWN } else { size.max(1) };
        let count = end.saturating_sub(start).div_ceil(size);
        let chunks = (0..count).map(|_| Chunk::default()).collect();
        Self { start, end, size, chunks, published: Default::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// The byte range of a chunk.
    pub fn range(&self, chunk: usize) -> (u64, u64) {
        let start = self.start.saturating_add(self.size.saturating_mul(chunk as u64));
        (start, start.saturating_add(self.size).min(self.end))
    }

    /// Says that the caller reads a chunk now, and publishes its transition or drops the claim without waiting for
    /// anybody.
    pub fn claim(&self, chunk: usize) -> Claim<'_> {
        self.chunks[chunk].claimed.store(true, Release);
        Claim { chunks: self, chunk }
    }

    /// The state in which a chunk starts.
    ///
    /// Goes back over the chunks before it until one is found whose start is known, or whose end state does not depend
    /// on its start, which is mostly the first one, and then forward again. What another thread has found out is used, and
    /// what it is about to publish is waited for.
    pub fn start_state(
        &self,
        chunk: usize,
        machine: &Machine,
        input: &InputFile,
        cancel: &CancelToken,
    ) -> Result<State> {
        let mut state = State::RecordStart;
        let mut first = 0;
        for before in (0..chunk).rev() {
            cancel.check()?;
            if let Some(known) = self.chunks[before + 1].state.get() {
                state = *known;
                first = before + 1;
                break;
            }
            if let Some(end) = self.transition(before, machine, input, cancel)?.constant() {
                state = end;
                first = before + 1;
                break;
            }
        }
        for before in first..chunk {
            state = self.transition(before, machine, input, cancel)?.after(state);
        }
        if let Some(known) = self.chunks.get(chunk) {
            let _ = known.state.set(state);
        }
        Ok(state)
    }

    fn transition(
        &self,
        chunk: usize,
        machine: &Machine,
        input: &InputFile,
        cancel: &CancelToken,
    ) -> Result<Transition> {
        let slot = &self.chunks[chunk];
        let mut guard = self.published.0.lock().unwrap_or_else(PoisonError::into_inner);
        while slot.transition.get().is_none() && slot.claimed.load(Acquire) {
            cancel.check()?;
            guard = match self.published.1.wait_timeout(guard, WAKE_UP) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        drop(guard);
        if let Some(known) = slot.transition.get() {
            return Ok(*known);
        }
        let (start, end) = self.range(chunk);
        let file = &input.open()?;
        let tail = start.max(end.saturating_sub(TAIL));
        let mut found = summarize(machine, input, file, tail, end)?;
        if found.constant().is_none() && tail > start {
            found = summarize(machine, input, file, start, end)?;
        }
        // Another thread may have been faster; it found the same.
        Ok(*slot.transition.get_or_init(|| found))
    }
}

/// A chunk that is being read; see [`Chunks::claim`].
#[derive(Debug)]
pub struct Claim<'a> {
    chunks: &'a Chunks,
    chunk: usize,
}

impl Claim<'_> {
    /// Publishes how the chunk takes states on, found in its bytes.
    pub fn publish(self, machine: &Machine, bytes: &[u8]) {
        // Nobody asks for the last one.
        if self.chunk + 1 < self.chunks.len() {
            self.chunks.chunks[self.chunk].transition.get_or_init(|| {
                let mut found = machine.identity();
                let tail = bytes.len().saturating_sub(TAIL as usize);
                machine.advance(&mut found, &bytes[tail..]);
                if found.constant().is_none() && tail > 0 {
                    found = machine.identity();
                    machine.advance(&mut found, bytes);
                }
                found
            });
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let guard = self.chunks.published.0.lock();
        self.chunks.chunks[self.chunk].claimed.store(false, Release);
        self.chunks.published.1.notify_all();
        drop(guard);
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
