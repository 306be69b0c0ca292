//! The optimizer: one ordered list of [`RULES`], each of which rewrites a plan into one with the same result.
//!
//! A rule may make a query raise fewer errors than the plan as written (a division in rows that a later filter drops),
//! never more: whatever moves, no expression is evaluated over a row that it was not evaluated over before. So
//! `WHERE n <> 0 AND 10 / n > 2` is safe at every level of the plan.
//!
//! After each rule the plan is checked: the result's columns are the same, every column reference exists and has the
//! type it says. A rule that breaks this is a defect, reported as an internal error with the rule's name; the query
//! runs once the rule is switched off (`SET disabled_rules = 'name'`).

mod common_subexpressions;
mod count_from_metadata;
mod facts;
mod merge;
mod push_down_filters;
mod push_down_limits;
mod push_down_projections;
mod remove_sorts;
mod simplify;
mod single_distinct;
mod top_n;
mod verify;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use crate::config::{Config, suggest};
use crate::error::{Error, Result};
use crate::plan::LogicalPlan;
use crate::types::SchemaRef;

pub use top_n::MAX_TOP_N;
pub use verify::verify;

/// One rewriting of plans.
pub struct Rule {
    /// The name, by which it is switched off.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// Rewrites the whole plan.
    pub apply: fn(LogicalPlan, &Arc<Config>) -> Result<LogicalPlan>,
}

/// All rules, in the order in which they run. `simplify` and `merge` run twice: filters that moved meet constants, and
/// projections that were narrowed turn out to do nothing.
pub const RULES: &[Rule] = &[
    simplify::RULE,
    merge::RULE,
    push_down_filters::RULE,
    simplify::RULE,
    count_from_metadata::RULE,
    single_distinct::RULE,
    common_subexpressions::RULE,
    remove_sorts::RULE,
    push_down_limits::RULE,
    top_n::RULE,
    push_down_projections::RULE,
    merge::RULE,
];

/// Rewrites a plan by all rules that are not switched off.
///
/// # Errors
/// A usage error where `disabled_rules` names no rule; an internal error where a rule broke the plan.
pub fn optimize(plan: LogicalPlan, config: &Arc<Config>) -> Result<LogicalPlan> {
    run(plan, config, &mut |_, _| {})
}

/// The plan after each rule that changed it, with the rule's name: what EXPLAIN VERBOSE shows.
///
/// # Errors
/// As [`optimize`].
pub fn trace(plan: LogicalPlan, config: &Arc<Config>) -> Result<Vec<(&'static str, String)>> {
    let mut last = plan.to_string();
    let mut steps = Vec::new();
    run(plan, config, &mut |rule, plan| {
        let text = plan.to_string();
        if text != last {
            last.clone_from(&text);
            steps.push((rule, text));
        }
    })?;
    Ok(steps)
}

fn run(
    mut plan: LogicalPlan,
    config: &Arc<Config>,
    after: &mut dyn FnMut(&'static str, &LogicalPlan),
) -> Result<LogicalPlan> {
    check_names(&config.disabled_rules)?;
    verify(&plan).map_err(|error| broken("the plan before optimization", &error))?;
    let schema = plan.schema().clone();
    for rule in RULES {
        if config.disabled_rules.iter().any(|name| name == rule.name) {
            continue;
        }
        plan = (rule.apply)(plan, config)?;
        let sound = same_columns(&schema, plan.schema()).and_then(|()| verify(&plan));
        sound.map_err(|error| {
            broken(&format!("the plan after rule '{}'", rule.name), &error)
                .with_hint(format!("SET disabled_rules = '{}' runs the query without the rule", rule.name))
        })?;
        after(rule.name, &plan);
    }
    Ok(plan)
}

fn broken(what: &str, error: &Error) -> Error {
    Error::internal(format!("{what} is not sound: {}", error.kind().message))
}

fn check_names(disabled: &[String]) -> Result<()> {
    for name in disabled {
        if RULES.iter().any(|rule| rule.name == name) {
            continue;
        }
        let names = RULES.iter().map(|rule| rule.name);
        let hint = match suggest(name, names.clone()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("the rules are {}", names.collect::<Vec<_>>().join(", ")),
        };
        return Err(Error::usage(format!("disabled_rules: there is no optimizer rule '{name}'")).with_hint(hint));
    }
    Ok(())
}

fn same_columns(before: &SchemaRef, after: &SchemaRef) -> Result<()> {
    let columns = |schema: &SchemaRef| -> Vec<String> {
        schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect()
    };
    let (before, after) = (columns(before), columns(after));
    if before == after {
        return Ok(());
    }
    Err(Error::internal(format!("its columns were [{}] and became [{}]", before.join(", "), after.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::error::ErrorClass;
    use crate::expr::BinaryOp::*;

    fn query() -> LogicalPlan {
        let scan = scan();
        let filtered = filter(scan.clone(), compare(col(&scan, "a"), Greater, int(1)));
        let projected =
            project(filtered, &[("a", col(&scan, "a")), ("b2", arithmetic(col(&scan, "b"), Multiply, int(2)))]);
        let sorted = sort(projected.clone(), &[(col(&projected, "b2"), true)]);
        limit(sorted, 0, Some(3))
    }

    #[test]
    fn the_rules_together() {
        insta::assert_snapshot!(optimize(query(), &config()).unwrap(), @r"
        TopN 3 by b2 DESC
          Project a, b * 2 AS b2
            Scan t columns=[a, b] filters=[a > 1]
        ");
    }

    #[test]
    fn the_trace_lists_the_rules_that_changed_the_plan() {
        let steps = trace(query(), &config()).unwrap();
        let names: Vec<_> = steps.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["push_down_filters", "top_n", "push_down_projections"]);
        assert_eq!(steps[2].1, optimize(query(), &config()).unwrap().to_string());
    }

    #[test]
    fn a_rule_is_switched_off_by_name() {
        let config = Config { disabled_rules: vec!["push_down_filters".into(), "top_n".into()], ..Config::default() };
        insta::assert_snapshot!(optimize(query(), &Arc::new(config)).unwrap(), @r"
        Limit 3 skip=0
          Sort b2 DESC
            Project a, b * 2 AS b2
              Filter a > 1
                Scan t columns=[a, b]
        ");
    }

    #[test]
    fn an_unknown_rule_is_refused_with_a_suggestion() {
        let config = Config { disabled_rules: vec!["push_down_filter".into()], ..Config::default() };
        let error = optimize(query(), &Arc::new(config)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.to_string().contains("did you mean 'push_down_filters'"), "{error}");
    }

    #[test]
    fn a_plan_that_is_not_sound_is_named() {
        let plan = filter(scan(), column(99, "ghost", &crate::types::DataType::Boolean));
        let error = optimize(plan, &config()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Internal);
        assert!(error.to_string().contains("before optimization"), "{error}");
    }
}
