//! Sliding aggregates against the ordinary ones over each frame from scratch, to the last bit.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, IntervalMonthDayNanoArray,
    StringViewArray, new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::IntervalMonthDayNano;
use proptest::prelude::*;

use super::*;
use crate::batch::{array_memory, normalize_equal};
use crate::functions::aggregate::{GroupedRows, lookup};

/// Frames of rows whose edges never go back.
type Bounds = Vec<(u64, u64)>;

/// Frames over `rows` rows from steps of both edges.
fn bounds(steps: &[(u64, u64)], rows: u64) -> Bounds {
    let (mut start, mut end) = (0, 0);
    let frames = steps.iter().map(|(front, back)| {
        end = (end + front).min(rows);
        start = (start + back).min(rows);
        end = end.max(start);
        (start, end)
    });
    frames.collect()
}

/// What the ordinary aggregate gives for the rows of a frame.
fn from_scratch(name: &str, signature: &AggregateSignature, constants: &[Scalar], rows: &ArrayRef) -> Result<ArrayRef> {
    let mut accumulator = (lookup(name).unwrap().create)(signature, constants)?;
    let groups = vec![0; rows.len()];
    let grouped = GroupedRows { groups: &groups, group_count: 1, filter: None, positions: &[] };
    accumulator.update(std::slice::from_ref(rows), &grouped)?;
    accumulator.finish()
}

fn expected(
    name: &str,
    signature: &AggregateSignature,
    constants: &[Scalar],
    column: &ArrayRef,
    (start, end): (u64, u64),
    min_periods: u64,
) -> Result<ArrayRef> {
    let rows = column.slice(start as usize, (end - start) as usize);
    let counted = if name == "count" { rows.len() } else { rows.len() - rows.null_count() };
    if (counted as u64) < min_periods {
        return Ok(new_null_array(&signature.result, 1));
    }
    from_scratch(name, signature, constants, &rows)
}

/// Checks all frames, which are evaluated `batch` at a time while rows come `piece` at a time.
fn check(
    name: &str,
    constants: &[Scalar],
    column: &ArrayRef,
    frames: &Bounds,
    (piece, batch): (usize, usize),
    min_periods: u64,
) -> Result<(), TestCaseError> {
    let only_grows = frames.iter().all(|(start, _)| *start == 0);
    let mut types = vec![column.data_type().clone()];
    types.extend(constants.iter().map(|constant| constant.data_type().clone()));
    let signature = (lookup(name).unwrap().resolve)(&types).unwrap();
    let kind = WindowKind { only_grows, min_periods };
    let mut aggregate = sliding(name).unwrap()(&signature, constants, kind).unwrap();
    let mut held = HeldColumn::default();
    let mut arrived = 0;
    for frames in frames.chunks(batch) {
        let (starts, ends): (Vec<u64>, Vec<u64>) = frames.iter().copied().unzip();
        while arrived < *ends.last().unwrap() as usize {
            let rows = piece.min(column.len() - arrived);
            held.push(arrived as u64, &column.slice(arrived, rows)).unwrap();
            arrived += rows;
        }
        let wanted: Result<Vec<ArrayRef>> =
            frames.iter().map(|frame| expected(name, &signature, constants, column, *frame, min_periods)).collect();
        let before = aggregate.memory();
        let entering = ends.last().unwrap() - starts[0];
        let growth = aggregate.growth(entering as usize, frames.len(), held.bytes() as usize);
        let found = aggregate.evaluate(Some(&held), Frames { starts: &starts, ends: &ends });
        prop_assert!(aggregate.memory() <= before + growth, "{name}: {} > {before} + {growth}", aggregate.memory());
        if let Ok(found) = &found {
            let results = array_memory(found);
            prop_assert!(results <= growth as u64 + 1024, "{name}: results of {results} bytes, {growth} foreseen");
        }
        let Ok(wanted) = wanted else {
            prop_assert!(found.is_err(), "{name} over {frames:?} is out of range");
            return Ok(());
        };
        let found = found.map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
        let wanted = concat(&wanted.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()).unwrap();
        // A NaN may have a sign in one of them.
        let wanted = if *wanted.data_type() == DataType::Float64 { normalize_equal(&wanted) } else { wanted };
        prop_assert_eq!(found.to_data(), wanted.to_data(), "{} over {:?}", name, frames);
        held.release(if only_grows { *ends.last().unwrap() } else { *starts.last().unwrap() });
    }
    Ok(())
}

/// Edges that move row by row, with jumps of whole partitions; or whose start never moves.
fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let step = prop_oneof![4 => (0u64..3, 0u64..3), 1 => (0u64..12, 0u64..12)];
    let growing = prop::collection::vec((0u64..4, Just(0u64)), 1..60);
    prop_oneof![4 => prop::collection::vec(step, 1..80), 1 => growing]
}

fn cuts() -> impl Strategy<Value = (usize, usize)> {
    (1usize..20, 1usize..20)
}

fn doubles() -> impl Strategy<Value = ArrayRef> {
    let value = prop_oneof![
        3 => (-1000i64..1000).prop_map(|value| Some(value as f64 / 8.0)),
        3 => (-1e3f64..1e3, -300i32..300).prop_map(|(m, e)| Some(m * 10f64.powi(e))),
        1 => Just(None),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MAX, 1e160, 1e-320])
            .prop_map(Some),
    ];
    prop::collection::vec(value, 1..70).prop_map(|values| Arc::new(Float64Array::from(values)) as ArrayRef)
}

fn integers() -> impl Strategy<Value = ArrayRef> {
    let value = prop_oneof![8 => (-50i64..50).prop_map(Some), 1 => Just(None), 1 => Just(Some(i64::MAX)), 1 => Just(Some(i64::MIN))];
    prop::collection::vec(value, 1..70).prop_map(|values| Arc::new(Int64Array::from(values)) as ArrayRef)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn floats_slide(column in doubles(), steps in steps(), cuts in cuts(), min_periods in 0u64..4, fraction in 0f64..1.0) {
        let frames = bounds(&steps, column.len() as u64);
        for name in
            ["count", "sum", "avg", "min", "max", "stddev_samp", "stddev_pop", "var_samp", "var_pop", "median"]
        {
            check(name, &[], &column, &frames, cuts, min_periods)?;
        }
        check("quantile", &[Scalar::float64(fraction)], &column, &frames, cuts, min_periods)?;
    }

    #[test]
    fn integers_slide(column in integers(), steps in steps(), cuts in cuts(), min_periods in 0u64..4) {
        let frames = bounds(&steps, column.len() as u64);
        for name in ["count", "sum", "avg", "min", "max"] {
            check(name, &[], &column, &frames, cuts, min_periods)?;
        }
    }

    #[test]
    fn other_types_slide(
        values in prop::collection::vec(prop::option::weighted(0.8, -9i64..9), 1..70), steps in steps(), cuts in cuts(),
    ) {
        let frames = bounds(&steps, values.len() as u64);
        let decimals = values.iter().map(|value| value.map(|value| i128::from(value) * 10i128.pow(36)));
        let decimals = decimals.collect::<Decimal128Array>().with_precision_and_scale(38, 2).unwrap();
        for name in ["sum", "avg", "min", "max"] {
            check(name, &[], &(Arc::new(decimals.clone()) as ArrayRef), &frames, cuts, 1)?;
        }
        let interval = |value: i64| IntervalMonthDayNano::new(value as i32 % 3, value as i32, value << 40);
        let intervals: IntervalMonthDayNanoArray = values.iter().map(|value| value.map(interval)).collect();
        for name in ["sum", "min", "max", "count"] {
            check(name, &[], &(Arc::new(intervals.clone()) as ArrayRef), &frames, cuts, 1)?;
        }
        let long = |value: i64| format!("{}{}", value, if value % 2 == 0 { " as a text longer than a view" } else { "" });
        let texts: StringViewArray = values.iter().map(|value| value.map(long)).collect();
        let truths: BooleanArray = values.iter().map(|value| value.map(|value| value > 0)).collect();
        for name in ["min", "max", "count"] {
            check(name, &[], &(Arc::new(truths.clone()) as ArrayRef), &frames, cuts, 2)?;
            check_texts(name, &(Arc::new(texts.clone()) as ArrayRef), &frames, cuts)?;
        }
    }
}

/// Views of equal texts may point to different places.
fn check_texts(name: &str, column: &ArrayRef, frames: &Bounds, cuts: (usize, usize)) -> Result<(), TestCaseError> {
    let only_grows = frames.iter().all(|(start, _)| *start == 0);
    let signature = (lookup(name).unwrap().resolve)(&[column.data_type().clone()]).unwrap();
    let mut aggregate = sliding(name).unwrap()(&signature, &[], WindowKind { only_grows, min_periods: 1 }).unwrap();
    let mut held = HeldColumn::default();
    for start in (0..column.len()).step_by(cuts.0) {
        held.push(start as u64, &column.slice(start, cuts.0.min(column.len() - start))).unwrap();
    }
    for frames in frames.chunks(cuts.1) {
        let (starts, ends): (Vec<u64>, Vec<u64>) = frames.iter().copied().unzip();
        let found = aggregate.evaluate(Some(&held), Frames { starts: &starts, ends: &ends }).unwrap();
        for (index, frame) in frames.iter().enumerate() {
            let wanted = expected(name, &signature, &[], column, *frame, 1).unwrap();
            prop_assert_eq!(&found.slice(index, 1), &wanted, "{} over {:?}", name, frame);
        }
    }
    Ok(())
}

#[test]
fn a_window_holds_no_more_than_its_rows() {
    let mut held = HeldColumn::default();
    let mut median = sliding("median").unwrap()(
        &AggregateSignature { arguments: vec![DataType::Float64], result: DataType::Float64 },
        &[],
        WindowKind { only_grows: false, min_periods: 1 },
    )
    .unwrap();
    let (mut most, window) = (0, 1000);
    // Ever greater values sink to the bottom of the lower heap when they have left.
    for batch in 0..200u64 {
        let rows = batch * 500..(batch + 1) * 500;
        held.push(
            rows.start,
            &(Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| row as f64))) as ArrayRef),
        )
        .unwrap();
        let starts: Vec<u64> = rows.clone().map(|row| (row + 1).saturating_sub(window)).collect();
        let ends: Vec<u64> = rows.map(|row| row + 1).collect();
        median.evaluate(Some(&held), Frames { starts: &starts, ends: &ends }).unwrap();
        held.release(*starts.last().unwrap());
        most = most.max(median.memory() as u64 + held.bytes());
    }
    assert!(most < 100 * window, "{most} bytes for {window} rows");
}
