//! Rule `simplify`: constants are computed once, here, and conditions take their simplest form.
//!
//! An expression without columns is evaluated by the engine's own evaluator; one that fails (`1 / 0`) stays as it is,
//! so that its error comes when a row reaches it, and only then. All rewritings hold in three-valued logic, for NaN
//! (which equals itself and is greatest) too.

mod casts;
mod logic;
mod plans;

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Rule;
use super::facts::map_expressions;
use crate::batch::record_batch;
use crate::config::Config;
use crate::error::Result;
use crate::eval::Evaluator;
use crate::expr::BoundExpr;
use crate::functions::scalar::Value;
use crate::plan::LogicalPlan;
use crate::types::{Scalar, Schema};

pub const RULE: Rule = Rule {
    name: "simplify",
    meaning: "computes constants, simplifies conditions and casts, and removes what can give no rows",
    apply,
};

/// An expression after an attempt to rewrite its outermost node.
enum Attempt {
    /// Rewritten: other rewritings may now apply.
    Changed(BoundExpr),
    /// As it was.
    Same(BoundExpr),
}

/// The rewritings of one node whose operands are simple already. Each makes the expression smaller or brings it closer
/// to the normal form, so that trying them again and again ends.
const REWRITINGS: &[fn(BoundExpr) -> Attempt] = &[
    logic::case,
    logic::connectives,
    logic::null_operands,
    logic::literal_on_the_right,
    logic::single_item,
    logic::plain_pattern,
    casts::needless_cast,
    casts::compare_uncast,
];

fn apply(plan: LogicalPlan, config: &Arc<Config>) -> Result<LogicalPlan> {
    let simplifier = Simplifier::new(config)?;
    Ok(plan.transform_up(&mut |node| plans::simplify_node(map_expressions(node, &|expr| simplifier.simplify(expr)))))
}

struct Simplifier {
    config: Arc<Config>,
    /// One row without columns, which constants are evaluated over.
    row: RecordBatch,
}

impl Simplifier {
    fn new(config: &Arc<Config>) -> Result<Self> {
        let row = record_batch(&Arc::new(Schema::empty()), Vec::new(), 1)?;
        Ok(Self { config: config.clone(), row })
    }

    fn simplify(&self, expr: BoundExpr) -> BoundExpr {
        expr.transform(&mut |node| self.simplify_outermost(node))
    }

    fn simplify_outermost(&self, mut expr: BoundExpr) -> BoundExpr {
        for rewriting in REWRITINGS {
            match rewriting(expr) {
                Attempt::Changed(rewritten) => return self.simplify_outermost(rewritten),
                Attempt::Same(same) => expr = same,
            }
        }
        self.fold(&expr).map_or(expr, BoundExpr::Literal)
    }

    /// The value of an operation on constants; `None` where it is none, or fails.
    fn fold(&self, expr: &BoundExpr) -> Option<Scalar> {
        let is_operation = !matches!(expr, BoundExpr::Column { .. } | BoundExpr::Literal(_));
        let on_constants = expr.children().into_iter().all(|child| matches!(child, BoundExpr::Literal(_)));
        if !is_operation || !on_constants {
            return None;
        }
        let value = Evaluator::new(expr, &self.config).and_then(|eval| eval.evaluate(&self.row)).ok()?;
        let scalar = match value {
            Value::Scalar(scalar) => scalar,
            Value::Array(array) if array.len() == 1 => Scalar::from_array(&array, 0),
            Value::Array(_) => return None,
        };
        (*scalar.data_type() == expr.data_type()).then_some(scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::expr::BinaryOp::*;
    use crate::expr::UnaryOp;
    use crate::types::{DataType, TEXT};

    /// The text of a condition over the test table before and after.
    fn simplified(expr: BoundExpr) -> String {
        let simplifier = Simplifier::new(&config()).unwrap();
        let data_type = expr.data_type();
        let simple = simplifier.simplify(expr);
        assert_eq!(simple.data_type(), data_type, "{simple}");
        simple.to_string()
    }

    fn a() -> BoundExpr {
        col(&scan(), "a")
    }

    fn p() -> BoundExpr {
        col(&scan(), "flag")
    }

    fn s() -> BoundExpr {
        col(&scan(), "s")
    }

    fn null(data_type: &DataType) -> BoundExpr {
        BoundExpr::Literal(Scalar::null(data_type))
    }

    #[test]
    fn connectives_with_constants() {
        assert_eq!(simplified(and(p(), truth(true))), "flag");
        assert_eq!(simplified(and(truth(false), p())), "false");
        assert_eq!(simplified(or(p(), truth(true))), "true");
        assert_eq!(simplified(or(truth(false), p())), "flag");
        assert_eq!(simplified(and(p(), p())), "flag");
        assert_eq!(simplified(and(p(), null(&DataType::Boolean))), "flag AND NULL", "null AND false is false");
        assert_eq!(simplified(compare(a(), Equal, a())), "a = a", "null = null is null");
    }

    #[test]
    fn negations() {
        assert_eq!(simplified(not(not(p()))), "flag");
        assert_eq!(simplified(not(truth(true))), "false");
        assert_eq!(simplified(not(null(&DataType::Boolean))), "NULL");
        assert_eq!(simplified(not(compare(a(), Less, int(3)))), "a >= 3");
        assert_eq!(simplified(not(compare(a(), DistinctFrom, int(3)))), "a IS NOT DISTINCT FROM 3");
        assert_eq!(simplified(not(or(p(), compare(a(), Equal, int(3))))), "(NOT flag) AND (a <> 3)");
        assert_eq!(simplified(not(like(s(), "a%"))), "s NOT LIKE 'a%'");
        assert_eq!(simplified(not(in_list(a(), vec![int(1), int(2)]))), "a NOT IN (1, 2)");
        assert_eq!(simplified(not(unary(UnaryOp::IsNull, a()))), "a IS NOT NULL");
    }

    #[test]
    fn null_operands() {
        assert_eq!(simplified(compare(a(), Less, null(&DataType::Int64))), "NULL");
        assert_eq!(simplified(arithmetic(null(&DataType::Int64), Add, a())), "NULL");
        assert_eq!(simplified(compare(a(), NotDistinctFrom, null(&DataType::Int64))), "a IS NULL");
        assert_eq!(simplified(unary(UnaryOp::IsNull, null(&DataType::Int64))), "true");
        assert_eq!(simplified(in_list(a(), vec![null(&DataType::Int64)])), "NULL");
    }

    #[test]
    fn normal_forms() {
        assert_eq!(simplified(compare(int(5), Less, a())), "a > 5");
        assert_eq!(simplified(in_list(a(), vec![int(5)])), "a = 5");
        assert_eq!(simplified(like(s(), "abc")), "s = 'abc'");
        assert_eq!(simplified(like(s(), "abc%")), "s LIKE 'abc%'");
        assert_eq!(simplified(like(s(), "a\\_c")), "s LIKE 'a\\_c'");
    }

    #[test]
    fn case_with_constant_conditions() {
        let case = |branches, otherwise| BoundExpr::Case { branches, otherwise, data_type: DataType::Int64 };
        let unreachable = (truth(false), arithmetic(int(1), Divide, int(0)));
        assert_eq!(simplified(case(vec![unreachable.clone()], None)), "NULL");
        assert_eq!(
            simplified(case(vec![unreachable, (p(), int(1)), (truth(true), int(2))], Some(Box::new(a())))),
            "CASE WHEN flag THEN 1 ELSE 2 END"
        );
        assert_eq!(simplified(case(vec![(truth(true), int(2)), (p(), int(1))], None)), "2");
    }

    #[test]
    fn casts_that_change_nothing() {
        let c = col(&scan(), "c");
        let wide = cast(c.clone(), &DataType::Int64);
        assert_eq!(simplified(cast(a(), &DataType::Int64)), "a");
        assert_eq!(simplified(cast(wide.clone(), &DataType::Int32)), "c");
        assert_eq!(simplified(cast(wide.clone(), &TEXT)), "CAST(c AS VARCHAR)");
        let float = cast(c, &DataType::Float64);
        assert_eq!(simplified(cast(float, &TEXT)), "CAST(CAST(c AS DOUBLE) AS VARCHAR)", "1 is not 1.0");
    }

    #[test]
    fn comparisons_move_to_the_type_of_the_column() {
        let c = || col(&scan(), "c");
        let wide = || cast(c(), &DataType::Int64);
        assert_eq!(simplified(compare(wide(), Less, int(5))), "c < 5");
        assert_eq!(simplified(compare(int(5), Less, wide())), "c > 5");
        assert_eq!(simplified(compare(wide(), Less, int(1 << 40))), "CAST(c AS BIGINT) < 1099511627776");
        assert_eq!(simplified(in_list(wide(), vec![int(1), int(2)])), "c IN (1, 2)");
        let float = |value| BoundExpr::Literal(Scalar::float64(value));
        assert_eq!(simplified(compare(cast(c(), &DataType::Float64), Equal, float(2.0))), "c = 2");
        assert_eq!(simplified(compare(cast(c(), &DataType::Float64), Less, float(2.5))), "CAST(c AS DOUBLE) < 2.5");
        let big = cast(a(), &DataType::Float64);
        assert_eq!(
            simplified(compare(big, Equal, float(2.0))),
            "CAST(a AS DOUBLE) = 2.0",
            "not every bigint is a double"
        );
        let midnight = BoundExpr::Literal(Scalar::timestamp(86_400_000_000, None));
        let noon = BoundExpr::Literal(Scalar::timestamp(86_400_000_000 * 3 / 2, None));
        let date = || cast(col(&scan(), "d"), &crate::types::TIMESTAMP);
        assert_eq!(simplified(compare(date(), GreaterEqual, midnight)), "d >= DATE '1970-01-02'");
        assert!(simplified(compare(date(), GreaterEqual, noon)).starts_with("CAST(d AS TIMESTAMP) >="));
    }

    #[test]
    fn what_fails_stays_for_the_run() {
        assert_eq!(simplified(arithmetic(int(1), Divide, int(0))), "1 / 0");
    }

    #[test]
    fn golden() {
        let scan = scan();
        let never = and(compare(a(), Less, null(&DataType::Int64)), p());
        let union = union(vec![filter(scan.clone(), never), filter(scan.clone(), or(p(), truth(true)))]);
        insta::assert_snapshot!(rule_golden(&RULE, sort(union, &[(a(), false)])), @r"
        before
          Sort a
            Union
              Filter (a < NULL) AND flag
                Scan t
              Filter flag OR true
                Scan t
        after
          Sort a
            Scan t
        ");
    }
}
