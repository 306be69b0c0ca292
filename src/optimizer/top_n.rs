//! Rule `top_n`: ORDER BY … LIMIT keeps only the first rows while it reads, instead of sorting all.

use std::sync::Arc;

use super::Rule;
use crate::config::Config;
use crate::error::Result;
use crate::plan::{Limit, LogicalPlan, Project, Sort};

/// Up to so many rows a top-N is worth more than sorting all of them and cutting off the rest.
pub const MAX_TOP_N: usize = 100_000;

pub const RULE: Rule =
    Rule { name: "top_n", meaning: "lets a sort under a limit keep only the rows that the limit can reach", apply };

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(plan.transform_up(&mut |node| match node {
        LogicalPlan::Limit(Limit { input, skip, fetch: Some(fetch) }) => limited(*input, skip, fetch),
        other => other,
    }))
}

fn limited(input: LogicalPlan, skip: usize, rows: usize) -> LogicalPlan {
    let most = skip.saturating_add(rows);
    match input {
        LogicalPlan::Sort(node) if most <= MAX_TOP_N => {
            let fetch = Some(node.fetch.map_or(most, |fetch| fetch.min(most)));
            let top = LogicalPlan::Sort(Sort { fetch, ..node });
            if skip == 0 { top } else { Limit::plan(top, skip, Some(rows)) }
        }
        LogicalPlan::Project(node) if node.is_selection() && matches!(*node.input, LogicalPlan::Sort(_)) => {
            LogicalPlan::Project(Project { input: Box::new(limited(*node.input, skip, rows)), ..node })
        }
        other => Limit::plan(other, skip, Some(rows)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn sorted() -> LogicalPlan {
        sort(scan(), &[(col(&scan(), "a"), true), (col(&scan(), "b"), false)])
    }

    #[test]
    fn golden() {
        insta::assert_snapshot!(rule_golden(&RULE, limit(sorted(), 0, Some(10))), @r"
        before
          Limit 10 skip=0
            Sort a DESC, b
              Scan t
        after
          TopN 10 by a DESC, b
            Scan t
        ");
    }

    #[test]
    fn golden_with_offset_through_a_selection() {
        let plan = limit(project(sorted(), &[("x", col(&sorted(), "a"))]), 5, Some(10));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Limit 10 skip=5
            Project a AS x
              Sort a DESC, b
                Scan t
        after
          Project a AS x
            Limit 10 skip=5
              TopN 15 by a DESC, b
                Scan t
        ");
    }

    #[test]
    fn a_large_limit_stays_a_sort_that_can_spill() {
        assert_unchanged(&RULE, limit(sorted(), 1, Some(MAX_TOP_N)));
        assert_unchanged(&RULE, limit(sorted(), 1, None));
        assert_unchanged(&RULE, limit(sorted(), usize::MAX, Some(2)));
    }
}
