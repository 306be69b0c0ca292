//! Rule `common_subexpressions`: what a node would compute more than once for a row is computed once, by a projection
//! below it.
//!
//! CASE evaluates a branch only over the rows that take it, AND and OR their right side only where the left one does
//! not decide, and COALESCE and IF likewise. An expression that stands only in such places is left there: computed for
//! all rows it could fail where it did not, and cost more than it saves.

use std::collections::HashMap;
use std::sync::Arc;

use super::Rule;
use super::facts::{is_free, select};
use crate::config::Config;
use crate::error::Result;
use crate::expr::{BinaryOp, BoundExpr};
use crate::plan::{Aggregate, Filter, LogicalPlan, NamedExpr, Project};

pub const RULE: Rule = Rule {
    name: "common_subexpressions",
    meaning: "computes an expression that a node uses more than once only once",
    apply,
};

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(plan.transform_up(&mut |node| match node {
        LogicalPlan::Project(node) => in_projection(node),
        LogicalPlan::Aggregate(node) => in_aggregation(node),
        LogicalPlan::Filter(node) => in_filter(node),
        other => other,
    }))
}

fn in_projection(mut node: Project) -> LogicalPlan {
    loop {
        let mut found = Occurrences::default();
        node.exprs.iter().for_each(|named| found.count(&named.expr, true));
        let Some(hoisted) = Hoisted::below(&mut node.input, found) else { return LogicalPlan::Project(node) };
        node.exprs = hoisted.replace_named(node.exprs);
    }
}

fn in_aggregation(mut node: Aggregate) -> LogicalPlan {
    loop {
        let mut found = Occurrences::default();
        node.keys.iter().for_each(|key| found.count(&key.expr, true));
        for (aggregate, _) in &node.aggregates {
            // With a FILTER the arguments need not be computed for every row.
            aggregate.args.iter().for_each(|arg| found.count(arg, aggregate.filter.is_none()));
            aggregate.order_by.iter().for_each(|key| found.count(&key.expr, aggregate.filter.is_none()));
            aggregate.filter.iter().for_each(|filter| found.count(filter, true));
        }
        let Some(hoisted) = Hoisted::below(&mut node.input, found) else { return LogicalPlan::Aggregate(node) };
        node.keys = hoisted.replace_named(node.keys);
        let aggregates = node.aggregates.into_iter();
        node.aggregates =
            aggregates.map(|(aggregate, name)| (aggregate.map_exprs(|expr| hoisted.replace(expr)), name)).collect();
    }
}

fn in_filter(mut node: Filter) -> LogicalPlan {
    let schema = node.input.schema().clone();
    let mut is_changed = false;
    loop {
        let mut found = Occurrences::default();
        found.count(&node.predicate, true);
        let Some(hoisted) = Hoisted::below(&mut node.input, found) else { break };
        node.predicate = hoisted.replace(node.predicate);
        is_changed = true;
    }
    let filter = LogicalPlan::Filter(node);
    if !is_changed {
        return filter;
    }
    select(filter, schema.fields().iter().map(|field| field.name().clone()).enumerate())
}

/// The expressions of a node that are worth computing once, in the order in which they were met.
#[derive(Default)]
struct Occurrences {
    found: Vec<Occurrence>,
    positions: HashMap<BoundExpr, usize>,
}

struct Occurrence {
    expr: BoundExpr,
    count: usize,
    /// Whether one of them is computed for every row in any case.
    always: bool,
}

impl Occurrences {
    /// Counts an expression and what is in it; `always` tells whether it is computed for every row.
    fn count(&mut self, expr: &BoundExpr, always: bool) {
        if is_cheap(expr) || expr.columns().is_empty() {
            return;
        }
        if let Some(&position) = self.positions.get(expr) {
            // What is in it was counted the first time, and is computed once if this is.
            let known = &mut self.found[position];
            known.count += 1;
            known.always |= always;
            return;
        }
        self.positions.insert(expr.clone(), self.found.len());
        self.found.push(Occurrence { expr: expr.clone(), count: 1, always });
        let lazy_from = first_lazy_operand(expr);
        for (position, operand) in expr.children().into_iter().enumerate() {
            self.count(operand, always && position < lazy_from);
        }
    }

    /// Those that are worth it, and have no other such in them: the others come in the next round, over these.
    fn innermost(self) -> Vec<BoundExpr> {
        let worth_it = |occurrence: Occurrence| (occurrence.count > 1 && occurrence.always).then_some(occurrence.expr);
        let candidates: Vec<_> = self.found.into_iter().filter_map(worth_it).collect();
        let has_another = |expr: &BoundExpr| {
            let mut found = false;
            expr.visit(&mut |part| found |= part != expr && candidates.contains(part));
            found
        };
        candidates.iter().filter(|expr| !has_another(expr)).cloned().collect()
    }
}

/// A column, a constant, or the cast or test of one.
fn is_cheap(expr: &BoundExpr) -> bool {
    match expr {
        BoundExpr::Cast { expr, .. } | BoundExpr::Unary { expr, .. } => is_cheap(expr),
        other => is_free(other),
    }
}

/// From which operand on they are computed only for rows that need them.
fn first_lazy_operand(expr: &BoundExpr) -> usize {
    match expr {
        BoundExpr::Case { .. } | BoundExpr::InList { .. } => 1,
        BoundExpr::Binary { op: BinaryOp::And | BinaryOp::Or, .. } => 1,
        BoundExpr::Call { name: "coalesce" | "if", .. } => 1,
        _ => usize::MAX,
    }
}

/// Expressions that a projection below now computes, and the columns they are.
struct Hoisted {
    columns: HashMap<BoundExpr, BoundExpr>,
}

impl Hoisted {
    /// Puts a projection over a node's input that adds what is worth computing once; `None` for nothing.
    fn below(input: &mut LogicalPlan, found: Occurrences) -> Option<Self> {
        let common = found.innermost();
        if common.is_empty() {
            return None;
        }
        let schema = input.schema().clone();
        let given = schema.fields().iter().enumerate();
        let mut exprs: Vec<_> = given
            .map(|(position, field)| NamedExpr { expr: input.column(position), name: field.name().clone() })
            .collect();
        let earlier = schema.fields().iter().filter(|field| field.name().starts_with(PREFIX)).count();
        let mut columns = HashMap::new();
        for (number, expr) in (earlier + 1..).zip(common) {
            let name = format!("{PREFIX}{number}");
            columns.insert(expr.clone(), BoundExpr::column(exprs.len(), &name, &expr.data_type()));
            exprs.push(NamedExpr { expr, name });
        }
        *input = Project::plan(input.clone(), exprs);
        Some(Self { columns })
    }

    fn replace(&self, expr: BoundExpr) -> BoundExpr {
        expr.transform(&mut |part| self.columns.get(&part).cloned().unwrap_or(part))
    }

    fn replace_named(&self, exprs: Vec<NamedExpr>) -> Vec<NamedExpr> {
        exprs.into_iter().map(|named| NamedExpr { expr: self.replace(named.expr), name: named.name }).collect()
    }
}

/// What the columns that the rule adds are called.
const PREFIX: &str = "__common_";

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::expr::AggregateExpr;
    use crate::expr::BinaryOp::*;
    use crate::types::{DataType, TEXT};

    fn product() -> BoundExpr {
        arithmetic(col(&scan(), "a"), Multiply, col(&scan(), "b"))
    }

    #[test]
    fn golden_in_a_projection() {
        let more = arithmetic(product(), Add, int(1));
        let plan = project(scan(), &[("x", product()), ("y", more.clone()), ("z", arithmetic(more, Multiply, int(2)))]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Project a * b AS x, (a * b) + 1 AS y, ((a * b) + 1) * 2 AS z
            Scan t
        after
          Project __common_1 AS x, __common_2 AS y, __common_2 * 2 AS z
            Project a, b, c, f, s, d, flag, __common_1, __common_1 + 1 AS __common_2
              Project a, b, c, f, s, d, flag, a * b AS __common_1
                Scan t
        ");
    }

    #[test]
    fn golden_in_an_aggregation() {
        let aggregates = ["sum", "avg"].map(|function| agg(function, vec![product()], DataType::Int64));
        let plan = aggregate(scan(), &[("a", col(&scan(), "a"))], aggregates.into());
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Aggregate keys=[a] aggregates=[sum(a * b), avg(a * b)]
            Scan t
        after
          Aggregate keys=[a] aggregates=[sum(__common_1), avg(__common_1)]
            Project a, b, c, f, s, d, flag, a * b AS __common_1
              Scan t
        ");
    }

    #[test]
    fn golden_in_a_filter() {
        let length = || call("length", vec![col(&scan(), "s")], DataType::Int64);
        let plan = filter(scan(), and(compare(length(), Greater, int(2)), compare(length(), Less, int(9))));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Filter (length(s) > 2) AND (length(s) < 9)
            Scan t
        after
          Project a, b, c, f, s, d, flag
            Filter (__common_1 > 2) AND (__common_1 < 9)
              Project a, b, c, f, s, d, flag, length(s) AS __common_1
                Scan t
        ");
    }

    #[test]
    fn golden_only_the_largest_is_computed_apart() {
        let more = || arithmetic(product(), Add, int(1));
        insta::assert_snapshot!(rule_golden(&RULE, project(scan(), &[("x", more()), ("y", more())])), @r"
        before
          Project (a * b) + 1 AS x, (a * b) + 1 AS y
            Scan t
        after
          Project __common_1 AS x, __common_1 AS y
            Project a, b, c, f, s, d, flag, (a * b) + 1 AS __common_1
              Scan t
        ");
    }

    #[test]
    fn a_division_that_case_guards_stays_guarded() {
        let ratio = || arithmetic(col(&scan(), "a"), Divide, col(&scan(), "b"));
        let guarded = BoundExpr::Case {
            branches: vec![(compare(col(&scan(), "b"), NotEqual, int(0)), arithmetic(ratio(), Add, ratio()))],
            otherwise: None,
            data_type: DataType::Int64,
        };
        assert_unchanged(&RULE, project(scan(), &[("x", guarded.clone()), ("y", int(1))]));
        let guard = compare(col(&scan(), "b"), NotEqual, int(0));
        let large = compare(ratio(), Greater, int(1));
        assert_unchanged(&RULE, filter(scan(), and(and(guard.clone(), large.clone()), large)));
        let square = arithmetic(ratio(), Multiply, ratio());
        let filtered = AggregateExpr { filter: Some(guard), ..agg("sum", vec![square], DataType::Int64) };
        assert_unchanged(&RULE, aggregate(scan(), &[], vec![filtered]));
    }

    #[test]
    fn what_costs_nothing_is_computed_again() {
        let text = || cast(col(&scan(), "a"), &TEXT);
        assert_unchanged(&RULE, project(scan(), &[("x", text()), ("y", text()), ("z", int(1)), ("w", int(1))]));
    }
}
