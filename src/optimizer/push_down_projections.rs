//! Rule `push_down_projections`: every node computes, and every scan reads, only the columns that somebody needs.
//!
//! A scan's filters are over the whole table and do not count: whoever runs the scan reads their columns and drops
//! them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Rule;
use super::facts::select;
use crate::batch::record_batch;
use crate::config::Config;
use crate::error::Result;
use crate::expr::{AggregateExpr, BoundExpr, SortExpr};
use crate::plan::{
    Aggregate, Expand, FillGaps, Filter, Limit, LogicalPlan, NamedExpr, Project, Scan, Sort, Union, Unnest, Values,
    Window,
};
use crate::types::Schema;

pub const RULE: Rule = Rule {
    name: "push_down_projections",
    meaning: "drops columns and aggregates that nobody uses, down to what scans read",
    apply,
};

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    let all: BTreeSet<usize> = (0..plan.schema().fields().len()).collect();
    Ok(prune(plan, &all)?.plan)
}

/// A plan that lost columns.
struct Pruned {
    plan: LogicalPlan,
    /// The columns it still has, as they were numbered before, ascending. All that were needed are among them.
    kept: Vec<usize>,
}

impl Pruned {
    /// An expression over the columns as they are numbered now.
    fn renumber(&self, expr: BoundExpr) -> BoundExpr {
        expr.renumber(&|old| self.kept.binary_search(&old).unwrap_or(old))
    }

    fn renumber_all(&self, exprs: impl IntoIterator<Item = NamedExpr>) -> Vec<NamedExpr> {
        exprs.into_iter().map(|named| NamedExpr { expr: self.renumber(named.expr), name: named.name }).collect()
    }

    /// Exactly the needed columns.
    fn cut_to(self, needed: &BTreeSet<usize>) -> Self {
        if self.kept.len() == needed.len() {
            return self;
        }
        let schema = self.plan.schema().clone();
        let positions = self.kept.iter().enumerate().filter(|(_, old)| needed.contains(old)).map(|(new, _)| new);
        let plan = select(self.plan, positions.map(|position| (position, schema.field(position).name().clone())));
        Self { plan, kept: needed.iter().copied().collect() }
    }
}

fn columns_of<'a>(exprs: impl IntoIterator<Item = &'a BoundExpr>) -> BTreeSet<usize> {
    exprs.into_iter().flat_map(BoundExpr::columns).collect()
}

fn prune(plan: LogicalPlan, needed: &BTreeSet<usize>) -> Result<Pruned> {
    let kept = || needed.iter().copied().collect::<Vec<_>>();
    match plan {
        LogicalPlan::Scan(node) => {
            let plan = if needed.len() == node.schema.fields().len() {
                LogicalPlan::Scan(node)
            } else {
                let columns = needed.iter().map(|column| node.table_column(*column)).collect();
                LogicalPlan::Scan(Scan::with_projection(node, columns))
            };
            Ok(Pruned { plan, kept: kept() })
        }
        LogicalPlan::Values(node) => {
            let fields: Vec<_> = needed.iter().map(|column| node.schema.fields()[*column].clone()).collect();
            let columns = needed.iter().map(|column| node.batch.column(*column).clone()).collect();
            let batch = record_batch(&Arc::new(Schema::new(fields)), columns, node.batch.num_rows())?;
            Ok(Pruned { plan: Values::plan(batch), kept: kept() })
        }
        LogicalPlan::Filter(node) => {
            let needed = needed | &columns_of([&node.predicate]);
            let input = prune(*node.input, &needed)?;
            let predicate = input.renumber(node.predicate);
            Ok(Pruned { plan: Filter::plan(input.plan, predicate), kept: input.kept })
        }
        LogicalPlan::Project(node) => {
            let exprs: Vec<_> = needed.iter().map(|column| node.exprs[*column].clone()).collect();
            let input = prune(*node.input, &columns_of(exprs.iter().map(|named| &named.expr)))?;
            let exprs = input.renumber_all(exprs);
            let is_bare = exprs.is_empty() && input.kept.is_empty();
            let plan = if is_bare { input.plan } else { Project::plan(input.plan, exprs) };
            Ok(Pruned { plan, kept: kept() })
        }
        LogicalPlan::Expand(node) => {
            let pick = |exprs: Vec<BoundExpr>| needed.iter().map(|column| exprs[*column].clone()).collect();
            let projections: Vec<Vec<BoundExpr>> = node.projections.into_iter().map(pick).collect();
            let input = prune(*node.input, &columns_of(projections.iter().flatten()))?;
            let projections = projections.into_iter();
            let projections =
                projections.map(|exprs| exprs.into_iter().map(|expr| input.renumber(expr)).collect()).collect();
            let fields = needed.iter().map(|column| node.schema.field(*column));
            let columns: Vec<_> = fields.map(|field| (field.name().clone(), field.data_type().clone())).collect();
            Ok(Pruned { plan: Expand::plan(input.plan, columns, projections), kept: kept() })
        }
        LogicalPlan::Aggregate(node) => prune_aggregate(node, needed),
        LogicalPlan::Sort(node) => {
            let needed = needed | &columns_of(node.keys.iter().map(|key| &key.expr));
            // A sort holds its input, so that columns that were needed only below it go before.
            let input = prune(*node.input, &needed)?.cut_to(&needed);
            let keys = node.keys.into_iter().map(|key| SortExpr { expr: input.renumber(key.expr), ..key }).collect();
            let plan = LogicalPlan::Sort(Sort { input: Box::new(input.plan), keys, fetch: node.fetch });
            Ok(Pruned { plan, kept: input.kept })
        }
        LogicalPlan::Limit(node) => {
            let input = prune(*node.input, needed)?;
            Ok(Pruned { plan: Limit::plan(input.plan, node.skip, node.fetch), kept: input.kept })
        }
        LogicalPlan::Window(node) => prune_window(node, needed),
        LogicalPlan::Unnest(node) => prune_unnest(node, needed),
        LogicalPlan::FillGaps(node) => {
            let needed = needed | &node.series().collect();
            let input = prune(*node.input, &needed)?.cut_to(&needed);
            let columns = input.kept.iter().map(|column| node.columns[*column].clone()).collect();
            let bucket = input.renumber(node.bucket);
            let filled = FillGaps { input: Box::new(input.plan), columns, bucket, ..node };
            Ok(Pruned { plan: LogicalPlan::FillGaps(filled), kept: input.kept })
        }
        LogicalPlan::Union(node) => {
            let inputs = node.inputs.into_iter().map(|input| Ok(prune(input, needed)?.cut_to(needed).plan));
            let inputs = inputs.collect::<Result<_>>()?;
            let fields: Vec<_> = needed.iter().map(|column| node.schema.fields()[*column].clone()).collect();
            let schema = Arc::new(Schema::new(fields));
            Ok(Pruned { plan: LogicalPlan::Union(Union { inputs, schema }), kept: kept() })
        }
    }
}

/// Keys make the groups, and stay; aggregates that are not needed go.
fn prune_aggregate(node: Aggregate, needed: &BTreeSet<usize>) -> Result<Pruned> {
    let keys = node.keys.len();
    let kept: Vec<usize> = (0..keys).chain(needed.iter().copied().filter(|column| *column >= keys)).collect();
    if kept.is_empty() {
        // Without keys there is one row whatever the input.
        return Ok(Pruned { plan: Values::one_row(), kept });
    }
    let aggregates: Vec<_> = kept[keys..].iter().map(|column| node.aggregates[column - keys].clone()).collect();
    let used = columns_of(
        node.keys.iter().map(|key| &key.expr).chain(aggregates.iter().flat_map(|(aggregate, _)| aggregate.exprs())),
    );
    let input = prune(*node.input, &used)?;
    let renumbered =
        |(aggregate, name): (AggregateExpr, String)| (aggregate.map_exprs(|expr| input.renumber(expr)), name);
    let aggregates = aggregates.into_iter().map(renumbered).collect();
    let keys = input.renumber_all(node.keys);
    Ok(Pruned { plan: Aggregate::plan(input.plan, keys, aggregates), kept })
}

/// Aggregates that are not needed go, and with the last one the window.
fn prune_window(node: Window, needed: &BTreeSet<usize>) -> Result<Pruned> {
    let columns = node.input.schema().fields().len();
    let (of_input, added): (BTreeSet<usize>, BTreeSet<usize>) = needed.iter().partition(|column| **column < columns);
    if added.is_empty() {
        return prune(*node.input, &of_input);
    }
    let aggregates = added.iter().map(|column| node.aggregates[column - columns].clone()).collect();
    let node = Window { aggregates, ..node };
    let input = prune((*node.input).clone(), &(&of_input | &columns_of(node.exprs())))?;
    let node = node.map_exprs(&|expr| input.renumber(expr));
    let aggregates = node.aggregates.clone();
    let kept = input.kept.iter().copied().chain(added).collect();
    Ok(Pruned { plan: LogicalPlan::Window(node.over(input.plan, aggregates)), kept })
}

/// Items and numbers stay, since lists say how many rows there are; columns beside them that are not needed are not repeated.
fn prune_unnest(node: Unnest, needed: &BTreeSet<usize>) -> Result<Pruned> {
    let columns = node.passed.len();
    let (beside, added): (Vec<usize>, Vec<usize>) = (0..node.schema.fields().len())
        .filter(|column| *column >= columns || needed.contains(column))
        .partition(|column| *column < columns);
    let passed: Vec<usize> = beside.iter().map(|column| node.passed[*column]).collect();
    let mut read = columns_of(node.lists.iter().map(|list| &list.expr));
    read.extend(&passed);
    let input = prune(*node.input, &read)?;
    let passed = passed.iter().map(|old| input.kept.binary_search(old).unwrap_or(*old)).collect();
    let lists = input.renumber_all(node.lists);
    let Unnest { ordinality, keeps_empty, schema, .. } = node;
    let shell = Unnest { input: Box::new(Values::one_row()), passed, lists, ordinality, keeps_empty, schema };
    Ok(Pruned { plan: LogicalPlan::Unnest(shell.over(input.plan)), kept: beside.into_iter().chain(added).collect() })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::expr::BinaryOp::*;
    use crate::expr::Edge;
    use crate::types::{DataType, Scalar};

    #[test]
    fn golden_expansion() {
        let scan = scan();
        let no_text = BoundExpr::Literal(Scalar::null(&crate::types::TEXT));
        let projections = vec![
            vec![col(&scan, "a"), col(&scan, "b"), col(&scan, "s"), int(0)],
            vec![col(&scan, "a"), col(&scan, "b"), no_text, int(1)],
        ];
        let expanded = expand(scan, &["a", "b", "s", "set"], projections);
        let plan = project(expanded.clone(), &[("s", col(&expanded, "s")), ("b", col(&expanded, "b"))]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Project s, b
            Expand [s, set] = (s, 0), (NULL, 1)
              Scan t
        after
          Project s, b
            Expand [s] = (s), (NULL)
              Scan t columns=[b, s]
        ");
    }

    #[test]
    fn golden_a_window_computes_what_is_used_and_goes_with_its_last_aggregate() {
        let scan = scan();
        let sums = ["b", "c"].map(|name| agg("max", vec![col(&scan, name)], col(&scan, name).data_type()));
        let edges = (Edge::Unbounded, Edge::Rows(0));
        let windows = window(scan.clone(), vec![col(&scan, "a")], Vec::new(), edges, sums.into());
        let plan = project(windows.clone(), &[("m", windows.column(8)), ("s", col(&windows, "s"))]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Project max(c) AS m, s
            Window frame=[unbounded, current row] partition=[a] aggregates=[max(b), max(c)]
              Sort a
                Scan t
        after
          Project max(c) AS m, s
            Window frame=[unbounded, current row] partition=[a] aggregates=[max(c)]
              Sort a
                Scan t columns=[a, c, s]
        ");
        insta::assert_snapshot!(rule_golden(&RULE, project(windows.clone(), &[("s", col(&windows, "s"))])), @r"
        before
          Project s
            Window frame=[unbounded, current row] partition=[a] aggregates=[max(b), max(c)]
              Sort a
                Scan t
        after
          Project s
            Sort a
              Scan t columns=[a, s]
        ");
    }

    #[test]
    fn golden_scan_reads_what_is_used() {
        let scan = scan();
        let filtered = filter(scan.clone(), compare(col(&scan, "c"), Less, BoundExpr::Literal(Scalar::int32(3))));
        let plan = project(filtered, &[("x", arithmetic(col(&scan, "b"), Add, int(1))), ("s", col(&scan, "s"))]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Project b + 1 AS x, s
            Filter c < 3
              Scan t
        after
          Project b + 1 AS x, s
            Filter c < 3
              Scan t columns=[b, c, s]
        ");
    }

    #[test]
    fn golden_count_reads_no_column() {
        let scan = scan();
        insta::assert_snapshot!(rule_golden(&RULE, aggregate(scan, &[], vec![count_star()])), @r"
        before
          Aggregate keys=[] aggregates=[count(*)]
            Scan t
        after
          Aggregate keys=[] aggregates=[count(*)]
            Scan t columns=[]
        ");
    }

    #[test]
    fn golden_aggregates_and_expressions_that_nobody_uses() {
        let scan = scan();
        let inner = project(
            scan.clone(),
            &[
                ("k", col(&scan, "a")),
                ("v", col(&scan, "b")),
                ("w", arithmetic(col(&scan, "f"), Multiply, col(&scan, "f"))),
            ],
        );
        let aggregates = vec![
            agg("max", vec![col(&inner, "v")], DataType::Int64),
            agg("max", vec![col(&inner, "w")], DataType::Float64),
        ];
        let grouped = aggregate(inner.clone(), &[("k", col(&inner, "k"))], aggregates);
        let plan = project(grouped.clone(), &[("most", col(&grouped, "max(v)"))]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Project max(v) AS most
            Aggregate keys=[k] aggregates=[max(v), max(w)]
              Project a AS k, b AS v, f * f AS w
                Scan t
        after
          Project max(v) AS most
            Aggregate keys=[k] aggregates=[max(v)]
              Project a AS k, b AS v
                Scan t columns=[a, b]
        ");
    }

    #[test]
    fn golden_inputs_of_a_union_stay_alike() {
        let scan = scan();
        let filtered = filter(scan.clone(), col(&scan, "flag"));
        let both = union(vec![filtered, scan]);
        let plan = project(both.clone(), &[("b", col(&both, "b"))]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Project b
            Union
              Filter flag
                Scan t
              Scan t
        after
          Project b
            Union
              Project b
                Filter flag
                  Scan t columns=[b, flag]
              Scan t columns=[b]
        ");
    }

    #[test]
    fn golden_a_sort_holds_only_what_is_needed() {
        let scan = scan();
        let sorted = sort(filter(scan.clone(), col(&scan, "flag")), &[(col(&scan, "b"), false)]);
        let plan = project(sorted, &[("a", col(&scan, "a"))]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Project a
            Sort b
              Filter flag
                Scan t
        after
          Project a
            Sort b
              Project a, b
                Filter flag
                  Scan t columns=[a, b, flag]
        ");
    }

    #[test]
    fn an_aggregate_that_nobody_reads_is_one_row() {
        let grouped = aggregate(scan(), &[], vec![count_star()]);
        insta::assert_snapshot!(rule_golden(&RULE, project(grouped, &[("one", int(1))])), @r"
        before
          Project 1 AS one
            Aggregate keys=[] aggregates=[count(*)]
              Scan t
        after
          Project 1 AS one
            Values 1 rows
        ");
    }

    #[test]
    fn golden_an_unnesting_repeats_what_is_used() {
        let scan = scan();
        let lists = [("item", list_value(vec![col(&scan, "b"), col(&scan, "f")]))];
        let unnested = unnest(scan, &lists, Some("n"), false);
        insta::assert_snapshot!(rule_golden(&RULE, project(unnested.clone(), &[("s", col(&unnested, "s"))])), @r"
        before
          Project s
            Unnest list_value(b, f) with ordinality
              Scan t
        after
          Project s
            Unnest list_value(b, f) columns=[s] with ordinality
              Scan t columns=[b, f, s]
        ");
    }
}
