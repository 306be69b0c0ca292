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
use super::tables::Tables;
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

/// Once a table has so many groups, it is seen whether it pays to look for them. The tables of unit tests get there too.
const LARGE_GROUPS: usize = if cfg!(test) { 40 } else { 1 << 18 };
/// Tables of so many groups pay only where groups have two rows or more.
const OUTGROWN_GROUPS: usize = if cfg!(test) { 80 } else { 1 << 20 };
/// A table looks again with so many groups, after rows were put aside.
const AGAIN_GROUPS: usize = if cfg!(test) { 10 } else { 1 << 16 };
/// Tables of so many groups that have to leave memory tell whether they were futile: rows take less room on disk than states
/// then.
const SPILLED_GROUPS: usize = if cfg!(test) { 10 } else { 1 << 12 };
/// Of so many groups one may have been given a second row, and the search is still futile.
const FUTILE_SHARE: usize = 10;
/// So many rows are put aside before groups are looked for again.
const ASIDE_ROWS: usize = if cfg!(test) { 60 } else { 1 << 21 };
/// So many rows are collected for tables that are cut: each table, once it is in the cache, is given many at once. With a
/// million groups and a quarter of that, it takes half as long again.
const COLLECTED_ROWS: usize = if cfg!(test) { 100 } else { 1 << 21 };
/// All workers collect no more of the budget than one in so many bytes.
const COLLECTED_SHARE: u64 = 8;

/// What becomes of the next rows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Their groups are looked for in one table.
    Table,
    /// The same, after rows were put aside; one in `share` groups may get a second row, and it is still futile.
    Again { share: usize },
    /// They are collected by slice of the hash, and looked for in the tables of a few slices each.
    Cut,
    /// So many of them are put aside; then groups are looked for again.
    Aside { rows: usize, share: usize },
}

/// A table, its memory, and where it spills to.
pub(super) struct SpillingTable {
    layout: Arc<Layout>,
    tables: Tables,
    reservation: MemoryReservation,
    /// Rows taken since the tables were empty.
    rows: usize,
    way: Way,
    /// Rows put aside or collected, until they are sorted.
    aside: Option<RowsAside>,
    /// Rows collected for the tables.
    collected: Vec<Sliced>,
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
        let tables = Tables::new(layout, keys)?;
        reservation.resize(tables.memory() as u64)?;
        Ok(Self {
            layout: layout.clone(),
            tables,
            reservation,
            rows: 0,
            way: Way::Table,
            aside: None,
            collected: Vec::new(),
            left: Vec::new(),
            used,
            file,
            context: context.clone(),
            metrics: metrics.clone(),
        })
    }

    /// Makes room for so many groups, where there is memory for that.
    pub(super) fn reserve(&mut self, groups: usize) {
        let needed = self.tables.memory() + self.tables.table().reserve_growth(groups);
        if self.reservation.try_resize(needed as u64) {
            self.tables.table_mut().reserve(groups);
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
        self.tables.table_mut().prepare(input)?;
        let (mut start, end) = (0, input.count);
        while start < end {
            let growth = |table: &GroupTable, count| table.update_growth(input, &(start..start + count));
            let count = self.admit(end - start, LEAST_ROWS, growth)?;
            self.tables.table_mut().update(input, start..start + count)?;
            self.settle()?;
            start += count;
            self.rows += count;
        }
        Ok(())
    }

    /// Takes rows by the way that pays, which depends on how many groups there are, and on how many rows they have:
    ///
    /// ```text
    /// one table ─► many groups? ─► hardly a second row of any ─► rows are put aside for a while, then one table again
    ///                         ├─► rows all over the groups ───► tables by slice, each given many rows at once
    ///                         └─► rows of near groups ────────► one table
    /// ```
    pub(super) fn update_or_put_aside(&mut self, input: &InputRows) -> Result<()> {
        match self.way {
            Way::Aside { rows, share } => {
                self.way = match rows.saturating_sub(input.count) {
                    0 => Way::Again { share },
                    rows => Way::Aside { rows, share },
                };
                self.put_aside(input)
            }
            Way::Cut => {
                self.collect(input)?;
                if self.is_futile(OUTGROWN_GROUPS, 1) { self.give_up(1) } else { Ok(()) }
            }
            Way::Again { share } => {
                self.update(input)?;
                if self.is_futile(AGAIN_GROUPS, share) {
                    return self.give_up(share);
                }
                if self.tables.group_count() >= AGAIN_GROUPS {
                    self.way = Way::Table;
                }
                Ok(())
            }
            Way::Table => {
                let before = self.tables.group_count();
                self.update(input)?;
                if self.is_futile(LARGE_GROUPS, FUTILE_SHARE) {
                    self.give_up(FUTILE_SHARE)
                } else if self.is_futile(OUTGROWN_GROUPS, 1) {
                    self.give_up(1)
                } else if self.tables.group_count() >= LARGE_GROUPS && self.tables.table().is_scattered(before) {
                    self.cut()
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Whether tables of so many groups hardly ever were given a row of a group they had.
    fn is_futile(&self, least_groups: usize, share: usize) -> bool {
        let groups = self.tables.group_count();
        // What was merged are no rows.
        let repeated = self.rows.checked_sub(groups);
        groups >= least_groups && repeated.is_some_and(|repeated| repeated <= groups / share)
    }

    /// Puts the next rows aside: where nearly every row makes a group of its own, a large table that is searched for each
    /// costs more than it saves.
    fn give_up(&mut self, share: usize) -> Result<()> {
        self.leave()?;
        self.way = Way::Aside { rows: ASIDE_ROWS, share };
        Ok(())
    }

    /// Goes on with tables by slice.
    fn cut(&mut self) -> Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        self.leave()?;
        self.tables.cut()?;
        self.way = Way::Cut;
        self.settle()
    }

    /// Sets apart all there is. Its groups may come again.
    fn leave(&mut self) -> Result<()> {
        self.way = Way::Table;
        let groups = self.take()?;
        self.left = groups;
        Ok(())
    }

    /// Collects rows for the tables of their slices.
    fn collect(&mut self, input: &InputRows) -> Result<()> {
        self.put_aside(input)?;
        let rows: usize = self.collected.iter().map(Sliced::count).sum();
        let memory: u64 = self.collected.iter().map(Sliced::memory).sum();
        let most = self.reservation.pool().budget() / (COLLECTED_SHARE * self.context.config.threads.max(1) as u64);
        if rows < COLLECTED_ROWS && memory < most {
            return Ok(());
        }
        let collected = std::mem::take(&mut self.collected);
        for (table, slices) in Tables::slices() {
            self.context.cancel.check()?;
            self.tables.select(table);
            for rows in &collected {
                for block in rows.blocks(slices.clone()) {
                    self.update(&InputRows::from_batch(&block?, &self.layout.rows))?;
                }
            }
        }
        Ok(())
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
            let rows = aside.sort(self.fresh_reservation())?;
            if self.way == Way::Cut { &mut self.collected } else { &mut self.left }.push(rows);
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
            self.tables.table_mut().merge(&states.slice(start, count))?;
            self.settle()?;
            start += count;
        }
        Ok(())
    }

    /// How many of the next rows there is memory for, after spilling if need be; it is reserved.
    fn admit(&mut self, rows: usize, least: usize, growth: impl Fn(&GroupTable, usize) -> usize) -> Result<usize> {
        let mut count = rows;
        loop {
            let needed = (self.tables.memory() + growth(self.tables.table(), count)) as u64;
            if self.reservation.try_resize(needed) {
                return Ok(count);
            }
            if count > FEW_ROWS {
                count = count.div_ceil(2);
            } else if self.can_spill() {
                self.spill()?;
            } else if self.tables.shed(FEW_BYTES)? || (self.file.is_none() && self.tables.shed(LEAST_BYTES)?) {
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
        self.reservation.resize(self.tables.memory() as u64)
    }

    /// A single group would come back as it went.
    fn can_spill(&self) -> bool {
        self.file.is_some() && (self.tables.group_count() > 1 || self.is_cut())
    }

    /// Whether there is more than the table, so that groups may be in several places.
    pub(super) fn is_cut(&self) -> bool {
        let aside = self.aside.as_ref().is_some_and(|aside| aside.count() > 0);
        aside || self.tables.are_cut() || !self.collected.is_empty() || !self.left.is_empty()
    }

    /// Spills where memory is short and the table holds more than a fair share of it.
    pub(super) fn relieve(&mut self, sharers: usize) -> Result<()> {
        let pool = self.reservation.pool();
        let aside = self.aside.as_ref().map_or(0, RowsAside::memory);
        let left: u64 = self.left.iter().chain(&self.collected).map(Sliced::memory).sum();
        let large = self.reservation.bytes() + aside + left > pool.fair_share(sharers);
        if !large || pool.pressure() < Pressure::Target {
            return Ok(());
        }
        if self.can_spill() { self.spill() } else { self.shed() }
    }

    #[cfg(test)]
    pub(super) fn has_tables_by_slice(&self) -> bool {
        self.tables.are_cut()
    }

    /// Bytes of the tables.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.tables.memory()
    }

    /// Writes runs where there is not the memory to merge the table with others.
    pub(super) fn make_room(&mut self) -> Result<()> {
        let pool = self.reservation.pool();
        let free = pool.budget().saturating_sub(pool.reserved());
        if MERGING * self.reservation.bytes() > free { self.shed() } else { Ok(()) }
    }

    fn shed(&mut self) -> Result<()> {
        self.tables.shed(FEW_BYTES)?;
        self.settle()
    }

    /// Writes everything to the spill file.
    pub(super) fn spill(&mut self) -> Result<()> {
        if let Some(file) = self.file.clone() {
            // No state may be so large that it does not come back.
            let large = usize::try_from(self.reservation.pool().budget() / LARGE_SHARE).unwrap_or(usize::MAX);
            self.tables.shed(large.max(FEW_BYTES))?;
            let futile = self.is_futile(SPILLED_GROUPS, FUTILE_SHARE);
            file.write(&self.take()?, &self.context)?;
            if futile {
                self.way = Way::Aside { rows: ASIDE_ROWS, share: FUTILE_SHARE };
            }
        }
        Ok(())
    }

    /// Takes everything, with the memory it is in.
    pub(super) fn take(&mut self) -> Result<Vec<Sliced>> {
        let mut all = std::mem::take(&mut self.left);
        all.append(&mut self.collected);
        if let Some(mut aside) = self.aside.take().filter(|aside| aside.count() > 0) {
            all.push(aside.sort(self.fresh_reservation())?);
        }
        for (memory, states) in self.tables.drain()? {
            let reservation = self.reservation.split(memory as u64);
            if states.num_rows() > 0 {
                all.push(Sliced::states(states, self.used, self.context.config.batch_size, reservation)?);
            }
        }
        if self.way == Way::Cut {
            self.way = Way::Table;
        }
        self.rows = 0;
        self.settle()?;
        Ok(all)
    }

    /// Reserves what finishing needs for groups that are in runs; `false` where the groups have to be cut before, so that
    /// fewer of them are finished at once.
    pub(super) fn try_reserve_results(&mut self) -> Result<bool> {
        self.tables.table_mut().join_runs()?;
        let growth = self.tables.table().finish_growth();
        let needed = self.tables.memory() as u64 + growth;
        if growth == 0 || self.reservation.try_resize(needed) {
            return Ok(true);
        }
        if self.can_spill() {
            return Ok(false);
        }
        let reserved = self.reservation.resize(needed);
        reserved.map(|()| true).map_err(|error| {
            error.without_hint().with_hint(
                "what is made of one group does not fit, as a list or a text; group by more keys, gather fewer values, or \
                 raise --memory-limit",
            )
        })
    }

    /// The results, with the memory they are in.
    pub(super) fn finish(self) -> Result<(FinishedGroups, MemoryReservation)> {
        let Self { tables, mut reservation, .. } = self;
        let groups = tables.finish()?;
        reservation.resize(groups.memory() as u64)?;
        Ok((groups, reservation))
    }
}
