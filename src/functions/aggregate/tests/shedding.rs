//! Aggregates whose large groups go to disk in parts give what they give in memory.

use std::sync::Mutex;

use super::*;

/// Runs in memory.
#[derive(Default)]
struct Kept(Mutex<Vec<Vec<ArrayRef>>>);

impl RunStore for Kept {
    fn write(&self, blocks: &mut dyn Iterator<Item = Result<ArrayRef>>) -> Result<u64> {
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        let mut runs = self.0.lock().unwrap();
        runs.push(blocks);
        Ok(runs.len() as u64 - 1)
    }

    fn read(&self, run: u64) -> Result<Blocks> {
        let blocks = self.0.lock().unwrap()[run as usize].clone();
        Ok(Box::new(blocks.into_iter().map(Ok)))
    }

    fn values(&self, run: u64) -> u64 {
        self.0.lock().unwrap()[run as usize].iter().map(|block| block.len() as u64).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_shed_counts_as_what_was_kept(
        values in prop::collection::vec(prop::option::weighted(0.9, prop_oneof![(-9i64..9).prop_map(|n| n as f64 / 4.0), any::<f64>()]), 1..300),
        groups in 1u32..5, parts in 1usize..4, step in 1usize..30, fraction in 0.0f64..=1.0,
        sheds in prop::collection::vec(prop::option::weighted(0.5, 1usize..12), 1..40),
    ) {
        let column: ArrayRef = Arc::new(values.iter().copied().collect::<Float64Array>());
        let fraction = [Scalar::float64(fraction)];
        for (name, constants) in [("median", &[][..]), ("quantile", &fraction), ("quantile_disc", &fraction), ("product", &[])] {
            let mut types = vec![DataType::Float64];
            types.extend(constants.iter().map(|constant| constant.data_type().clone()));
            let expected = Run { name, constants, distinct: false, groups, parts, step }.over(&column).unwrap();
            let store: Arc<dyn RunStore> = Arc::new(Kept::default());
            let new = || {
                let mut accumulator = accumulator(name, &types, constants, false);
                accumulator.use_runs(&store);
                accumulator
            };
            let mut sheds = sheds.iter().cycle();
            let mut shed = |accumulator: &mut Box<dyn Accumulator>| {
                if let Some(least) = sheds.next().unwrap() {
                    accumulator.shed(*least).unwrap();
                }
            };
            let group_count = groups as usize;
            let (mut all, mut total) = ((0..parts).map(|_| new()).collect::<Vec<_>>(), new());
            for (turn, start) in (0..values.len()).step_by(step).enumerate() {
                let rows = step.min(values.len() - start);
                let numbers: Vec<u32> = (start..start + rows).map(|row| row as u32 % groups).collect();
                let grouped = GroupedRows { groups: &numbers, group_count, filter: None, positions: &[] };
                let part = &mut all[turn % parts];
                part.update(&[column.slice(start, rows)], &grouped).unwrap();
                shed(part);
            }
            for part in &mut all {
                let states = part.state().unwrap();
                prop_assert_eq!(states.iter().map(|state| state.data_type().clone()).collect::<Vec<_>>(), part.state_types());
                let numbers: Vec<u32> = (0..states[0].len() as u32).collect();
                total.merge(&states, &numbers, group_count).unwrap();
                shed(&mut total);
            }
            prop_assert_eq!(all_bits(&total.finish().unwrap()), all_bits(&expected), "{}", name);
        }
    }
}

#[test]
fn many_runs_of_a_group_become_one() {
    let store: Arc<dyn RunStore> = Arc::new(Kept::default());
    let mut median = accumulator("median", &[DataType::Float64], &[], false);
    median.use_runs(&store);
    for turn in 0..100 {
        let column = floats(&(0..50).map(|n| f64::from((n * 37 + turn * 11) % 1009)).collect::<Vec<_>>());
        let rows = GroupedRows { groups: &[0; 50], group_count: 1, filter: None, positions: &[] };
        median.update(&[column], &rows).unwrap();
        assert!(median.shed(50).unwrap());
        assert!(!median.shed(1).unwrap(), "nothing is left in memory");
    }
    let states = median.state().unwrap();
    assert!(states[1].as_list::<i64>().values().len() <= 17);
    median.merge(&states, &[0], 1).unwrap();
    let mut all: Vec<f64> =
        (0..100).flat_map(|turn| (0..50).map(move |n| f64::from((n * 37 + turn * 11) % 1009))).collect();
    all.sort_by(f64::total_cmp);
    assert_eq!(all_bits(&median.finish().unwrap()), [Some(((all[2499] + all[2500]) / 2.0).to_bits())]);
}
