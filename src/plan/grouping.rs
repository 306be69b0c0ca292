//! GROUPING SETS, ROLLUP and CUBE: what they stand for, and the plan that computes all sets in one pass.
//!
//! ```text
//! GROUP BY a, ROLLUP (b)   is   GROUP BY GROUPING SETS ((a, b), (a))
//!
//! Aggregate by a, b, grouping_id
//!   Union                                          only with the empty set, which has a row over no rows too
//!     Expand [b, grouping_id] = (b, 0), (NULL, 1)  each row once for each set
//!       Project a, b, what is aggregated
//!     Values                                       for each empty set a row that no aggregate counts
//! ```
//!
//! The grouping id has a bit for each key that is not in every set: 1 where the set lacks it. Above them it counts sets
//! that are the same. So nulls of the data and nulls of keys that a set lacks are different groups, a set that is
//! written twice gives its rows twice, and GROUPING is arithmetic on the id.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, new_null_array};

use super::{Aggregate, Expand, LogicalPlan, NamedExpr, Project, Union, Values};
use crate::batch::record_batch;
use crate::error::{Error, Result};
use crate::expr::{AggregateExpr, BinaryOp, BoundExpr, Expr};
use crate::types::{DataType, Scalar};

/// Grouping sets of one GROUP BY, at most: those of a CUBE of 12 keys.
const MAX_SETS: usize = 4096;

/// Keys that have a bit in the grouping id, at most; with the number of a set they fit into 63 bits.
const MAX_PARTIAL_KEYS: usize = 50;

/// Keys that GROUPING takes, at most: its result is an INTEGER.
const MAX_GROUPING_KEYS: usize = 31;

/// The column that tells the sets apart.
const GROUPING_ID: &str = "grouping_id";

/// Aggregates over which a row of nulls is as good as none. Others get a filter that leaves it out.
const SKIP_NULLS: [&str; 20] = [
    "count",
    "count_if",
    "sum",
    "avg",
    "min",
    "max",
    "stddev_samp",
    "stddev_pop",
    "var_samp",
    "var_pop",
    "median",
    "quantile",
    "quantile_disc",
    "mode",
    "any_value",
    "bool_and",
    "bool_or",
    "approx_quantile",
    "approx_count_distinct",
    "corr",
];

/// An item of GROUP BY. Items that stand side by side are combined: each set of one with each set of the other.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupItem {
    /// One set of a key, of several in parentheses, or of none: `()`.
    Keys(Vec<Expr>),
    /// The sets of the first keys: all of them, all but the last, … none. What stands in parentheses counts as one.
    Rollup(Vec<Vec<Expr>>),
    /// All combinations of the keys.
    Cube(Vec<Vec<Expr>>),
    /// The sets of all items, one after another.
    Sets(Vec<GroupItem>),
}

/// All keys of GROUP BY, and the sets of them that rows are grouped by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grouping {
    /// The keys as they are written, those that are written twice too.
    pub keys: Vec<Expr>,
    /// Positions in `keys`; `None` for the one set of all keys.
    pub sets: Option<Vec<Vec<usize>>>,
}

impl Grouping {
    /// The sets that the items stand for.
    ///
    /// # Errors
    /// An SQL error for more sets than are possible.
    pub fn of(items: Vec<GroupItem>) -> Result<Self> {
        let is_plain = items.iter().all(|item| matches!(item, GroupItem::Keys(_)));
        let mut keys = Vec::new();
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for item in items {
            let of_item = sets_of(item, &mut keys)?;
            check_count(sets.len().saturating_mul(of_item.len()))?;
            let combined = sets.iter().flat_map(|set| of_item.iter().map(move |other| [&set[..], &other[..]].concat()));
            sets = combined.collect();
        }
        // `GROUP BY ()` has one group, also over no rows.
        let is_one = is_plain && !keys.is_empty();
        Ok(Self { keys, sets: if is_one { None } else { Some(sets) } })
    }
}

fn check_count(sets: usize) -> Result<()> {
    if sets <= MAX_SETS {
        return Ok(());
    }
    Err(Error::sql(format!("GROUP BY makes more than {MAX_SETS} grouping sets"))
        .with_hint("ROLLUP of n keys has n + 1 sets, CUBE 2^n, and those of items side by side are multiplied"))
}

fn sets_of(item: GroupItem, keys: &mut Vec<Expr>) -> Result<Vec<Vec<usize>>> {
    let mut positions = |exprs: Vec<Expr>| -> Vec<usize> {
        let first = keys.len();
        keys.extend(exprs);
        (first..keys.len()).collect()
    };
    Ok(match item {
        GroupItem::Keys(exprs) => vec![positions(exprs)],
        GroupItem::Rollup(elements) => {
            check_count(elements.len() + 1)?;
            let elements: Vec<Vec<usize>> = elements.into_iter().map(positions).collect();
            (0..=elements.len()).rev().map(|length| elements[..length].concat()).collect()
        }
        GroupItem::Cube(elements) => {
            let count = u32::try_from(elements.len()).ok().and_then(|bits| 1_usize.checked_shl(bits));
            let count = count.unwrap_or(usize::MAX);
            check_count(count)?;
            let elements: Vec<Vec<usize>> = elements.into_iter().map(positions).collect();
            // The first element is the one that changes last.
            let has = |missing: usize, element: usize| missing >> (elements.len() - 1 - element) & 1 == 0;
            let set = |missing: usize| {
                let kept = elements.iter().enumerate().filter(|(element, _)| has(missing, *element));
                kept.flat_map(|(_, positions)| positions.iter().copied()).collect()
            };
            (0..count).map(set).collect()
        }
        GroupItem::Sets(items) => {
            let mut sets = Vec::new();
            for item in items {
                sets.append(&mut sets_of(item, keys)?);
                check_count(sets.len())?;
            }
            sets
        }
    })
}

/// Whether a function of that name tells which keys a grouping set lacks.
pub(super) fn is_grouping(name: &str) -> bool {
    matches!(name, "grouping" | "grouping_id")
}

/// GROUPING of keys, until it is known what the sets are.
pub(super) fn unbound_grouping(args: Vec<BoundExpr>) -> Result<BoundExpr> {
    if args.is_empty() || args.len() > MAX_GROUPING_KEYS {
        return Err(Error::sql(format!("GROUPING takes from 1 to {MAX_GROUPING_KEYS} keys of GROUP BY")));
    }
    Ok(BoundExpr::Call { name: "grouping", args, data_type: DataType::Int32 })
}

/// More than one grouping set over the keys of a GROUP BY.
#[derive(Debug)]
pub(super) struct GroupingSets {
    /// Which keys each set has.
    sets: Vec<Vec<bool>>,
    /// The keys that are not in every set. The last one has the lowest bit of the grouping id.
    partial: Vec<usize>,
}

impl GroupingSets {
    /// Sets of positions among so many keys.
    pub(super) fn new(sets: &[Vec<usize>], keys: usize) -> Result<Self> {
        let has = |set: &Vec<usize>| (0..keys).map(|key| set.contains(&key)).collect();
        let sets: Vec<Vec<bool>> = sets.iter().map(has).collect();
        let partial: Vec<usize> = (0..keys).filter(|&key| sets.iter().any(|set| !set[key])).collect();
        if partial.len() > MAX_PARTIAL_KEYS {
            return Err(Error::sql(format!("more than {MAX_PARTIAL_KEYS} keys are not in all grouping sets"))
                .with_hint(
                    "put keys into parentheses that belong together, and compute those apart that depend on others",
                ));
        }
        Ok(Self { sets, partial })
    }

    fn bit(&self, partial: usize) -> usize {
        self.partial.len() - 1 - partial
    }

    /// The grouping id of each set.
    fn ids(&self) -> Vec<i64> {
        let mut seen: HashMap<i64, i64> = HashMap::new();
        let mut ids = Vec::with_capacity(self.sets.len());
        for set in &self.sets {
            let missing = |(position, &key): (usize, &usize)| i64::from(!set_has(set, key)) << self.bit(position);
            let bits: i64 = self.partial.iter().enumerate().map(missing).sum();
            let same = seen.entry(bits).or_default();
            ids.push(bits | *same << self.partial.len());
            *same += 1;
        }
        ids
    }

    /// GROUPING of some of the keys: a bit for each, the last one the lowest, over the column of the grouping id.
    pub(super) fn grouping(&self, keys: &[usize], id_column: usize) -> BoundExpr {
        let id = || BoundExpr::column(id_column, GROUPING_ID, &DataType::Int64);
        let mut bits = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().rev().enumerate() {
            // A key that all sets have is never missing.
            let Some(partial) = self.partial.iter().position(|other| other == key) else { continue };
            let shifted = match self.bit(partial) {
                0 => id(),
                bit => arithmetic(id(), BinaryOp::Divide, integer(1 << bit)),
            };
            let bit = arithmetic(shifted, BinaryOp::Modulo, integer(2));
            bits.push(if place == 0 { bit } else { arithmetic(bit, BinaryOp::Multiply, integer(1 << place)) });
        }
        let sum = bits.into_iter().reduce(|sum, bit| arithmetic(bit, BinaryOp::Add, sum));
        BoundExpr::Cast { expr: Box::new(sum.unwrap_or_else(|| integer(0))), to: DataType::Int32, try_cast: false }
    }

    /// The aggregation by all sets: the keys, the grouping id, the aggregates.
    pub(super) fn plan(
        &self,
        input: LogicalPlan,
        keys: Vec<NamedExpr>,
        calls: Vec<(AggregateExpr, String)>,
    ) -> Result<LogicalPlan> {
        let empty_sets: Vec<i64> =
            self.sets.iter().zip(self.ids()).filter(|(set, _)| !set.contains(&true)).map(|(_, id)| id).collect();
        // Everything is computed once and passed on to all sets.
        let mut columns = Columns::default();
        let key_columns: Vec<BoundExpr> = keys.iter().map(|key| columns.add(&key.expr, &key.name)).collect();
        let is_here = if empty_sets.is_empty() { None } else { Some(columns.add(&truth(), "is_here")) };
        let calls: Vec<_> =
            calls.into_iter().map(|(call, name)| (columns.add_call(call, is_here.as_ref()), name)).collect();
        let mut plan = Project::plan(input, columns.exprs);

        let passed_on: Vec<BoundExpr> = (0..plan.schema().fields().len()).map(|index| plan.column(index)).collect();
        let key_type = |key: usize| keys[key].expr.data_type();
        let mut names: Vec<(String, DataType)> =
            plan.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        names.extend(self.partial.iter().map(|&key| (keys[key].name.clone(), key_type(key))));
        names.push((GROUPING_ID.into(), DataType::Int64));
        let projections = self.sets.iter().zip(self.ids()).map(|(set, id)| {
            let key = |&key: &usize| match set_has(set, key) {
                true => key_columns[key].clone(),
                false => BoundExpr::Literal(Scalar::null(&key_type(key))),
            };
            passed_on.iter().cloned().chain(self.partial.iter().map(key)).chain([integer(id)]).collect()
        });
        let first_partial = passed_on.len();
        plan = Expand::plan(plan, names, projections.collect());
        if !empty_sets.is_empty() {
            let nobody = rows_of_nobody(&plan, empty_sets)?;
            plan = Union::plan(vec![plan, nobody]);
        }

        let own = |(key, NamedExpr { name, .. }): (usize, NamedExpr)| {
            let copy = self.partial.iter().position(|&other| other == key);
            let expr = copy.map_or_else(|| key_columns[key].clone(), |partial| plan.column(first_partial + partial));
            NamedExpr { expr, name }
        };
        let id = NamedExpr { expr: plan.column(first_partial + self.partial.len()), name: GROUPING_ID.into() };
        let keys = keys.into_iter().enumerate().map(own).chain([id]).collect();
        Ok(Aggregate::plan(plan, keys, calls))
    }
}

fn set_has(set: &[bool], key: usize) -> bool {
    set.get(key).copied().unwrap_or(false)
}

/// A row for each empty set, null but for the grouping id: it makes the group and is in none of its aggregates.
fn rows_of_nobody(expand: &LogicalPlan, ids: Vec<i64>) -> Result<LogicalPlan> {
    let rows = ids.len();
    let fields = expand.schema().fields();
    let mut columns: Vec<ArrayRef> = fields.iter().map(|field| new_null_array(field.data_type(), rows)).collect();
    if let Some(last) = columns.last_mut() {
        *last = Arc::new(Int64Array::from(ids));
    }
    Ok(Values::plan(record_batch(expand.schema(), columns, rows)?))
}

/// The columns that all sets are made from, each once.
#[derive(Default)]
struct Columns {
    exprs: Vec<NamedExpr>,
    known: HashMap<BoundExpr, usize>,
}

impl Columns {
    fn add(&mut self, expr: &BoundExpr, name: &str) -> BoundExpr {
        let next = self.exprs.len();
        let index = *self.known.entry(expr.clone()).or_insert(next);
        if index == next {
            self.exprs.push(NamedExpr { expr: expr.clone(), name: name.to_string() });
        }
        BoundExpr::column(index, &self.exprs[index].name, &expr.data_type())
    }

    /// An aggregate over the columns. Where `is_here` tells rows of the input from those of nobody, it counts the
    /// former alone.
    fn add_call(&mut self, call: AggregateExpr, is_here: Option<&BoundExpr>) -> AggregateExpr {
        let filter = call.filter.as_ref().map(|filter| self.add(filter, &filter.to_string()));
        let call = call.map_exprs(|expr| match expr {
            // Such as the fraction of a quantile.
            constant @ BoundExpr::Literal(_) => constant,
            other => self.add(&other, &other.to_string()),
        });
        let reads_columns = call.args.iter().any(|arg| matches!(arg, BoundExpr::Column { .. }));
        match (filter, is_here) {
            // A filter of nobody's row is null.
            (Some(filter), _) => AggregateExpr { filter: Some(filter), ..call },
            (None, Some(is_here)) if call.function == "count" && call.args.is_empty() => {
                AggregateExpr { args: vec![is_here.clone()], ..call }
            }
            (None, Some(is_here)) if !reads_columns || !SKIP_NULLS.contains(&call.function) => {
                AggregateExpr { filter: Some(is_here.clone()), ..call }
            }
            (None, _) => call,
        }
    }
}

fn truth() -> BoundExpr {
    BoundExpr::Literal(Scalar::boolean(true))
}

fn integer(value: i64) -> BoundExpr {
    BoundExpr::Literal(Scalar::int64(value))
}

fn arithmetic(left: BoundExpr, op: BinaryOp, right: BoundExpr) -> BoundExpr {
    BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type: DataType::Int64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::col;

    fn keys(names: &[&str]) -> Vec<Expr> {
        names.iter().map(|name| col(*name)).collect()
    }

    fn each(names: &[&str]) -> Vec<Vec<Expr>> {
        names.iter().map(|name| vec![col(*name)]).collect()
    }

    /// The sets as names of keys.
    fn sets(items: Vec<GroupItem>) -> String {
        let Grouping { keys, sets } = Grouping::of(items).unwrap();
        let set = |set: &Vec<usize>| set.iter().map(|&key| keys[key].to_string()).collect::<Vec<_>>().join("");
        sets.map_or_else(|| "plain".into(), |sets| sets.iter().map(set).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn items_stand_for_sets() {
        use GroupItem::{Cube, Keys, Rollup, Sets};
        assert_eq!(sets(vec![Keys(keys(&["a"])), Keys(keys(&["b", "c"]))]), "plain");
        assert_eq!(sets(vec![Keys(vec![])]), "");
        assert_eq!(sets(vec![Rollup(each(&["a", "b"]))]), "ab a ");
        assert_eq!(sets(vec![Rollup(vec![keys(&["a", "b"]), keys(&["c"])])]), "abc ab ");
        assert_eq!(sets(vec![Cube(each(&["a", "b"]))]), "ab a b ");
        assert_eq!(sets(vec![Keys(keys(&["x"])), Cube(each(&["a"])), Rollup(each(&["b"]))]), "xab xa xb x");
        let nested = Sets(vec![Keys(keys(&["a"])), Rollup(each(&["b"])), Sets(vec![Keys(vec![]), Keys(keys(&["a"]))])]);
        assert_eq!(sets(vec![nested]), "a b   a");
    }

    #[test]
    fn more_sets_than_are_possible_are_refused_before_they_are_made() {
        let names: Vec<String> = (0..64).map(|key| format!("k{key}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(
            Grouping::of(vec![GroupItem::Cube(each(&names[..12]))]).unwrap().sets.map(|sets| sets.len()),
            Some(4096)
        );
        for count in [13, 63, 64] {
            let error = Grouping::of(vec![GroupItem::Cube(each(&names[..count]))]).unwrap_err();
            assert!(error.to_string().contains("more than 4096 grouping sets"), "{error}");
        }
        let squared = || GroupItem::Rollup(each(&names));
        assert!(Grouping::of(vec![squared(), squared()]).is_err());
        let sets: Vec<Vec<usize>> = (0..60).map(|length| (0..length).collect()).collect();
        assert!(GroupingSets::new(&sets, 60).unwrap_err().to_string().contains("more than 50 keys"));
    }

    #[test]
    fn the_grouping_id_has_a_bit_for_each_key_that_is_not_in_every_set() {
        let sets = GroupingSets::new(&[vec![0, 1, 2], vec![1], vec![1, 2], vec![1]], 3).unwrap();
        assert_eq!(sets.ids(), [0b00, 0b11, 0b10, 0b111], "the last one is there for the second time");
        assert_eq!(sets.grouping(&[2], 3).to_string(), "CAST(grouping_id % 2 AS INTEGER)");
        assert_eq!(sets.grouping(&[1], 3).to_string(), "CAST(0 AS INTEGER)");
        assert_eq!(
            sets.grouping(&[2, 1, 0], 3).to_string(),
            "CAST(((grouping_id % 2) * 4) + ((grouping_id / 2) % 2) AS INTEGER)"
        );
    }
}
