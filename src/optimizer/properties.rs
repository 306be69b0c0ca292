//! Random plans mean the same before and after optimization.

use std::sync::Arc;

use proptest::prelude::*;

use super::reference::{Row, Value, run};
use super::testing::*;
use super::{RULES, optimize, verify};
use crate::config::Config;
use crate::expr::{AggregateExpr, BinaryOp, BoundExpr, Edge, UnaryOp};
use crate::plan::LogicalPlan;
use crate::types::{DataType, Scalar, list_of};

/// Choices made from a seed: xorshift (Marsaglia, 2003).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn column(&mut self, plan: &LogicalPlan, data_type: &DataType) -> Option<BoundExpr> {
        let fields = plan.schema().fields().iter().enumerate();
        let fitting: Vec<usize> =
            fields.filter(|(_, field)| field.data_type() == data_type).map(|(position, _)| position).collect();
        (!fitting.is_empty()).then(|| plan.column(self.one_of(&fitting)))
    }

    fn number(&mut self, plan: &LogicalPlan, depth: usize) -> BoundExpr {
        let constant = |choices: &mut Self| match choices.below(8) {
            0 => BoundExpr::Literal(Scalar::null(&DataType::Int64)),
            other => int(other as i64 - 3),
        };
        match self.below(if depth == 0 { 3 } else { 7 }) {
            0 => constant(self),
            1 | 2 => self.column(plan, &DataType::Int64).unwrap_or_else(|| constant(self)),
            3 => match self.column(plan, &DataType::Int32) {
                Some(narrow) => cast(narrow, &DataType::Int64),
                None => constant(self),
            },
            4 => BoundExpr::Case {
                branches: vec![(self.condition(plan, depth - 1), self.number(plan, depth - 1))],
                otherwise: (self.below(2) == 0).then(|| Box::new(self.number(plan, depth - 1))),
                data_type: DataType::Int64,
            },
            _ => {
                use BinaryOp::{Add, Divide, Modulo, Multiply, Subtract};
                let op = self.one_of(&[Add, Subtract, Multiply, Divide, Modulo]);
                arithmetic(self.number(plan, depth - 1), op, self.number(plan, depth - 1))
            }
        }
    }

    fn condition(&mut self, plan: &LogicalPlan, depth: usize) -> BoundExpr {
        if depth == 0 {
            return match self.below(4) {
                0 => BoundExpr::Literal(Scalar::null(&DataType::Boolean)),
                1 => truth(self.below(2) == 0),
                _ => self.column(plan, &DataType::Boolean).unwrap_or_else(|| truth(true)),
            };
        }
        use BinaryOp::{
            And, DistinctFrom, Equal, Greater, GreaterEqual, Less, LessEqual, NotDistinctFrom, NotEqual, Or,
        };
        match self.below(8) {
            0 | 1 => {
                let op = self.one_of(&[And, Or]);
                compare(self.condition(plan, depth - 1), op, self.condition(plan, depth - 1))
            }
            2 => {
                use UnaryOp::{IsFalse, IsNotNull, IsNotTrue, IsNull, IsTrue, Not};
                let op = self.one_of(&[Not, Not, IsNull, IsNotNull, IsTrue, IsNotTrue, IsFalse]);
                unary(op, self.condition(plan, depth - 1))
            }
            3 => {
                let list = (0..=self.below(3)).map(|_| self.number(plan, 0)).collect();
                in_list(self.number(plan, depth - 1), list)
            }
            _ => {
                let ops = [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, DistinctFrom, NotDistinctFrom];
                let op = self.one_of(&ops);
                compare(self.number(plan, depth - 1), op, self.number(plan, depth - 1))
            }
        }
    }

    fn named(&mut self, plan: &LogicalPlan, count: usize) -> Vec<(&'static str, BoundExpr)> {
        let names = ["x", "y", "z", "w"];
        let mut exprs: Vec<_> = (0..count).map(|position| (names[position], self.number(plan, 2))).collect();
        if let Some(column) = self.column(plan, &DataType::Boolean) {
            exprs.push(("flag", column));
        }
        // The same expression again, for what finds common ones.
        if self.below(2) == 0
            && let Some((_, expr)) = exprs.first().cloned()
            && expr.data_type() == DataType::Int64
        {
            exprs.push(("again", arithmetic(expr, BinaryOp::Add, int(1))));
        }
        exprs
    }

    fn aggregates(&mut self, plan: &LogicalPlan) -> Vec<AggregateExpr> {
        let value = self.number(plan, 1);
        let mut aggregates = Vec::new();
        for _ in 0..=self.below(3) {
            let arg = if self.below(3) == 0 { self.number(plan, 1) } else { value.clone() };
            let mut next = match self.below(4) {
                0 => count_star(),
                1 => count_distinct(arg),
                _ => agg(self.one_of(&["sum", "min", "max", "count"]), vec![arg], DataType::Int64),
            };
            if self.below(4) == 0 {
                next.filter = Some(self.condition(plan, 1));
            }
            aggregates.push(next);
        }
        aggregates
    }

    fn plan(&mut self, rows: u64, size: usize) -> LogicalPlan {
        if size == 0 {
            return scan_of((self.below(2) == 0).then_some(rows));
        }
        let input = self.plan(rows, size - 1);
        match self.below(12) {
            0..=2 => {
                let predicate = self.condition(&input, 3);
                filter(input, predicate)
            }
            3 | 4 => {
                let count = 1 + self.below(3);
                let exprs = self.named(&input, count);
                project(input, &exprs)
            }
            5 => {
                let fetch = (self.below(4) > 0).then(|| self.below(8));
                limit(input, self.below(3), fetch)
            }
            6 => {
                let keys =
                    (0..=self.below(2)).map(|_| (self.number(&input, 1), self.below(2) == 0)).collect::<Vec<_>>();
                sort(input, &keys)
            }
            7 => {
                let keys = (0..self.below(3)).map(|key| (["k", "l"][key], self.number(&input, 1))).collect::<Vec<_>>();
                let aggregates = self.aggregates(&input);
                aggregate(input, &keys, aggregates)
            }
            8 => {
                let count = 1 + self.below(2);
                let same = self.named(&input, count);
                let mut names: Vec<_> = same.iter().map(|(name, _)| *name).collect();
                names.extend(["key", "set"]);
                let key = self.number(&input, 1);
                let projection = |set: usize| {
                    let key = if set.is_multiple_of(2) {
                        key.clone()
                    } else {
                        BoundExpr::Literal(Scalar::null(&DataType::Int64))
                    };
                    same.iter().map(|(_, expr)| expr.clone()).chain([key, int(set as i64)]).collect()
                };
                let projections = (0..=self.below(3)).map(projection).collect();
                expand(input, &names, projections)
            }
            9 => {
                let keys = |choices: &mut Self| -> Vec<BoundExpr> {
                    (0..choices.below(2)).filter_map(|_| choices.column(&input, &DataType::Int64)).collect()
                };
                let (partition_by, order_by) = (keys(self), keys(self));
                let start = self.one_of(&[Edge::Unbounded, Edge::Rows(-2), Edge::Rows(0)]);
                let end = self.one_of(&[Edge::Unbounded, Edge::Rows(0), Edge::Rows(1)]);
                let aggregates = (0..=self.below(2)).map(|_| {
                    let function = self.one_of(&["sum", "min", "max", "count"]);
                    agg(function, vec![self.number(&input, 1)], DataType::Int64)
                });
                let aggregates = aggregates.collect();
                window(input, partition_by, order_by, (start, end), aggregates)
            }
            10 => {
                let items = |choices: &mut Self| {
                    list_value((0..=choices.below(2)).map(|_| choices.number(&input, 1)).collect())
                };
                let list = |choices: &mut Self| match choices.below(3) {
                    0 => items(choices),
                    _ => BoundExpr::Case {
                        branches: vec![(choices.condition(&input, 1), items(choices))],
                        otherwise: (choices.below(3) == 0).then(|| Box::new(items(choices))),
                        data_type: list_of(DataType::Int64),
                    },
                };
                let lists: Vec<_> =
                    ["i", "j"].into_iter().take(1 + self.below(2)).map(|name| (name, list(self))).collect();
                let ordinality = (self.below(4) == 0).then_some("o");
                unnest(input.clone(), &lists, ordinality, self.below(3) == 0)
            }
            _ => {
                let predicate = self.condition(&input, 2);
                union(vec![input.clone(), filter(input, predicate)])
            }
        }
    }
}

/// Rows of the test table; the columns that the twin does not know are null.
fn table() -> impl Strategy<Value = Vec<Row>> {
    let number = || prop_oneof![1 => Just(Value::Null), 5 => (-2_i64..4).prop_map(Value::Int)];
    let truth = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool)];
    let row = (number(), number(), number(), truth)
        .prop_map(|(a, b, c, flag)| vec![a, b, c, Value::Null, Value::Null, Value::Null, flag]);
    proptest::collection::vec(row, 0..12)
}

fn same_result(seed: u64, size: usize, rows: &[Row], config: Config) -> Result<(), TestCaseError> {
    let plan = Choices(seed | 1).plan(rows.len() as u64, size);
    let optimized =
        optimize(plan.clone(), &Arc::new(config)).map_err(|error| TestCaseError::fail(format!("{error}\n{plan}")))?;
    verify(&optimized).map_err(|error| TestCaseError::fail(error.to_string()))?;
    // A plan may fail less often when optimized, never more often.
    if let Ok(expected) = run(&plan, rows) {
        prop_assert_eq!(run(&optimized, rows), Ok(expected), "before:\n{}\nafter:\n{}", plan, optimized);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn optimized_plans_give_the_same_rows(seed in any::<u64>(), size in 1_usize..7, rows in table()) {
        same_result(seed, size, &rows, Config::default())?;
    }

    #[test]
    fn each_rule_alone_gives_the_same_rows(seed in any::<u64>(), size in 1_usize..7, rows in table()) {
        let only = &RULES[(seed % RULES.len() as u64) as usize].name;
        let others = RULES.iter().map(|rule| rule.name).filter(|name| name != only).map(String::from).collect();
        same_result(seed.rotate_left(17), size, &rows, Config { disabled_rules: others, ..Config::default() })?;
    }
}
