//! A table inside of the memory budget: it reserves before it grows, and goes to disk where it may not.
//!
//! ```text
//! rows or states ─► may the table grow by what they need at most? ─yes─► take them, reserve what is held in truth
//!                        │ no
//!                        ├─► fewer rows at once        (down to 1024)
//!                        ├─► spill the whole table     (where it has more than one group)
//!                        ├─► runs of groups of many values, sorted
//!                        ├─► still fewer rows at once  (down to 64, and to one state)
//!                        └─► take what cannot be done without, up to `terminate`: else the error of the budget
//! ```

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::aside::RowsAside;
use super::keys::Keys;
use super::layout::Layout;
use super::partition::{PartitionFile, Sliced};
use super::rows::InputRows;
use super::table::{FinishedGroups, GroupTable};
use crate::context::QueryContext;
use crate::error::Result;
use crate::memory::{MemoryReservation, Pressure};
use crate::metrics::OperatorMetrics;

/// Fewer rows at once do not pay before the table was spilled.
const FEW_ROWS: usize = 1024;
/// Fewer rows at once do not pay at all.
const LEAST_ROWS: usize = 64;

/// Groups of values of fewer bytes do not pay to be written as runs. Those of unit tests do.
const FEW_BYTES: usize = if cfg!(test) { 300 } else { 32 << 10 };
/// Fewer rows that are known to belong to one group do not pay, where nothing else helps.
const LEAST_BYTES: usize = if cfg!(test) { 1 } else { 1 << 10 };
/// A group with values of more bytes than one in so many of the budget does not go to a partition's file as one state.
const LARGE_SHARE: u64 = 128;
/// Merging a state takes about so many times its memory.
const MERGING: u64 = 4;

/// No more of the budget than one in so many bytes is taken of rows at once, where they have long texts,
const PIECE_SHARE: usize = 64;
/// and at least so much,
const LEAST_PIECE: usize = 1 << 16;
/// and no more than that.
const MOST_PIECE: usize = 1 << 22;

/// Where a table of so many groups was hardly ever given a row of a group it had, groups are not looked for any more. The
/// tables of unit tests get there too.
const FUTILE_GROUPS: usize = if cfg!(test) { 40 } else { 1 << 18 };
/// A table of so many groups has outgrown every cache: it pays only where groups have two rows or more.
const OUTGROWN_GROUPS: usize = if cfg!(test) { 80 } else { 1 << 20 };
/// A table looks again with so many groups, after rows were put aside.
const AGAIN_GROUPS: usize = if cfg!(test) { 10 } else { 1 << 16 };
/// A table of so many groups that has to leave memory tells whether it was futile: rows take less room on disk than states then.
const SPILLED_GROUPS: usize = if cfg!(test) { 10 } else { 1 << 12 };
/// Of so many groups one may have been given a second row, and the search is still futile.
const FUTILE_SHARE: usize = 10;
/// So many rows are put aside before groups are looked for again.
const ASIDE_ROWS: usize = if cfg!(test) { 60 } else { 1 << 21 };

/// A table, its memory, and where it spills to.
pub(super) struct SpillingTable {
    layout: Arc<Layout>,
    table: GroupTable,
    reservation: MemoryReservation,
    /// Rows taken since the table was empty.
    rows: usize,
    /// Whether the table only looks whether it is still futile to look for groups.
    again: bool,
    /// One in so many groups may get a second row, and it is still futile.
    share: usize,
    /// How many more rows are put aside.
    aside_left: usize,
    aside: Option<RowsAside>,
    /// What left the table or was put aside, and has groups that may come again.
    left: Vec<Sliced>,
    /// How many bits of the hash were used to cut before: those that follow cut what leaves the table.
    used: u32,
    /// `None` where it cannot be cut further.
    file: Option<Arc<PartitionFile>>,
    context: QueryContext,
    metrics: Arc<OperatorMetrics>,
}

impl SpillingTable {
    pub(super) fn new(
        layout: &Arc<Layout>,
        keys: Keys,
        used: u32,
        file: Option<Arc<PartitionFile>>,
        context: &QueryContext,
        metrics: &Arc<OperatorMetrics>,
    ) -> Result<Self> {
        let mut reservation = context.memory.reservation("aggregate", metrics);
        layout.runs.open(context, metrics);
        let table = GroupTable::new(layout, keys)?;
        reservation.resize(table.memory() as u64)?;
        Ok(Self {
            layout: layout.clone(),
            table,
            reservation,
            rows: 0,
            again: false,
            share: FUTILE_SHARE,
            aside_left: 0,
            aside: None,
            left: Vec::new(),
            used,
            file,
            context: context.clone(),
            metrics: metrics.clone(),
        })
    }

    /// Makes room for so many groups, where there is memory for that.
    pub(super) fn reserve(&mut self, groups: usize) {
        let needed = self.table.memory() + self.table.reserve_growth(groups);
        if self.reservation.try_resize(needed as u64) {
            self.table.reserve(groups);
        }
    }

    /// Takes rows.
    pub(super) fn update(&mut self, input: &InputRows) -> Result<()> {
        self.each_piece(input, Self::update_piece)
    }

    /// Rows of long texts are taken a few at a time: what is made of them is as large as they are.
    fn each_piece(&mut self, input: &InputRows, take: impl Fn(&mut Self, &InputRows) -> Result<()>) -> Result<()> {
        let budget = usize::try_from(self.reservation.pool().budget()).unwrap_or(usize::MAX);
        let mut pieces = input.pieces((budget / PIECE_SHARE).clamp(LEAST_PIECE, MOST_PIECE)).into_iter();
        pieces.try_for_each(
            |rows| if rows.len() == input.count { take(self, input) } else { take(self, &input.slice(rows)) },
        )
    }

    fn update_piece(&mut self, input: &InputRows) -> Result<()> {
        self.admit(1, 1, |table, _| table.prepare_growth(input))?;
        self.table.prepare(input)?;
        let (mut start, end) = (0, input.count);
        while start < end {
            let growth = |table: &GroupTable, count| table.update_growth(input, &(start..start + count));
            let count = self.admit(end - start, LEAST_ROWS, growth)?;
            self.table.update(input, start..start + count)?;
            self.settle()?;
            start += count;
            self.rows += count;
        }
        Ok(())
    }

    /// Takes rows, or puts them aside: where nearly every row makes a group of its own, a large table that is searched for
    /// each costs more than it saves.
    pub(super) fn update_or_put_aside(&mut self, input: &InputRows) -> Result<()> {
        if self.aside_left > 0 {
            self.aside_left = self.aside_left.saturating_sub(input.count);
            self.again = self.aside_left == 0;
            return self.put_aside(input);
        }
        self.update(input)?;
        let groups = self.table.group_count();
        let (least, share) = match groups {
            _ if self.again => (AGAIN_GROUPS, self.share),
            OUTGROWN_GROUPS.. => (OUTGROWN_GROUPS, 1),
            _ => (FUTILE_GROUPS, FUTILE_SHARE),
        };
        if groups < least {
            return Ok(());
        }
        if self.is_futile(share) {
            let groups = self.drain()?;
            self.left.push(groups);
            self.put_next_aside(share);
        }
        self.again = false;
        Ok(())
    }

    /// Whether hardly a row since the table was empty was of a group that it had.
    fn is_futile(&self, share: usize) -> bool {
        let groups = self.table.group_count();
        // What was merged are no rows.
        self.rows.checked_sub(groups).is_some_and(|repeated| repeated <= groups / share)
    }

    /// Does not look for the groups of the rows that come next.
    fn put_next_aside(&mut self, share: usize) {
        self.share = share;
        self.aside_left = ASIDE_ROWS;
    }

    /// Puts rows aside.
    pub(super) fn put_aside(&mut self, input: &InputRows) -> Result<()> {
        self.each_piece(input, Self::put_piece_aside)
    }

    fn put_piece_aside(&mut self, input: &InputRows) -> Result<()> {
        let mut aside = match self.aside.take() {
            Some(aside) => aside,
            None => RowsAside::new(&self.layout, self.used, self.context.config.batch_size, self.fresh_reservation()),
        };
        let batch = input.to_batch(&self.layout.rows)?;
        if !aside.try_reserve(&batch) {
            if aside.count() > 0 {
                self.left.push(aside.sort(self.fresh_reservation())?);
            }
            self.spill()?;
            aside.reserve(&batch)?;
        }
        aside.push(&batch, input.keys(&self.layout.rows))?;
        if aside.is_full() {
            self.left.push(aside.sort(self.fresh_reservation())?);
        }
        self.aside = Some(aside);
        Ok(())
    }

    fn fresh_reservation(&self) -> MemoryReservation {
        self.context.memory.reservation("aggregate", &self.metrics)
    }

    /// Takes states.
    pub(super) fn merge(&mut self, states: &RecordBatch) -> Result<()> {
        let (mut start, end) = (0, states.num_rows());
        while start < end {
            let growth = |table: &GroupTable, count| table.merge_growth(&states.slice(start, count));
            // A single state may be large.
            let count = self.admit(end - start, 1, growth)?;
            self.table.merge(&states.slice(start, count))?;
            self.settle()?;
            start += count;
        }
        Ok(())
    }

    /// How many of the next rows there is memory for, after spilling if need be; it is reserved.
    fn admit(&mut self, rows: usize, least: usize, growth: impl Fn(&GroupTable, usize) -> usize) -> Result<usize> {
        let mut count = rows;
        loop {
            let needed = (self.table.memory() + growth(&self.table, count)) as u64;
            if self.reservation.try_resize(needed) {
                return Ok(count);
            }
            if count > FEW_ROWS {
                count = count.div_ceil(2);
            } else if self.can_spill() {
                self.spill()?;
            } else if self.table.shed(FEW_BYTES)? || (self.file.is_none() && self.table.shed(LEAST_BYTES)?) {
                // What cannot be cut further is sorted, group by group.
                self.settle()?;
            } else if count > least {
                count = count.div_ceil(2);
            } else {
                match self.reservation.resize(needed) {
                    Ok(()) => return Ok(count),
                    // What is foreseen for so many rows may be far more than they need.
                    Err(_) if count > 1 => count = count.div_ceil(2),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Reserves what is held in truth. That is at most what was admitted, but for sums of floats of very different
    /// size, which need more than is foreseen for all.
    fn settle(&mut self) -> Result<()> {
        self.reservation.resize(self.table.memory() as u64)
    }

    /// A single group would come back as it went.
    fn can_spill(&self) -> bool {
        self.file.is_some() && (self.table.group_count() > 1 || self.is_cut())
    }

    /// Whether there is more than the table, so that groups may be in several places.
    pub(super) fn is_cut(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.count() > 0) || !self.left.is_empty()
    }

    /// Spills where memory is short and the table holds more than a fair share of it.
    pub(super) fn relieve(&mut self, sharers: usize) -> Result<()> {
        let pool = self.reservation.pool();
        let aside = self.aside.as_ref().map_or(0, RowsAside::memory);
        let left: u64 = self.left.iter().map(Sliced::memory).sum();
        let large = self.reservation.bytes() + aside + left > pool.fair_share(sharers);
        if !large || pool.pressure() < Pressure::Target {
            return Ok(());
        }
        if self.can_spill() { self.spill() } else { self.shed() }
    }

    /// Bytes of the table.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Writes runs where there is not the memory to merge the table with others.
    pub(super) fn make_room(&mut self) -> Result<()> {
        let pool = self.reservation.pool();
        let free = pool.budget().saturating_sub(pool.reserved());
        if MERGING * self.reservation.bytes() > free { self.shed() } else { Ok(()) }
    }

    fn shed(&mut self) -> Result<()> {
        self.table.shed(FEW_BYTES)?;
        self.settle()
    }

    /// Writes everything to the spill file.
    pub(super) fn spill(&mut self) -> Result<()> {
        if let Some(file) = self.file.clone() {
            if self.table.group_count() >= SPILLED_GROUPS && self.is_futile(FUTILE_SHARE) {
                self.put_next_aside(FUTILE_SHARE);
            }
            // No state may be so large that it does not come back.
            let large = usize::try_from(self.reservation.pool().budget() / LARGE_SHARE).unwrap_or(usize::MAX);
            self.table.shed(large.max(FEW_BYTES))?;
            file.write(&self.take()?, &self.context)?;
        }
        Ok(())
    }

    /// Takes everything, with the memory it is in.
    pub(super) fn take(&mut self) -> Result<Vec<Sliced>> {
        let mut all = std::mem::take(&mut self.left);
        if let Some(mut aside) = self.aside.take().filter(|aside| aside.count() > 0) {
            all.push(aside.sort(self.fresh_reservation())?);
        }
        if self.table.group_count() > 0 {
            all.push(self.drain()?);
        }
        Ok(all)
    }

    /// Takes all groups out of the table, with the memory they are in.
    fn drain(&mut self) -> Result<Sliced> {
        let mut reservation = self.fresh_reservation();
        std::mem::swap(&mut reservation, &mut self.reservation);
        let states = self.table.drain()?;
        let groups = Sliced::states(states, self.used, self.context.config.batch_size, reservation)?;
        self.rows = 0;
        self.settle()?;
        Ok(groups)
    }

    /// Reserves what finishing needs for groups that are in runs; `false` where the groups have to be cut before, so that
    /// fewer of them are finished at once.
    pub(super) fn try_reserve_results(&mut self) -> Result<bool> {
        let growth = self.table.finish_growth();
        let needed = self.table.memory() as u64 + growth;
        if growth == 0 || self.reservation.try_resize(needed) {
            return Ok(true);
        }
        if self.can_spill() {
            return Ok(false);
        }
        let reserved = self.reservation.resize(needed);
        reserved.map(|()| true).map_err(|error| {
            error.without_hint().with_hint(
                "the list or the text of one group does not fit; group by more keys, gather fewer values, or raise \
                 --memory-limit",
            )
        })
    }

    /// The results, with the memory they are in.
    pub(super) fn finish(self) -> Result<(FinishedGroups, MemoryReservation)> {
        let Self { table, mut reservation, .. } = self;
        let groups = table.finish()?;
        reservation.resize(groups.memory() as u64)?;
        Ok((groups, reservation))
    }
}
