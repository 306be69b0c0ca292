//! Evaluation against known answers: logic tables, overflow, laziness, casts.

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, StringViewArray};
use arrow::datatypes::{Field, Schema};
use proptest::prelude::*;

use super::arithmetic::arithmetic_type;
use super::cast::{can_cast, cast};
use super::*;
use crate::expr::{BinaryOp, UnaryOp};
use crate::types::temporal::format_value;
use crate::types::{DataType, INTERVAL, Scalar, TEXT, TIME, TIMESTAMP, timestamp_tz};

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| Field::new(format!("c{index}"), column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn column(batch: &RecordBatch, index: usize) -> BoundExpr {
    BoundExpr::column(index, &format!("c{index}"), batch.column(index).data_type())
}

fn lit(value: Scalar) -> BoundExpr {
    BoundExpr::Literal(value)
}

/// Binds as the resolver does: arithmetic by its rule, comparisons with both sides as they are.
fn binary(left: BoundExpr, op: BinaryOp, right: BoundExpr) -> BoundExpr {
    let boxed = |expr: BoundExpr, to: &DataType| {
        if expr.data_type() == *to {
            Box::new(expr)
        } else {
            Box::new(BoundExpr::Cast { expr: Box::new(expr), to: to.clone(), try_cast: false })
        }
    };
    if op.is_arithmetic() {
        let (l, r, data_type) = arithmetic_type(op, &left.data_type(), &right.data_type())
            .unwrap_or_else(|| panic!("{left} {} {right}", op.symbol()));
        return BoundExpr::Binary { left: boxed(left, &l), op, right: boxed(right, &r), data_type };
    }
    let data_type = if op == BinaryOp::Concat { TEXT } else { DataType::Boolean };
    BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type }
}

fn run(expr: &BoundExpr, batch: &RecordBatch) -> Result<Vec<String>> {
    let evaluator = Evaluator::new(expr, &Arc::new(Config::default()))?;
    let value = evaluator.evaluate(batch)?;
    assert_eq!(*value.data_type(), expr.data_type(), "{expr}");
    let array = value.into_array(batch.num_rows());
    assert_eq!(array.len(), batch.num_rows(), "{expr}");
    Ok((0..array.len()).map(|row| format_value(&array, row).unwrap_or_else(|| "NULL".into())).collect())
}

/// The value of an expression without columns.
fn one(expr: &BoundExpr) -> String {
    let batch = batch(vec![Arc::new(Int32Array::from(vec![0, 0]))]);
    match run(expr, &batch) {
        Ok(rows) => {
            assert_eq!(rows[0], rows[1]);
            rows[0].clone()
        }
        Err(error) => format!("!{}", error.kind().message),
    }
}

fn typed(text: &str, to: &DataType) -> BoundExpr {
    let Value::Scalar(scalar) = cast(&Value::Scalar(Scalar::text(text)), to, false, &Config::default()).unwrap() else {
        unreachable!()
    };
    lit(scalar)
}

fn truths() -> RecordBatch {
    let values = [Some(true), Some(false), None];
    let left: BooleanArray = values.iter().flat_map(|left| [*left; 3]).collect();
    let right: BooleanArray = values.iter().cycle().take(9).copied().collect();
    batch(vec![Arc::new(left), Arc::new(right)])
}

#[test]
fn logic_has_three_values() {
    let batch = truths();
    let (left, right) = (column(&batch, 0), column(&batch, 1));
    let show = |op| run(&binary(left.clone(), op, right.clone()), &batch).unwrap().join(" ");
    assert_eq!(show(BinaryOp::And), "true false NULL false false false NULL false NULL");
    assert_eq!(show(BinaryOp::Or), "true true true true false NULL true NULL NULL");
    assert_eq!(show(BinaryOp::Equal), "true false NULL false true NULL NULL NULL NULL");
    assert_eq!(show(BinaryOp::DistinctFrom), "false true true true false true true true false");
    assert_eq!(show(BinaryOp::NotDistinctFrom), "true false false false true false false false true");
    let unary = |op| run(&BoundExpr::Unary { op, expr: Box::new(right.clone()) }, &batch).unwrap()[..3].join(" ");
    assert_eq!(unary(UnaryOp::Not), "false true NULL");
    assert_eq!(unary(UnaryOp::IsNull), "false false true");
    assert_eq!(unary(UnaryOp::IsNotNull), "true true false");
    assert_eq!(unary(UnaryOp::IsTrue), "true false false");
    assert_eq!(unary(UnaryOp::IsNotTrue), "false true true");
    assert_eq!(unary(UnaryOp::IsFalse), "false true false");
    assert_eq!(unary(UnaryOp::IsNotFalse), "true false true");
    // Constants on either side give the same as columns.
    for op in [BinaryOp::And, BinaryOp::Or] {
        let columns = run(&binary(left.clone(), op, right.clone()), &batch).unwrap();
        for (index, value) in
            [Scalar::boolean(true), Scalar::boolean(false), Scalar::null(&DataType::Boolean)].into_iter().enumerate()
        {
            let with = run(&binary(lit(value.clone()), op, right.clone()), &batch).unwrap();
            assert_eq!(with[..3], columns[index * 3..index * 3 + 3]);
            let with = run(&binary(right.clone(), op, lit(value)), &batch).unwrap();
            assert_eq!(with[..3], columns[index * 3..index * 3 + 3]);
        }
    }
}

fn divisors() -> RecordBatch {
    batch(vec![Arc::new(Int32Array::from(vec![Some(2), Some(0), None, Some(-4)]))])
}

/// `8 / c0 > 1`
fn quotient_above_one(batch: &RecordBatch) -> BoundExpr {
    let quotient = binary(lit(Scalar::int32(8)), BinaryOp::Divide, column(batch, 0));
    binary(quotient, BinaryOp::Greater, lit(Scalar::int32(1)))
}

#[test]
fn rows_that_a_condition_excluded_raise_no_error() {
    let batch = divisors();
    let quotient = quotient_above_one(&batch);
    assert!(run(&quotient, &batch).is_err());
    let not_zero = binary(column(&batch, 0), BinaryOp::NotEqual, lit(Scalar::int32(0)));
    let is_zero = binary(column(&batch, 0), BinaryOp::Equal, lit(Scalar::int32(0)));
    let and = binary(not_zero.clone(), BinaryOp::And, quotient.clone());
    assert_eq!(run(&and, &batch).unwrap(), ["true", "false", "NULL", "false"]);
    let or = binary(is_zero, BinaryOp::Or, quotient.clone());
    assert_eq!(run(&or, &batch).unwrap(), ["true", "true", "NULL", "false"]);
    let case = BoundExpr::Case {
        branches: vec![(not_zero.clone(), binary(lit(Scalar::int32(8)), BinaryOp::Divide, column(&batch, 0)))],
        otherwise: Some(Box::new(lit(Scalar::int32(-1)))),
        data_type: DataType::Int32,
    };
    assert_eq!(run(&case, &batch).unwrap(), ["4", "-1", "-1", "-2"]);
    // A selection inside of a selection.
    let nested = BoundExpr::Case {
        branches: vec![(
            not_zero.clone(),
            BoundExpr::Case {
                branches: vec![(quotient, lit(Scalar::text("large")))],
                otherwise: None,
                data_type: TEXT,
            },
        )],
        otherwise: Some(Box::new(lit(Scalar::text("else")))),
        data_type: TEXT,
    };
    assert_eq!(run(&nested, &batch).unwrap(), ["large", "else", "else", "NULL"]);
    let coalesce = BoundExpr::Call {
        name: "coalesce",
        args: vec![column(&batch, 0), binary(lit(Scalar::int32(1)), BinaryOp::Divide, lit(Scalar::int32(0)))],
        data_type: DataType::Int32,
    };
    assert!(run(&coalesce, &batch).is_err());
    assert_eq!(run(&coalesce, &batch.slice(0, 2)).unwrap(), ["2", "0"]);
    let with_zero = BoundExpr::Call {
        name: "coalesce",
        args: vec![column(&batch, 0), lit(Scalar::int32(7))],
        data_type: DataType::Int32,
    };
    assert_eq!(run(&with_zero, &batch).unwrap(), ["2", "0", "7", "-4"]);
    let lazy_if = BoundExpr::Call {
        name: "if",
        args: vec![not_zero, binary(lit(Scalar::int32(8)), BinaryOp::Divide, column(&batch, 0)), lit(Scalar::int32(0))],
        data_type: DataType::Int32,
    };
    assert_eq!(run(&lazy_if, &batch).unwrap(), ["4", "0", "0", "-2"]);
}

#[test]
fn a_failing_constant_fails_only_where_it_is_reached() {
    let batch = divisors();
    let boom = binary(lit(Scalar::int32(1)), BinaryOp::Divide, lit(Scalar::int32(0)));
    assert_eq!(one(&boom), "!division by zero");
    let guarded = BoundExpr::Case {
        branches: vec![(lit(Scalar::boolean(false)), boom)],
        otherwise: None,
        data_type: DataType::Int32,
    };
    assert_eq!(run(&guarded, &batch).unwrap(), ["NULL"; 4]);
}

#[test]
fn integers_overflow_aloud() {
    let max = lit(Scalar::int64(i64::MAX));
    let min = lit(Scalar::int64(i64::MIN));
    let of = |left: &BoundExpr, op, right| one(&binary(left.clone(), op, lit(right)));
    assert_eq!(
        of(&max, BinaryOp::Add, Scalar::int64(1)),
        "!integer overflow: 9223372036854775807 + 1 does not fit into BIGINT"
    );
    assert_eq!(
        of(&lit(Scalar::int32(i32::MAX)), BinaryOp::Multiply, Scalar::int32(2)),
        "!integer overflow: 2147483647 * 2 does not fit into INTEGER"
    );
    assert_eq!(of(&min, BinaryOp::Modulo, Scalar::int64(-1)), "0");
    assert!(of(&min, BinaryOp::Divide, Scalar::int64(-1)).starts_with("!integer overflow"));
    assert_eq!(of(&max, BinaryOp::Modulo, Scalar::int64(0)), "!division by zero");
    assert_eq!(of(&lit(Scalar::int32(-7)), BinaryOp::Divide, Scalar::int32(2)), "-3");
    assert_eq!(of(&lit(Scalar::int32(-7)), BinaryOp::Modulo, Scalar::int32(3)), "-1");
    assert_eq!(of(&lit(Scalar::int32(7)), BinaryOp::Divide, Scalar::float64(2.0)), "3.5");
    assert_eq!(of(&lit(Scalar::int32(7)), BinaryOp::Divide, Scalar::null(&DataType::Null)), "NULL");
    assert_eq!(of(&lit(Scalar::float64(1.0)), BinaryOp::Divide, Scalar::float64(-0.0)), "!division by zero");
    assert_eq!(of(&lit(Scalar::float64(f64::NAN)), BinaryOp::Divide, Scalar::float64(0.0)), "NaN");
    let negated = BoundExpr::Unary { op: UnaryOp::Negate, expr: Box::new(min) };
    assert!(one(&negated).contains("does not fit into BIGINT"), "{}", one(&negated));
    // Beside columns, and not where a side is null.
    let rows = batch(vec![
        Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN)])),
        Arc::new(Float64Array::from(vec![Some(2.0), Some(0.0), Some(0.0)])),
    ]);
    let quotient = binary(column(&rows, 0), BinaryOp::Divide, column(&rows, 1));
    assert_eq!(run(&quotient, &rows).unwrap(), ["0.5", "NULL", "NaN"]);
}

#[test]
fn decimals_are_exact() {
    let decimal = |text: &str, precision, scale| typed(text, &DataType::Decimal128(precision, scale));
    let of = |left: BoundExpr, op, right: BoundExpr| one(&binary(left, op, right));
    assert_eq!(of(decimal("1.10", 3, 2), BinaryOp::Add, decimal("2.205", 4, 3)), "3.305");
    assert_eq!(of(decimal("1.10", 3, 2), BinaryOp::Subtract, lit(Scalar::int32(2))), "-0.90");
    assert_eq!(of(decimal("1.10", 3, 2), BinaryOp::Multiply, decimal("-0.5", 2, 1)), "-0.550");
    assert_eq!(of(lit(Scalar::int32(1)), BinaryOp::Divide, decimal("3", 1, 0)), "0.333333");
    assert_eq!(of(decimal("2", 1, 0), BinaryOp::Divide, decimal("3", 1, 0)), "0.666667");
    assert_eq!(of(decimal("-5.5", 2, 1), BinaryOp::Modulo, lit(Scalar::int32(2))), "-1.5");
    assert_eq!(of(decimal("5.5", 2, 1), BinaryOp::Divide, lit(Scalar::int32(0))), "!division by zero");
    assert_eq!(of(decimal("5.5", 2, 1), BinaryOp::Multiply, lit(Scalar::float64(2.0))), "11.0");
    let large = decimal("99999999999999999999999999999999999999", 38, 0);
    assert!(of(large.clone(), BinaryOp::Add, large.clone()).starts_with("!decimal overflow"));
    assert_eq!(of(large.clone(), BinaryOp::Divide, large), "1.000000");
    assert_eq!(arithmetic_type(BinaryOp::Multiply, &DataType::Decimal128(38, 20), &DataType::Decimal128(38, 20)), None);
}

#[test]
fn dates_and_intervals_add_up_as_in_postgresql() {
    use BinaryOp::{Add, Divide, Multiply, Subtract};
    let (date, timestamp, interval, time) = (DataType::Date32, TIMESTAMP, INTERVAL, TIME);
    let zoned = timestamp_tz("UTC");
    let number = DataType::Float64;
    for (left, left_type, op, right, right_type, expected) in [
        ("2013-01-31", &date, Add, "1", &DataType::Int64, "2013-02-01"),
        ("2013-01-31", &date, Subtract, "2013-01-01", &date, "30"),
        ("2013-01-31", &date, Add, "1 month", &interval, "2013-02-28 00:00:00"),
        ("1 month", &interval, Add, "2013-01-31", &date, "2013-02-28 00:00:00"),
        ("2013-01-31", &date, Add, "13:45", &time, "2013-01-31 13:45:00"),
        ("2013-03-31 10:00", &timestamp, Subtract, "1 month 1 hour", &interval, "2013-02-28 09:00:00"),
        ("2013-03-31 10:00Z", &zoned, Add, "1 day", &interval, "2013-04-01 10:00:00+00"),
        ("2013-01-03 02:03:04", &timestamp, Subtract, "2013-01-02", &date, "1 day 02:03:04"),
        ("2013-01-01", &timestamp, Subtract, "2013-01-02 01:00", &timestamp, "-1 days -01:00:00"),
        ("1 day", &interval, Add, "2 hours", &interval, "1 day 02:00:00"),
        ("1 month", &interval, Multiply, "1.5", &number, "1 mon 15 days"),
        ("2", &DataType::Int32, Multiply, "1 day 02:00", &interval, "2 days 04:00:00"),
        ("1 month", &interval, Divide, "3", &number, "10 days"),
        ("1 day", &interval, Divide, "3", &DataType::Int32, "08:00:00"),
        ("1 day", &interval, Divide, "0", &number, "!division by zero"),
        ("23:00", &time, Add, "2 hours", &interval, "01:00:00"),
        ("01:00", &time, Subtract, "02:30", &time, "-01:30:00"),
    ] {
        let expr = binary(typed(left, left_type), op, typed(right, right_type));
        assert_eq!(one(&expr), expected, "{left} {} {right}", op.symbol());
    }
    assert_eq!(arithmetic_type(Add, &date, &date), None);
    assert_eq!(arithmetic_type(Multiply, &timestamp, &number), None);
    let far = typed("2147483647", &DataType::Int64);
    assert_eq!(one(&binary(typed("2013-01-01", &date), Add, far)), "!date out of range");
    let negated = BoundExpr::Unary { op: UnaryOp::Negate, expr: Box::new(typed("1 day -2 hours", &interval)) };
    assert_eq!(one(&negated), "-1 days +02:00:00");
}

#[test]
fn comparisons_follow_sql_order() {
    let nan = || lit(Scalar::float64(f64::NAN));
    let float = |value| lit(Scalar::float64(value));
    assert_eq!(one(&binary(float(-0.0), BinaryOp::Equal, float(0.0))), "true");
    assert_eq!(one(&binary(float(-0.0), BinaryOp::Less, float(0.0))), "false");
    assert_eq!(one(&binary(nan(), BinaryOp::Equal, float(-f64::NAN))), "true");
    assert_eq!(one(&binary(float(f64::INFINITY), BinaryOp::Less, nan())), "true");
    let interval = |text| typed(text, &INTERVAL);
    assert_eq!(one(&binary(interval("1 month"), BinaryOp::Equal, interval("30 days"))), "true");
    assert_eq!(one(&binary(interval("23:59:59"), BinaryOp::Less, interval("1 day"))), "true");
    assert_eq!(one(&binary(lit(Scalar::text("Z")), BinaryOp::Less, lit(Scalar::text("a")))), "true");
    let zurich = lit(Scalar::timestamp(0, Some("Europe/Zurich")));
    assert_eq!(one(&binary(zurich, BinaryOp::Equal, lit(Scalar::timestamp(0, Some("UTC"))))), "true");
}

#[test]
fn in_lists_know_nulls() {
    let rows = batch(vec![
        Arc::new(Int64Array::from(vec![Some(1), Some(2), None])),
        Arc::new(StringViewArray::from(vec![Some("a"), None, Some("a string of more than twelve bytes")])),
        Arc::new(Float64Array::from(vec![Some(-0.0), Some(f64::NAN), Some(1.0)])),
    ]);
    let show = |expr: BoundExpr, list: Vec<BoundExpr>, negated| {
        run(&BoundExpr::InList { expr: Box::new(expr), list, negated }, &rows).unwrap().join(" ")
    };
    let long = |value| lit(Scalar::int64(value));
    let null = || lit(Scalar::null(&DataType::Int64));
    let first = || column(&rows, 0);
    assert_eq!(show(first(), vec![long(1), long(5)], false), "true false NULL");
    assert_eq!(show(first(), vec![long(1), long(5)], true), "false true NULL");
    assert_eq!(show(first(), vec![long(1), null()], false), "true NULL NULL");
    assert_eq!(show(first(), vec![long(1), null()], true), "false NULL NULL");
    assert_eq!(show(first(), vec![null()], false), "NULL NULL NULL");
    assert_eq!(show(first(), vec![first(), long(7)], false), "true true NULL");
    assert_eq!(show(long(7), vec![first(), null()], true), "NULL NULL NULL");
    assert_eq!(show(long(2), vec![first()], false), "false true NULL");
    let texts = vec![lit(Scalar::text("a string of more than twelve bytes")), lit(Scalar::text("b"))];
    assert_eq!(show(column(&rows, 1), texts, false), "false NULL true");
    let floats = vec![lit(Scalar::float64(0.0)), lit(Scalar::float64(f64::NAN))];
    assert_eq!(show(column(&rows, 2), floats, false), "true true false");
}

#[test]
fn casts_round_trim_and_refuse() {
    let config = Config::default();
    let decimal = DataType::Decimal128(5, 2);
    let (int, long, double, text) = (DataType::Int32, DataType::Int64, DataType::Float64, TEXT);
    let (date, timestamp, zoned, interval, time) = (DataType::Date32, TIMESTAMP, timestamp_tz("UTC"), INTERVAL, TIME);
    let boolean = DataType::Boolean;
    for (input, from, to, expected) in [
        ("2.5", &double, &int, "2"),
        ("3.5", &double, &int, "4"),
        ("-2.5", &double, &int, "-2"),
        ("3e9", &double, &int, "!DOUBLE 3000000000.0 does not fit into INTEGER"),
        ("NaN", &double, &long, "!DOUBLE NaN does not fit into BIGINT"),
        ("9223372036854775808", &double, &long, "!does not fit into BIGINT"),
        ("2.50", &decimal, &int, "3"),
        ("-2.50", &decimal, &int, "-3"),
        ("2.50", &decimal, &double, "2.5"),
        ("1000", &int, &decimal, "!INTEGER 1000 does not fit into DECIMAL(5,2)"),
        ("0.005", &double, &decimal, "0.01"),
        ("1.005", &double, &decimal, "1.01"),
        ("1e-300", &double, &decimal, "0.00"),
        ("NaN", &double, &decimal, "!DOUBLE NaN does not fit into DECIMAL(5,2)"),
        ("999.995", &double, &decimal, "!does not fit into DECIMAL(5,2)"),
        ("300", &int, &DataType::Int8, "!INTEGER 300 does not fit into TINYINT"),
        ("1e39", &double, &DataType::Float32, "!does not fit into REAL"),
        (" 12 ", &text, &int, "12"),
        ("+12", &text, &int, "12"),
        ("12x", &text, &int, "!'12x' is no INTEGER"),
        ("1.5", &text, &int, "!'1.5' is no INTEGER"),
        ("99999999999", &text, &int, "!'99999999999' is no INTEGER"),
        ("", &text, &double, "!'' is no DOUBLE"),
        ("1.25e3", &text, &double, "1250.0"),
        ("-inf", &text, &double, "-Infinity"),
        ("1e400", &text, &double, "!'1e400' is no DOUBLE"),
        ("1.25e2", &text, &decimal, "125.00"),
        ("-.005", &text, &decimal, "-0.01"),
        (".", &text, &decimal, "!'.' is no DECIMAL(5,2)"),
        ("1e999999999", &text, &decimal, "!'1e999999999' is no DECIMAL(5,2)"),
        ("YES", &text, &boolean, "true"),
        ("off", &text, &boolean, "false"),
        ("maybe", &text, &boolean, "!'maybe' is no BOOLEAN"),
        ("true", &boolean, &int, "1"),
        ("true", &boolean, &decimal, "1.00"),
        ("0", &int, &boolean, "false"),
        ("2013-01-31", &text, &date, "2013-01-31"),
        ("2013-01-31 13:45", &text, &date, "2013-01-31"),
        ("2013-02-30", &text, &date, "!'2013-02-30' is no DATE"),
        ("2013-01-31T13:45:06Z", &text, &timestamp, "2013-01-31 13:45:06"),
        ("2013-01-31 13:45:06+02", &text, &zoned, "2013-01-31 11:45:06+00"),
        ("13:45", &text, &time, "13:45:00"),
        ("1 day 2 hours", &text, &interval, "1 day 02:00:00"),
        ("2013-01-31 13:45", &timestamp, &date, "2013-01-31"),
        ("1969-12-31 13:45", &timestamp, &date, "1969-12-31"),
        ("2013-01-31 13:45", &timestamp, &time, "13:45:00"),
        ("2013-01-31", &date, &timestamp, "2013-01-31 00:00:00"),
        ("2013-01-31 13:45", &timestamp, &zoned, "2013-01-31 13:45:00+00"),
        ("13:45", &time, &interval, "13:45:00"),
        ("25:45", &interval, &time, "01:45:00"),
        ("-1.50", &decimal, &text, "-1.50"),
        ("1e20", &double, &text, "1e+20"),
        ("NaN", &double, &text, "NaN"),
        ("2013-01-31 13:45", &zoned, &text, "2013-01-31 13:45:00+00"),
    ] {
        let value = cast(&Value::Scalar(Scalar::text(input)), from, false, &config).unwrap();
        let show = |value: Value| format_value(value.values(), 0).unwrap_or_else(|| "NULL".into());
        match (cast(&value, to, false, &config), expected.strip_prefix('!')) {
            (Ok(found), None) => assert_eq!(show(found), expected, "{input}"),
            (Err(error), Some(part)) => {
                assert!(error.kind().message.contains(part), "{input}: {error}");
                assert_eq!(show(cast(&value, to, true, &config).unwrap()), "NULL");
            }
            (found, _) => panic!("{input}: {found:?}, not {expected}"),
        }
    }
    assert!(!can_cast(&date, &int) && !can_cast(&boolean, &timestamp) && can_cast(&DataType::Null, &interval));
}

#[test]
fn timestamps_with_zone_are_read_and_cut_in_the_session_zone() {
    let config = Config { time_zone: "America/New_York".into(), ..Config::default() };
    let zoned = timestamp_tz("UTC");
    let read = |value: &Value, to: &DataType| cast(value, to, false, &config).unwrap();
    let moment = read(&Value::Scalar(Scalar::text("2013-07-01 00:30")), &zoned);
    assert_eq!(format_value(moment.values(), 0).unwrap(), "2013-07-01 04:30:00+00");
    for (to, expected) in [
        (TIMESTAMP, "2013-07-01 00:30:00"),
        (DataType::Date32, "2013-07-01"),
        (TIME, "00:30:00"),
        (TEXT, "2013-07-01 00:30:00-04"),
    ] {
        assert_eq!(format_value(read(&moment, &to).values(), 0).unwrap(), expected);
    }
    let back = read(&read(&moment, &TIMESTAMP), &zoned);
    assert_eq!(format_value(back.values(), 0).unwrap(), "2013-07-01 04:30:00+00");
}

#[test]
fn every_pair_that_can_be_cast_is_cast_and_no_other() {
    let types = [
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(10, 2),
        TEXT,
        DataType::Date32,
        TIME,
        TIMESTAMP,
        timestamp_tz("UTC"),
        INTERVAL,
    ];
    for from in &types {
        for to in &types {
            let nulls = arrow::array::new_null_array(from, 2);
            let result = super::cast::cast_array(&nulls, to, false, &Config::default());
            assert_eq!(result.is_ok(), can_cast(from, to), "{from} {to}");
            if let Ok(array) = result {
                assert_eq!((array.data_type(), array.len()), (to, 2), "{from} {to}");
            }
        }
    }
}

#[test]
fn like_and_concatenation_pass_nulls_on() {
    let rows = batch(vec![Arc::new(StringViewArray::from(vec![Some("abc"), Some("xyz"), None]))]);
    let like = |pattern: BoundExpr, case_insensitive, negated| BoundExpr::Like {
        expr: Box::new(column(&rows, 0)),
        pattern: Box::new(pattern),
        escape: None,
        case_insensitive,
        negated,
    };
    let text = |value: &str| lit(Scalar::text(value));
    assert_eq!(run(&like(text("A%"), true, false), &rows).unwrap(), ["true", "false", "NULL"]);
    assert_eq!(run(&like(text("a%"), false, true), &rows).unwrap(), ["false", "true", "NULL"]);
    assert_eq!(run(&like(column(&rows, 0), false, false), &rows).unwrap(), ["true", "true", "NULL"]);
    assert_eq!(run(&like(lit(Scalar::null(&TEXT)), false, false), &rows).unwrap(), ["NULL"; 3]);
    assert!(run(&like(text("a\\"), false, false), &rows).is_err());
    let joined = binary(column(&rows, 0), BinaryOp::Concat, text("!"));
    assert_eq!(run(&joined, &rows).unwrap(), ["abc!", "xyz!", "NULL"]);
}

#[test]
fn a_mask_takes_null_for_false() {
    let batch = truths();
    let predicate = Predicate::new(&column(&batch, 1), &Arc::new(Config::default())).unwrap();
    let mask = predicate.mask(&batch).unwrap();
    assert_eq!((mask.null_count(), mask.true_count()), (0, 3));
    let null = Predicate::new(&lit(Scalar::null(&DataType::Boolean)), &Arc::new(Config::default())).unwrap();
    assert_eq!(null.mask(&batch).unwrap().true_count(), 0);
}

#[test]
fn no_operator_and_no_cast_panics_at_the_edges_of_its_types() {
    use BinaryOp::{Add, Divide, Equal, GreaterEqual, Modulo, Multiply, NotDistinctFrom, Subtract};
    let edges = crate::functions::scalar::tests::edges();
    let config = Config { time_zone: "America/New_York".into(), ..Config::default() };
    let evaluate = |expr: &BoundExpr, rows: &RecordBatch| {
        let value = Evaluator::new(expr, &Arc::new(config.clone())).unwrap().evaluate(rows);
        if let Ok(value) = value {
            assert_eq!(*value.data_type(), expr.data_type(), "{expr}");
            let length = value.into_array(rows.num_rows()).len();
            assert_eq!(length, rows.num_rows(), "{expr}");
        }
    };
    for left in &edges {
        for right in &edges {
            let to = right.data_type();
            if can_cast(left.data_type(), to) {
                for try_cast in [true, false] {
                    let whole = super::cast::cast_array(left, to, try_cast, &config);
                    assert!(whole.is_ok() || !try_cast);
                }
            }
            for op in [Add, Subtract, Multiply, Divide, Modulo, Equal, GreaterEqual, NotDistinctFrom] {
                let defined = arithmetic_type(op, left.data_type(), right.data_type()).is_some();
                if !(defined || (op.is_comparison() && left.data_type() == right.data_type())) {
                    continue;
                }
                for shift in 0..7 {
                    for row in 0..7 {
                        let other = (row + shift) % 7;
                        let rows = batch(vec![left.slice(row, 1), right.slice(other, 1)]);
                        let constant = |array: &ArrayRef, row| lit(Scalar::from_array(array, row));
                        evaluate(&binary(column(&rows, 0), op, column(&rows, 1)), &rows);
                        evaluate(&binary(column(&rows, 0), op, constant(right, other)), &rows);
                        evaluate(&binary(constant(left, row), op, column(&rows, 1)), &rows);
                        evaluate(&binary(constant(left, row), op, constant(right, other)), &rows);
                        evaluate(&binary(constant(left, row), op, column(&rows, 1)), &rows.slice(0, 0));
                    }
                }
            }
        }
    }
}

proptest! {
    /// CASE and AND over selected rows give what evaluating row by row gives.
    #[test]
    fn selections_put_every_value_where_it_belongs(values in prop::collection::vec(prop::option::of(-3i32..4), 0..40)) {
        let rows = batch(vec![Arc::new(Int32Array::from(values.clone()))]);
        let c = || column(&rows, 0);
        let int = |value| lit(Scalar::int32(value));
        let case = BoundExpr::Case {
            branches: vec![
                (binary(c(), BinaryOp::Less, int(0)), binary(int(6), BinaryOp::Divide, c())),
                (binary(c(), BinaryOp::Equal, int(0)), int(100)),
                (binary(binary(c(), BinaryOp::Modulo, int(2)), BinaryOp::Equal, int(1)), c()),
            ],
            otherwise: Some(Box::new(binary(c(), BinaryOp::Multiply, int(10)))),
            data_type: DataType::Int32,
        };
        let expected: Vec<String> = values.iter().map(|value| match value {
            None => "NULL".to_string(),
            Some(x) if *x < 0 => (6 / x).to_string(),
            Some(0) => "100".into(),
            Some(x) if x % 2 == 1 => x.to_string(),
            Some(x) => (x * 10).to_string(),
        }).collect();
        prop_assert_eq!(run(&case, &rows).unwrap(), expected);
    }
}
