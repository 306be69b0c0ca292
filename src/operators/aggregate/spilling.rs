//! A table inside of the memory budget: it reserves before it grows, and goes to disk where it may not.
//!
//! ```text
//! rows or states ─► may the table grow by what they need at most? ─yes─► take them, reserve what is held in truth
//!                        │ no
//!                        ├─► fewer rows at once        (down to 1024)
//!                        ├─► spill the whole table     (where it has more than one group)
//!                        ├─► runs of groups of many values
//!                        ├─► still fewer rows at once  (down to 64, and to one state)
//!                        └─► take what cannot be done without, up to `terminate`: else the error of the budget
//! ```

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::keys::Keys;
use super::layout::Layout;
use super::partition::{DrainedGroups, PartitionFiles};
use super::table::{FinishedGroups, GroupTable, InputRows};
use crate::context::QueryContext;
use crate::error::Result;
use crate::memory::{MemoryReservation, Pressure};
use crate::metrics::OperatorMetrics;

/// Fewer rows at once do not pay before the table was spilled.
const FEW_ROWS: usize = 1024;
/// Fewer rows at once do not pay at all.
const LEAST_ROWS: usize = 64;

/// Groups of fewer values do not pay to be written as runs.
const FEW_VALUES: usize = 4096;
/// A group with more values than this share of the budget's bytes does not go to a partition's file as one state.
const LARGE_SHARE: u64 = 1024;
/// Merging a state takes about so many times its memory.
const MERGING: u64 = 4;

/// Where a table of so many groups was hardly ever given a row of a group it had, groups are not looked for any more. The
/// tables of unit tests get there too.
const FUTILE_GROUPS: usize = if cfg!(test) { 40 } else { 1 << 18 };
/// Rows of each so many groups may have met one that was there, and the search for it is still futile.
const FUTILE_SHARE: usize = 10;
/// Groups that are put aside at once, where they are not looked for.
const ASIDE_GROUPS: usize = if cfg!(test) { 20 } else { 1 << 17 };
/// So many times groups are put aside before they are looked for again.
const ASIDE_TIMES: u32 = if cfg!(test) { 3 } else { 16 };

/// A table, its memory, and where it spills to.
pub(super) struct SpillingTable {
    table: GroupTable,
    reservation: MemoryReservation,
    /// Rows taken since the table was empty.
    rows: usize,
    /// Groups that left the table, and may come again.
    aside: Vec<DrainedGroups>,
    /// How many times more groups are put aside without being looked for.
    aside_times: u32,
    /// `None` where partitions cannot be cut further.
    files: Option<Arc<PartitionFiles>>,
    context: QueryContext,
    metrics: Arc<OperatorMetrics>,
}

impl SpillingTable {
    pub(super) fn new(
        layout: &Arc<Layout>,
        keys: Keys,
        files: Option<Arc<PartitionFiles>>,
        context: &QueryContext,
        metrics: &Arc<OperatorMetrics>,
    ) -> Result<Self> {
        let mut reservation = context.memory.reservation("aggregate", metrics);
        layout.runs.open(context, metrics);
        let table = GroupTable::new(layout, keys)?;
        reservation.resize(table.memory() as u64)?;
        Ok(Self {
            table,
            reservation,
            rows: 0,
            aside: Vec::new(),
            aside_times: 0,
            files,
            context: context.clone(),
            metrics: metrics.clone(),
        })
    }

    /// Takes rows.
    pub(super) fn update(&mut self, input: &InputRows) -> Result<()> {
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

    /// Where nearly every row makes a group of its own, a large table that is searched for each costs more than it saves:
    /// then rows are put aside as states, which are searched partition by partition in the end.
    pub(super) fn put_aside(&mut self) -> Result<()> {
        let groups = self.table.group_count();
        if self.aside_times > 0 {
            if groups < ASIDE_GROUPS {
                return Ok(());
            }
            self.aside_times -= 1;
        } else if groups < FUTILE_GROUPS || self.rows - groups > groups / FUTILE_SHARE {
            return Ok(());
        } else {
            self.aside_times = ASIDE_TIMES;
        }
        if let Some(files) = self.files.clone() {
            let groups = self.drain(files.level())?;
            self.aside.push(groups);
            self.table.look_for_groups(self.aside_times == 0);
        }
        Ok(())
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
            } else if self.table.shed(FEW_VALUES)? {
                self.settle()?;
            } else if count > least {
                count = count.div_ceil(2);
            } else {
                self.reservation.resize(needed)?;
                return Ok(count);
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
        self.files.is_some() && (self.table.group_count() > 1 || !self.aside.is_empty())
    }

    /// Spills where memory is short and the table holds more than a fair share of it.
    pub(super) fn relieve(&mut self, sharers: usize) -> Result<()> {
        let pool = self.reservation.pool();
        let aside: u64 = self.aside.iter().map(DrainedGroups::memory).sum();
        let large = self.reservation.bytes() + aside > pool.fair_share(sharers);
        if !large || pool.pressure() < Pressure::Target {
            return Ok(());
        }
        if self.can_spill() { self.spill() } else { self.shed() }
    }

    /// Writes runs where there is not the memory to merge the table with others.
    pub(super) fn make_room(&mut self) -> Result<()> {
        let pool = self.reservation.pool();
        let free = pool.budget().saturating_sub(pool.reserved());
        if MERGING * self.reservation.bytes() > free { self.shed() } else { Ok(()) }
    }

    fn shed(&mut self) -> Result<()> {
        self.table.shed(FEW_VALUES)?;
        self.settle()
    }

    /// Writes all groups to the files of their partitions.
    pub(super) fn spill(&mut self) -> Result<()> {
        if let Some(files) = self.files.clone() {
            // No state may be so large that it does not come back.
            let large = usize::try_from(self.reservation.pool().budget() / LARGE_SHARE).unwrap_or(usize::MAX);
            self.table.shed(large.max(FEW_VALUES))?;
            for groups in std::mem::take(&mut self.aside) {
                files.write(&groups, &self.context)?;
            }
            let groups = self.drain(files.level())?;
            files.write(&groups, &self.context)?;
        }
        Ok(())
    }

    /// Takes all groups, with the memory they are in.
    pub(super) fn take(&mut self, level: u32) -> Result<Vec<DrainedGroups>> {
        let last = self.drain(level)?;
        let mut groups = std::mem::take(&mut self.aside);
        groups.push(last);
        Ok(groups)
    }

    /// Takes all groups out of the table, with the memory they are in.
    fn drain(&mut self, level: u32) -> Result<DrainedGroups> {
        let mut fresh = self.context.memory.reservation("aggregate", &self.metrics);
        std::mem::swap(&mut fresh, &mut self.reservation);
        let states = self.table.drain()?;
        let groups = DrainedGroups::new(states, level, self.context.config.batch_size, fresh)?;
        self.rows = 0;
        self.settle()?;
        Ok(groups)
    }

    /// The results, with the memory they are in.
    pub(super) fn finish(self) -> Result<(FinishedGroups, MemoryReservation)> {
        let Self { table, mut reservation, .. } = self;
        let groups = table.finish()?;
        reservation.resize(groups.memory() as u64)?;
        Ok((groups, reservation))
    }
}
