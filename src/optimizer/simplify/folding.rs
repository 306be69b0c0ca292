//! Tests of folding constants, with the engine's own evaluator.

use super::super::testing::*;
use super::{RULE, Simplifier};
use crate::expr::BinaryOp::*;
use crate::expr::BoundExpr;
use crate::types::{DataType, Scalar, TEXT};

fn simplified(expr: BoundExpr) -> String {
    Simplifier::new(&config()).unwrap().simplify(expr).to_string()
}

#[test]
fn operations_on_constants_are_computed() {
    assert_eq!(simplified(arithmetic(int(1), Add, int(1))), "2");
    assert_eq!(simplified(compare(int(3), Less, int(2))), "false");
    assert_eq!(simplified(in_list(int(3), vec![int(2), int(3)])), "true");
    assert_eq!(simplified(like(text("abc"), "a%")), "true");
    assert_eq!(simplified(cast(text("42"), &DataType::Int64)), "42");
    assert_eq!(simplified(cast(int(42), &TEXT)), "'42'");
    assert_eq!(simplified(arithmetic(text("a"), Concat, text("b"))), "'ab'");
    let a = col(&scan(), "a");
    assert_eq!(simplified(compare(a, Less, arithmetic(int(2), Multiply, int(3)))), "a < 6");
}

#[test]
fn what_fails_stays_for_the_run() {
    assert_eq!(simplified(arithmetic(int(1), Divide, int(0))), "1 / 0");
    assert_eq!(simplified(arithmetic(int(i64::MAX), Add, int(1))), "9223372036854775807 + 1");
    assert_eq!(simplified(cast(text("abc"), &DataType::Int64)), "CAST('abc' AS BIGINT)");
}

#[test]
fn golden() {
    let scan = scan();
    let date = cast(text("2013-01-01"), &DataType::Date32);
    let always = compare(arithmetic(int(1), Add, int(1)), Equal, int(2));
    let plan = filter(scan.clone(), and(always, compare(date, LessEqual, col(&scan, "d"))));
    let null = BoundExpr::Literal(Scalar::null(&DataType::Int64));
    let never = filter(scan, compare(arithmetic(int(1), Add, null), Greater, int(1)));
    insta::assert_snapshot!(rule_golden(&RULE, union(vec![plan, never])), @r"
    before
      Union
        Filter ((1 + 1) = 2) AND (CAST('2013-01-01' AS DATE) <= d)
          Scan t
        Filter (1 + NULL) > 1
          Scan t
    after
      Filter d >= DATE '2013-01-01'
        Scan t
    ");
}
