//! The conditions of a scan, in groups that are checked one after another: columns of later groups are read only of the rows
//! that pass the earlier ones, where that pays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::and;
use arrow::datatypes::{Schema, SchemaRef};

use crate::batch::record_batch;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::eval::Predicate;
use crate::expr::BoundExpr;

/// The conditions of a scan.
#[derive(Debug)]
pub(super) struct Condition {
    /// Over the columns of the table.
    pub filters: Vec<BoundExpr>,
    pub groups: Vec<Group>,
    /// Whether a condition can fail. Then all are checked batch by batch in their order, so that whether and where they fail depends on
    /// neither what was measured nor how far was read ahead.
    pub can_fail: bool,
}

/// Conditions over the same columns.
#[derive(Debug)]
pub(super) struct Group {
    predicate: Predicate,
    /// The columns, by index into the table's.
    pub columns: Vec<usize>,
    schema: SchemaRef,
    /// Rows checked so far, by all threads.
    seen: AtomicU64,
    /// Those of them that passed.
    passed: AtomicU64,
    /// Those that were in a batch of which some row passed.
    reached: AtomicU64,
}

/// What conditions leave of the rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selectivity {
    /// The share of rows that pass.
    pub rows: f64,
    /// The share of rows that have one that passes near them: what further columns are read of, page by page.
    pub pages: f64,
}

impl Selectivity {
    pub const ALL: Self = Self { rows: 1.0, pages: 1.0 };

    /// What is left by conditions that know nothing of each other.
    pub fn and(self, other: Self) -> Self {
        Self { rows: self.rows * other.rows, pages: self.pages * other.pages }
    }

    /// Whether it pays to read further columns only of what passes: where pages need not be decompressed at all, or hardly a
    /// value of them decoded.
    pub fn pays(self) -> bool {
        self.pages <= 0.5 || self.rows <= 0.02
    }
}

impl Condition {
    /// The conditions of a scan of a table; `None` where there are none.
    pub fn new(filters: &[BoundExpr], table: &Schema, config: &Arc<Config>) -> Result<Option<Self>> {
        let Some(all) = BoundExpr::conjunction(filters.iter().cloned()) else { return Ok(None) };
        let whole = Group::new(all.clone(), table, config)?;
        if whole.predicate.can_fail() {
            return Ok(Some(Self { filters: filters.to_vec(), groups: vec![whole], can_fail: true }));
        }
        let mut parts: Vec<(Vec<usize>, Vec<BoundExpr>)> = Vec::new();
        for conjunct in all.conjuncts() {
            let columns = conjunct.columns();
            match parts.iter_mut().find(|(known, _)| *known == columns) {
                Some((_, conjuncts)) => conjuncts.push(conjunct),
                None => parts.push((columns, vec![conjunct])),
            }
        }
        let groups = parts.into_iter().filter_map(|(_, conjuncts)| BoundExpr::conjunction(conjuncts));
        let groups = groups.map(|condition| Group::new(condition, table, config)).collect::<Result<_>>()?;
        Ok(Some(Self { filters: filters.to_vec(), groups, can_fail: false }))
    }

    /// The rows of a batch that pass some of the groups. `slots` are the columns of the batch, by index into the table's.
    pub fn mask(&self, groups: &[usize], slots: &[usize], batch: &RecordBatch) -> Result<BooleanArray> {
        let mut mask: Option<BooleanArray> = None;
        for group in groups.iter().filter_map(|group| self.groups.get(*group)) {
            let passed = group.mask(slots, batch)?;
            mask = Some(match mask {
                Some(mask) => and(&mask, &passed)?,
                None => passed,
            });
        }
        mask.ok_or_else(|| Error::internal("a scan checks no condition"))
    }
}

impl Group {
    fn new(condition: BoundExpr, table: &Schema, config: &Arc<Config>) -> Result<Self> {
        let columns = condition.columns();
        let position = |column: usize| columns.iter().position(|known| *known == column).unwrap_or(column);
        let predicate = Predicate::new(&condition.renumber(&position), config)?;
        let schema = Arc::new(table.project(&columns)?);
        Ok(Self {
            predicate,
            columns,
            schema,
            seen: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            reached: AtomicU64::new(0),
        })
    }

    /// What passes, as far as is known. Before anything is known, it is little: whoever writes a condition mostly wants few rows,
    /// and being wrong about that costs a part of one partition.
    pub fn selectivity(&self) -> Selectivity {
        let seen = self.seen.load(Relaxed) as f64;
        let share = |rows: &AtomicU64| (rows.load(Relaxed) as f64 + 0.01) / (seen + 1.0);
        Selectivity { rows: share(&self.passed), pages: share(&self.reached) }
    }

    /// Rows checked so far.
    pub fn rows_seen(&self) -> u64 {
        self.seen.load(Relaxed)
    }

    fn mask(&self, slots: &[usize], batch: &RecordBatch) -> Result<BooleanArray> {
        let column = |column: &usize| {
            let position = slots.iter().position(|slot| slot == column);
            position.and_then(|position| batch.columns().get(position)).cloned()
        };
        let columns = self.columns.iter().map(column).collect::<Option<Vec<_>>>();
        let columns = columns.ok_or_else(|| Error::internal("a condition over a column that was not read"))?;
        let mask = self.predicate.mask(&record_batch(&self.schema, columns, batch.num_rows())?)?;
        self.seen.fetch_add(batch.num_rows() as u64, Relaxed);
        let passed = mask.true_count() as u64;
        self.passed.fetch_add(passed, Relaxed);
        self.reached.fetch_add(if passed > 0 { batch.num_rows() as u64 } else { 0 }, Relaxed);
        Ok(mask)
    }
}
