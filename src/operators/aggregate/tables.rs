//! The groups of a worker: one table or, once that has outgrown the caches, a table for each few slices of the hash.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::keys::Keys;
use super::layout::Layout;
use super::partition::SLICES;
use super::table::{FinishedGroups, GroupTable};
use crate::error::Result;

/// Tables of a cut one. A million groups with a few sums each make tables of less than a megabyte.
const TABLES: usize = 128;
/// The slices of each.
const WIDTH: usize = SLICES / TABLES;

/// Tables, of which one is at hand.
pub(super) struct Tables {
    layout: Arc<Layout>,
    keys: Keys,
    /// One, or as many as [`TABLES`].
    tables: Vec<GroupTable>,
    at_hand: usize,
    /// What the others hold.
    others_memory: usize,
    others_groups: usize,
}

impl Tables {
    /// One table without groups.
    pub(super) fn new(layout: &Arc<Layout>, keys: Keys) -> Result<Self> {
        let tables = vec![GroupTable::new(layout, keys)?];
        Ok(Self { layout: layout.clone(), keys, tables, at_hand: 0, others_memory: 0, others_groups: 0 })
    }

    /// The table at hand.
    pub(super) fn table(&self) -> &GroupTable {
        &self.tables[self.at_hand]
    }

    pub(super) fn table_mut(&mut self) -> &mut GroupTable {
        &mut self.tables[self.at_hand]
    }

    /// Whether each table is for some slices only.
    pub(super) fn are_cut(&self) -> bool {
        self.tables.len() > 1
    }

    /// Makes a table for each few slices. There must be no groups.
    pub(super) fn cut(&mut self) -> Result<()> {
        while self.tables.len() < TABLES {
            self.tables.push(GroupTable::new(&self.layout, self.keys)?);
        }
        self.others_memory = self.tables.iter().map(GroupTable::memory).sum::<usize>() - self.table().memory();
        Ok(())
    }

    /// The slices of each table, where they are cut.
    pub(super) fn slices() -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        (0..TABLES).map(|table| (table, table * WIDTH..(table + 1) * WIDTH))
    }

    /// Takes another table to hand.
    pub(super) fn select(&mut self, table: usize) {
        self.others_memory += self.table().memory();
        self.others_groups += self.table().group_count();
        // Tables may have been joined again meanwhile.
        self.at_hand = table.min(self.tables.len() - 1);
        self.others_memory -= self.table().memory();
        self.others_groups -= self.table().group_count();
    }

    /// The groups of all tables.
    pub(super) fn group_count(&self) -> usize {
        self.others_groups + self.table().group_count()
    }

    /// Bytes of all tables, see [`GroupTable::memory`].
    pub(super) fn memory(&self) -> usize {
        self.others_memory + self.table().memory()
    }

    /// Writes parts of groups with values of at least so many bytes as runs; whether there were any.
    pub(super) fn shed(&mut self, least: usize) -> Result<bool> {
        let (mut any, at_hand) = (false, self.at_hand);
        for table in 0..self.tables.len() {
            self.select(table);
            any |= self.table_mut().shed(least)?;
        }
        self.select(at_hand);
        Ok(any)
    }

    /// The groups of each table as states, with the bytes that they were held in; what stays is the
    /// table at hand, without groups: it may have been prepared for the rows that come next.
    pub(super) fn drain(&mut self) -> Result<Vec<(usize, RecordBatch)>> {
        let drain = |table: &mut GroupTable| Ok((table.memory(), table.drain()?));
        let drained = self.tables.iter_mut().map(drain).collect::<Result<_>>()?;
        self.tables.swap(0, self.at_hand);
        self.tables.truncate(1);
        (self.at_hand, self.others_memory, self.others_groups) = (0, 0, 0);
        Ok(drained)
    }

    /// The results of the one table.
    pub(super) fn finish(mut self) -> Result<FinishedGroups> {
        debug_assert!(!self.are_cut());
        self.tables.swap_remove(0).finish()
    }
}
