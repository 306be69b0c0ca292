//! Row groups are skipped only where no row matches: random conditions against a slow twin.

use super::*;

/// SQL's answer for a row: the slow twin of pruning.
pub(super) fn answer(expr: &BoundExpr, row: &[Option<Value>]) -> Option<bool> {
    match expr {
        BoundExpr::Unary { op: UnaryOp::Not, expr } => answer(expr, row).map(|value| !value),
        BoundExpr::Unary { op, expr } => {
            let null = match &**expr {
                BoundExpr::Column { index, .. } => row[*index].is_none(),
                other => answer(other, row).is_none(),
            };
            let truth = match &**expr {
                BoundExpr::Column { .. } => None,
                other => answer(other, row),
            };
            Some(match op {
                UnaryOp::IsNull => null,
                UnaryOp::IsNotNull => !null,
                UnaryOp::IsTrue => truth == Some(true),
                UnaryOp::IsNotTrue => truth != Some(true),
                UnaryOp::IsFalse => truth == Some(false),
                _ => truth != Some(false),
            })
        }
        BoundExpr::Binary { left, op: BinaryOp::And, right, .. } => match (answer(left, row), answer(right, row)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        BoundExpr::Binary { left, op: BinaryOp::Or, right, .. } => match (answer(left, row), answer(right, row)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        BoundExpr::Binary { left, op, right, .. } => {
            let (left, right) = (value(left, row), value(right, row));
            match op {
                BinaryOp::DistinctFrom => return Some(left != right),
                BinaryOp::NotDistinctFrom => return Some(left == right),
                _ => {}
            }
            let order = left?.cmp(&right?);
            Some(match op {
                BinaryOp::Equal => order.is_eq(),
                BinaryOp::NotEqual => order.is_ne(),
                BinaryOp::Less => order.is_lt(),
                BinaryOp::LessEqual => order.is_le(),
                BinaryOp::Greater => order.is_gt(),
                _ => order.is_ge(),
            })
        }
        BoundExpr::InList { expr, list, negated } => {
            let wanted = value(expr, row)?;
            let items: Vec<_> = list.iter().map(|item| value(item, row)).collect();
            let found = if items.contains(&Some(wanted)) {
                true
            } else if items.contains(&None) {
                return None;
            } else {
                false
            };
            Some(found != *negated)
        }
        other => panic!("{other}"),
    }
}

/// A value that compares as SQL does: NaN greatest, -0 is 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Int(i64),
    Float(u64),
    Text(String),
}

pub(super) fn value(expr: &BoundExpr, row: &[Option<Value>]) -> Option<Value> {
    match expr {
        BoundExpr::Column { index, .. } => row[*index].clone(),
        BoundExpr::Literal(scalar) => value_of(scalar.as_array(), 0),
        BoundExpr::Cast { expr, .. } => match value(expr, row)? {
            Value::Int(value) => Some(float(value as f64)),
            other => Some(other),
        },
        other => panic!("{other}"),
    }
}

pub(super) fn float(value: f64) -> Value {
    let bits = (if value.is_nan() { f64::NAN } else { value + 0.0 }).to_bits();
    Value::Float(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
}

pub(super) fn value_of(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Int64 => Value::Int(array.as_primitive::<arrow::datatypes::Int64Type>().value(row)),
        DataType::Float64 => float(array.as_primitive::<arrow::datatypes::Float64Type>().value(row)),
        _ => Value::Text(array.as_string_view().value(row).to_string()),
    })
}

pub(super) fn float_values() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3i32..4).prop_map(f64::from),
        1 => Just(-0.0),
        1 => Just(f64::NAN),
        1 => Just(-f64::NAN),
        1 => Just(f64::INFINITY),
    ]
}

/// Texts that share more than the bytes that statistics keep.
pub(super) fn texts() -> impl Strategy<Value = String> {
    (prop_oneof![Just(""), Just("é"), Just("z")], 0usize..70, "[a-c]{0,2}")
        .prop_map(|(head, middle, tail)| format!("{head}{}{tail}", "x".repeat(middle / 60 * 64)))
}

pub(super) fn literal(column: usize) -> BoxedStrategy<Scalar> {
    match column {
        0 => prop_oneof![8 => (-4i64..5).prop_map(Scalar::int64), 1 => Just(Scalar::null(&DataType::Int64))].boxed(),
        1 => prop_oneof![8 => float_values().prop_map(Scalar::float64), 1 => Just(Scalar::null(&DataType::Float64))]
            .boxed(),
        _ => prop_oneof![8 => texts().prop_map(|text| Scalar::text(&text)), 1 => Just(Scalar::null(&TEXT))].boxed(),
    }
}

pub(super) fn conditions() -> impl Strategy<Value = BoundExpr> {
    let types = [DataType::Int64, DataType::Float64, TEXT];
    let operand = move |column: usize| BoundExpr::column(column, "c", &types[column]);
    let ops = prop::sample::select(vec![
        BinaryOp::Equal,
        BinaryOp::NotEqual,
        BinaryOp::Less,
        BinaryOp::LessEqual,
        BinaryOp::Greater,
        BinaryOp::GreaterEqual,
        BinaryOp::DistinctFrom,
        BinaryOp::NotDistinctFrom,
    ]);
    let binary = |left, op, right| BoundExpr::Binary {
        left: Box::new(left),
        op,
        right: Box::new(right),
        data_type: DataType::Boolean,
    };
    let column = 0usize..3;
    let of = operand.clone();
    let comparison = (column.clone(), ops.clone(), any::<bool>()).prop_flat_map(move |(column, op, swapped)| {
        let left = of(column);
        literal(column).prop_map(move |right| match swapped {
            false => binary(left.clone(), op, BoundExpr::Literal(right)),
            true => binary(BoundExpr::Literal(right), op, left.clone()),
        })
    });
    let of = operand.clone();
    let widened = (ops, float_values()).prop_map(move |(op, value)| {
        let cast = BoundExpr::Cast { expr: Box::new(of(0)), to: DataType::Float64, try_cast: false };
        binary(cast, op, BoundExpr::Literal(Scalar::float64(value)))
    });
    let of = operand.clone();
    let in_list = (column.clone(), any::<bool>()).prop_flat_map(move |(column, negated)| {
        let expr = of(column);
        prop::collection::vec(literal(column), 1..3).prop_map(move |list| BoundExpr::InList {
            expr: Box::new(expr.clone()),
            list: list.into_iter().map(BoundExpr::Literal).collect(),
            negated,
        })
    });
    let of = operand;
    let nulls = (column, any::<bool>()).prop_map(move |(column, not)| BoundExpr::Unary {
        op: if not { UnaryOp::IsNotNull } else { UnaryOp::IsNull },
        expr: Box::new(of(column)),
    });
    prop_oneof![comparison, widened, in_list, nulls].prop_recursive(3, 8, 2, move |inner| {
        let unary = prop::sample::select(vec![
            UnaryOp::Not,
            UnaryOp::IsNull,
            UnaryOp::IsNotNull,
            UnaryOp::IsTrue,
            UnaryOp::IsNotTrue,
            UnaryOp::IsFalse,
            UnaryOp::IsNotFalse,
        ]);
        prop_oneof![
            (inner.clone(), any::<bool>(), inner.clone()).prop_map(move |(left, and, right)| {
                binary(left, if and { BinaryOp::And } else { BinaryOp::Or }, right)
            }),
            (unary, inner).prop_map(|(op, expr)| BoundExpr::Unary { op, expr: Box::new(expr) }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_skipped_row_group_has_no_row_that_matches(
        ints in prop::collection::vec(prop::option::weighted(0.8, -3i64..4), 1..12),
        floats in prop::collection::vec(prop::option::weighted(0.8, float_values()), 12),
        texts in prop::collection::vec(prop::option::weighted(0.8, texts()), 12),
        conditions in prop::collection::vec(conditions(), 20),
        row_group in 1usize..4,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let rows = ints.len();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i", Arc::new(Int64Array::from(ints))),
            ("f", Arc::new(Float64Array::from(floats[..rows].to_vec()))),
            ("t", Arc::new(StringViewArray::from_iter(texts[..rows].iter().cloned()))),
        ];
        let table = open(&[foreign(&dir.path().join("a.parquet"), columns.clone(), row_group)]).unwrap();
        let context = context(100);
        for condition in conditions {
            let matches: Vec<bool> = (0..rows)
                .map(|row| {
                    let values: Vec<_> = columns.iter().map(|(_, array)| value_of(array, row)).collect();
                    answer(&condition, &values) == Some(true)
                })
                .collect();
            let wanted = matches.chunks(row_group).filter(|group| group.contains(&true)).count();
            let request = ScanRequest { filters: vec![condition.clone()], ..ScanRequest::default() };
            let kept: usize = read(&table, &request, &context).unwrap().iter().map(RecordBatch::num_rows).sum();
            prop_assert_eq!(kept, matches.iter().filter(|&&matched| matched).count(), "{}", condition);
            prop_assert!(table.scan(&request, &context).unwrap().partitions() >= wanted);
        }
    }
}
