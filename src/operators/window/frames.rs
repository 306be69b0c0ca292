//! Which rows the frame of each row has, found while rows arrive: both edges only move forward, so that all rows together
//! cost as many steps as there are rows.

use std::collections::VecDeque;

use arrow::array::{Array, PrimitiveArray};
use arrow::datatypes::TimestampMicrosecondType;

use crate::error::{Error, Result};
use crate::expr::{Edge, Frame};

/// Microseconds by which frames are told.
pub(super) type Keys = PrimitiveArray<TimestampMicrosecondType>;

/// Finds frames, row by row.
#[derive(Debug)]
pub(super) struct FrameFinder {
    frame: Frame,
    /// How many rows have arrived, and whether more will.
    rows: u64,
    is_finished: bool,
    /// The row whose frame is found next, and the partitions from that row's on.
    next: u64,
    partitions: VecDeque<Partition>,
    /// The keys of rows from number `first_key` on; those of rows without one mean nothing.
    keys: VecDeque<i64>,
    first_key: u64,
    /// The edges of the last frame.
    start: u64,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Partition {
    start: u64,
    /// The first row without a key. They come last.
    keyless: Option<u64>,
    /// Where the next partition starts, once that is known.
    end: Option<u64>,
}

impl FrameFinder {
    pub(super) fn new(frame: Frame) -> Self {
        Self {
            frame,
            rows: 0,
            is_finished: false,
            next: 0,
            partitions: VecDeque::new(),
            keys: VecDeque::new(),
            first_key: 0,
            start: 0,
            end: 0,
        }
    }

    /// How many rows have arrived.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The first row that a later frame can have.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Behind the last row that a frame has had.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.keys.capacity() * size_of::<i64>() + self.partitions.capacity() * size_of::<Partition>()
    }

    /// Takes further rows; `starts` are those at which partitions start, counted from the first of them, and `keys` the
    /// keys of all, where the frame is told by keys.
    pub(super) fn push(&mut self, rows: usize, starts: &[usize], keys: Option<&Keys>) -> Result<()> {
        let first = self.rows;
        for start in starts {
            let start = first + *start as u64;
            if let Some(last) = self.partitions.back_mut() {
                last.end = Some(start);
            }
            self.partitions.push_back(Partition { start, keyless: None, end: None });
        }
        self.rows += rows as u64;
        if !self.frame.uses_key() {
            return Ok(());
        }
        let keys = keys.ok_or_else(|| Error::internal("a frame told by keys without any"))?;
        self.keys.extend(keys.values());
        if keys.null_count() > 0 {
            self.note_keyless(first, keys);
        }
        Ok(())
    }

    /// Notes the first row without a key in each partition that has rows among these.
    fn note_keyless(&mut self, first: u64, keys: &Keys) {
        for partition in self.partitions.iter_mut().rev() {
            let from = partition.start.max(first);
            let to = partition.end.unwrap_or(self.rows);
            if partition.keyless.is_none() {
                partition.keyless = (from..to).find(|row| keys.is_null((row - first) as usize));
            }
            if partition.start <= first {
                break;
            }
        }
    }

    /// No more rows will come.
    pub(super) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Appends further frames until there are `wanted`, or one depends on rows that have not arrived.
    pub(super) fn find(&mut self, wanted: usize, starts: &mut Vec<u64>, ends: &mut Vec<u64>) {
        while starts.len() < wanted
            && let Some((start, end)) = self.find_next()
        {
            starts.push(start);
            ends.push(end);
        }
        self.release_keys();
    }

    fn find_next(&mut self) -> Option<(u64, u64)> {
        let row = self.next;
        if row >= self.rows {
            return None;
        }
        while self.partitions.front().is_some_and(|partition| partition.end.is_some_and(|end| end <= row)) {
            self.partitions.pop_front();
        }
        let partition = *self.partitions.front()?;
        let frame = self.frame;
        if frame.uses_key() && partition.keyless.is_some_and(|keyless| keyless <= row) {
            let empty = row.max(self.end);
            (self.start, self.end) = (empty, empty);
        } else {
            let start = self.find_start(row, frame.start, partition)?;
            // What was found stays found, if the end has to wait.
            self.start = start;
            self.end = self.find_end(row, frame.end, partition)?.max(start);
        }
        self.next += 1;
        Some((self.start, self.end))
    }

    fn find_start(&self, row: u64, edge: Edge, partition: Partition) -> Option<u64> {
        let (limit, is_known) = self.limit(partition.end);
        match edge {
            Edge::Unbounded => Some(partition.start),
            Edge::Rows(rows) => {
                let start = row.saturating_add_signed(rows).max(partition.start);
                (start < limit || is_known).then_some(start.min(limit))
            }
            Edge::Key { distance, closed } => {
                let distance = i128::from(distance);
                self.advance(self.start.max(partition.start), row, partition, |ahead| {
                    ahead < distance || (ahead == distance && !closed)
                })
            }
        }
    }

    fn find_end(&self, row: u64, edge: Edge, partition: Partition) -> Option<u64> {
        let (limit, is_known) = self.limit(partition.end);
        match edge {
            Edge::Unbounded => is_known.then_some(limit),
            Edge::Rows(rows) => {
                let end = row.saturating_add_signed(rows).saturating_add(1).max(partition.start);
                // Rows before the first one have no number.
                let end = if rows.unsigned_abs() > row && rows < 0 { partition.start } else { end };
                (end <= limit || is_known).then_some(end.min(limit))
            }
            Edge::Key { distance, closed } => {
                let distance = i128::from(distance);
                self.advance(self.end.max(partition.start), row, partition, |ahead| {
                    ahead < distance || (ahead == distance && closed)
                })
            }
        }
    }

    /// Where the partition ends as far as it is known, and whether that is its end.
    fn limit(&self, end: Option<u64>) -> (u64, bool) {
        (end.unwrap_or(self.rows), end.is_some() || self.is_finished)
    }

    /// The first row from `from` on whose key is not `before` the edge, told by how far it is ahead of that of `row`.
    fn advance(&self, from: u64, row: u64, partition: Partition, before: impl Fn(i128) -> bool) -> Option<u64> {
        let (limit, is_known) = self.limit(partition.keyless.or(partition.end));
        let key = |row: u64| i128::from(self.keys[(row - self.first_key) as usize]);
        let own = key(row);
        let mut at = from;
        while at < limit && before(key(at) - own) {
            at += 1;
        }
        (at < limit || is_known).then_some(at)
    }

    /// Forgets the keys that no later frame looks at.
    fn release_keys(&mut self) {
        let looked_at = |edge: Edge, from: u64| if matches!(edge, Edge::Key { .. }) { from } else { self.next };
        let first = looked_at(self.frame.start, self.start).min(looked_at(self.frame.end, self.end)).min(self.next);
        let gone = (first.saturating_sub(self.first_key) as usize).min(self.keys.len());
        self.keys.drain(..gone);
        self.first_key += gone as u64;
    }
}
