//! Merging sorted runs: a tree of losers over one cursor per run, and passes before the last one where the blocks of
//! all runs do not fit the budget together.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::keys::prefix;
use super::run::{BlockLimits, Chunk, Gather, MemoryRun, Run};
use crate::context::{CancelToken, QueryContext};
use crate::error::Result;
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::spill::{SpillReader, SpillSegment};
use crate::types::SchemaRef;

/// What merging needs to know of the sort it belongs to.
#[derive(Debug)]
pub(super) struct MergeSetup<'a> {
    pub(super) name: &'a str,
    /// Of rows with their keys.
    pub(super) schema: &'a SchemaRef,
    pub(super) blocks: BlockLimits,
    pub(super) context: &'a QueryContext,
    pub(super) metrics: &'a Arc<OperatorMetrics>,
}

/// Memory for the blocks of a run while it is merged: the one at its cursor, and one whose rows wait to be gathered.
fn cursor_memory(run: &SpillSegment) -> u64 {
    2 * run.largest_block()
}

/// Memory to merge the runs, besides that of runs in memory.
pub(super) fn merge_memory(runs: &[Arc<Run>], blocks: BlockLimits) -> u64 {
    let cursors = runs.iter().map(|run| match &**run {
        Run::Memory(_) => 0,
        Run::Spilled(segment) => cursor_memory(segment),
    });
    blocks.scratch() + cursors.sum::<u64>()
}

impl MergeSetup<'_> {
    /// Brings the runs down to as many as can be merged at once, and reserves the memory for that.
    ///
    /// The blocks of all spilled runs are reserved where they fit. Where they do not, runs in memory are spilled, the
    /// largest first; then the smallest runs are merged to one, as many as fit and as are needed.
    pub(super) fn reduce(&self, runs: Vec<Run>) -> Result<(Vec<Run>, MemoryReservation)> {
        let mut memory = self.context.memory.reservation(self.name, self.metrics);
        let mut in_memory = Vec::new();
        let mut spilled = Vec::new();
        for run in runs {
            match run {
                Run::Memory(run) => in_memory.push(run),
                Run::Spilled(segment) => spilled.push(segment),
            }
        }
        in_memory.sort_by_key(|run| run.memory.bytes());
        loop {
            spilled.sort_by_key(SpillSegment::bytes);
            let (fan_in, refused) = self.reserve(&mut memory, &spilled);
            if fan_in == spilled.len() && refused.is_none() {
                let runs = in_memory.into_iter().map(Run::Memory).chain(spilled.into_iter().map(Run::Spilled));
                return Ok((runs.collect(), memory));
            }
            if let Some(run) = in_memory.pop() {
                spilled.push(self.spill(run)?);
                continue;
            }
            if let Some(wanted) = refused.filter(|_| fan_in < 2) {
                return Err(memory.exhausted(wanted));
            }
            // So many that the rest can be merged with what comes of them, if that is possible at all.
            let together = fan_in.min(spilled.len() - fan_in + 1).max(2);
            let rest = spilled.split_off(together);
            let merged = self.merge_to_one(std::mem::replace(&mut spilled, rest))?;
            spilled.push(merged);
        }
    }

    /// Reserves memory for as many of the runs as fit, from the first on, at least for two of them by all means; with
    /// what was refused, if anything. The stages behind the sort need memory too, so half of a sink's share must do.
    fn reserve(&self, memory: &mut MemoryReservation, runs: &[SpillSegment]) -> (usize, Option<u64>) {
        let most = self.context.memory.fair_share(2);
        memory.free();
        let scratch = self.blocks.scratch();
        if memory.grow(scratch).is_err() {
            return (0, Some(scratch));
        }
        for (fan_in, run) in runs.iter().enumerate() {
            let wanted = cursor_memory(run);
            let granted = if fan_in < 2 {
                memory.grow(wanted).is_ok()
            } else {
                memory.bytes() + wanted <= most && memory.try_grow(wanted)
            };
            if !granted {
                return (fan_in, Some(wanted));
            }
        }
        (runs.len(), None)
    }

    fn spill(&self, run: MemoryRun) -> Result<SpillSegment> {
        let mut writer = self.context.spill.create(self.name, self.metrics)?;
        run.rows.write(&mut writer, self.schema, self.blocks, &self.context.cancel)
    }

    fn merge_to_one(&self, runs: Vec<SpillSegment>) -> Result<SpillSegment> {
        self.metrics.add("merge passes", 1);
        let mut writer = self.context.spill.create(self.name, self.metrics)?;
        let cursors = runs.into_iter().map(|run| Cursor::spilled(run.into_reader()));
        let merge = Merge::new(cursors.collect::<Result<_>>()?, self.schema, self.blocks, &self.context.cancel);
        for block in merge {
            writer.write(&block?)?;
        }
        Ok(writer.cut())
    }
}

/// Where a merge stands in a run.
#[derive(Debug)]
pub(super) struct Cursor {
    place: Place,
    /// The first bytes of the key at the cursor.
    prefix: u64,
}

#[derive(Debug)]
enum Place {
    /// Nothing is left.
    End,
    Memory {
        run: Arc<Run>,
        at: usize,
        slots: Vec<usize>,
    },
    Spilled {
        reader: SpillReader,
        block: Arc<Chunk>,
        row: usize,
        slot: usize,
    },
}

impl Cursor {
    /// At the start of a run that others read too.
    pub(super) fn shared(run: &Arc<Run>) -> Result<Self> {
        match &**run {
            Run::Spilled(segment) => Self::spilled(segment.reader()),
            Run::Memory(memory) => {
                let slots = vec![Gather::NO_SLOT; memory.rows.chunks.len()];
                Ok(Self::at(Place::Memory { run: run.clone(), at: 0, slots }))
            }
        }
    }

    fn spilled(mut reader: SpillReader) -> Result<Self> {
        let place = match reader.next().transpose()? {
            Some(batch) => {
                let block = Arc::new(Chunk::new(batch)?);
                Place::Spilled { reader, block, row: 0, slot: Gather::NO_SLOT }
            }
            None => Place::End,
        };
        Ok(Self::at(place))
    }

    fn at(place: Place) -> Self {
        let mut cursor = Self { place, prefix: 0 };
        cursor.arrive();
        cursor
    }

    /// Notes the prefix of the key here, or that there is none.
    fn arrive(&mut self) {
        match self.key().map(prefix) {
            Some(prefix) => self.prefix = prefix,
            None => self.place = Place::End,
        }
    }

    fn is_at_end(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// The key at the cursor; `None` behind the end.
    fn key(&self) -> Option<&[u8]> {
        match &self.place {
            Place::End => None,
            Place::Memory { run, at, .. } => match &**run {
                Run::Memory(MemoryRun { rows, .. }) => rows.order.get(*at).map(|entry| entry.key(&rows.chunks)),
                Run::Spilled(_) => None,
            },
            Place::Spilled { block, row, .. } => Some(block.key(*row)),
        }
    }

    /// Whether the row here goes before that of the other; behind the end, nothing does.
    fn is_before(&self, other: &Self) -> bool {
        if self.is_at_end() || other.is_at_end() {
            return !self.is_at_end();
        }
        match self.prefix.cmp(&other.prefix) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => self.key() < other.key(),
        }
    }

    /// Adds the row here to the batch and goes on to the next one. True where a block was left behind, which the batch
    /// still needs.
    fn advance(&mut self, gather: &mut Gather) -> Result<bool> {
        let mut left_block = false;
        match &mut self.place {
            Place::End => return Ok(false),
            Place::Memory { run, at, slots } => {
                if let Run::Memory(MemoryRun { rows, .. }) = &**run
                    && let Some(entry) = rows.order.get(*at)
                {
                    let chunk = entry.chunk as usize;
                    gather.push(&rows.chunks[chunk], entry.row as usize, &mut slots[chunk]);
                }
                *at += 1;
            }
            Place::Spilled { reader, block, row, slot } => {
                gather.push(block, *row, slot);
                *row += 1;
                if *row == block.rows() {
                    left_block = true;
                    match reader.next().transpose()? {
                        Some(batch) => {
                            *block = Arc::new(Chunk::new(batch)?);
                            *row = 0;
                            *slot = Gather::NO_SLOT;
                        }
                        None => self.place = Place::End,
                    }
                }
            }
        }
        self.arrive();
        Ok(left_block)
    }

    /// The batch was taken: no chunk is part of it any more.
    fn forget_slots(&mut self) {
        match &mut self.place {
            Place::End => {}
            Place::Memory { slots, .. } => slots.fill(Gather::NO_SLOT),
            Place::Spilled { slot, .. } => *slot = Gather::NO_SLOT,
        }
    }
}

/// The rows of all runs in the order of their keys, in batches. Holds two blocks of each spilled run at most.
#[derive(Debug)]
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// A tree of losers (Knuth, TAOCP 3, 5.4.1): the cursors are its leaves, each inner node holds who lost there, and
    /// the first place who won them all. Replacing the winner takes one comparison per level.
    losers: Vec<usize>,
    gather: Gather,
    /// Blocks read to their end whose rows are in the batch.
    left_blocks: usize,
    cancel: CancelToken,
}

impl Merge {
    /// Batches of `schema`, which has the columns of the rows with their keys or without.
    pub(super) fn new(cursors: Vec<Cursor>, schema: &SchemaRef, blocks: BlockLimits, cancel: &CancelToken) -> Self {
        let gather = Gather::new(schema, blocks);
        let mut merge = Self { losers: Vec::new(), cursors, gather, left_blocks: 0, cancel: cancel.clone() };
        merge.play_all();
        merge
    }

    /// Node `i` has the children `2i` and `2i + 1`; leaves follow behind the inner nodes.
    fn play_all(&mut self) {
        let leaves = self.cursors.len();
        self.losers = vec![0; leaves];
        let mut winners: Vec<usize> = (0..leaves).chain(0..leaves).collect();
        for node in (1..leaves).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let left_wins = self.cursors[left].is_before(&self.cursors[right]);
            (winners[node], self.losers[node]) = if left_wins { (left, right) } else { (right, left) };
        }
        if leaves > 0 {
            self.losers[0] = winners[usize::from(leaves > 1)];
        }
    }

    /// Plays the leaf that changed up to the root.
    fn replay(&mut self, leaf: usize) {
        let mut winner = leaf;
        let mut node = (leaf + self.cursors.len()) / 2;
        while node > 0 {
            if self.cursors[self.losers[node]].is_before(&self.cursors[winner]) {
                std::mem::swap(&mut self.losers[node], &mut winner);
            }
            node /= 2;
        }
        self.losers[0] = winner;
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.cancel.check()?;
        while let Some(&winner) = self.losers.first()
            && !self.cursors[winner].is_at_end()
        {
            if self.cursors[winner].advance(&mut self.gather)? {
                self.left_blocks += 1;
            }
            self.replay(winner);
            if self.gather.is_full() || self.left_blocks >= self.cursors.len() {
                break;
            }
        }
        if self.gather.is_empty() {
            return Ok(None);
        }
        let batch = self.gather.take()?;
        self.left_blocks = 0;
        self.cursors.iter_mut().for_each(Cursor::forget_slots);
        Ok(Some(batch))
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.losers.is_empty() {
            return None;
        }
        let batch = self.next_batch().transpose();
        if matches!(batch, Some(Err(_))) {
            // Nothing comes behind an error.
            self.losers.clear();
        }
        batch
    }
}
