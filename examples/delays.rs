//! Filters, groups, sorts, and writes what it found: `cargo run --example delays`.

use highwater::prelude::*;

pub fn main() -> Result<()> {
    let session = Session::new(Config::default())?;
    let flights = session.read_csv("data/flights/*.csv", CsvOptions::default())?;

    let by_carrier = flights
        .filter(col("arr_delay").is_not_null())?
        .assign([(col("distance") / (col("air_time") / lit(60.0))).alias("mph")])?
        .groupby([col("carrier")])
        .agg([
            count_all().alias("flights"),
            col("arr_delay").mean().alias("mean_delay"),
            col("mph").median().alias("median_mph"),
            col("dest").n_unique().alias("destinations"),
        ])?
        .sort_values([col("mean_delay").desc()])?;

    // Kept once, read twice.
    let kept = by_carrier.persist()?;
    assert_eq!(kept.count_rows()?, 16);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let written = kept.to_parquet(folder.path().join("carriers.parquet"), &Options::new())?;
    println!("{} rows, {} bytes", written.rows, written.bytes);

    for batch in session.read_parquet(&folder.path().display().to_string())?.batches() {
        println!("{:?}", batch?.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>());
    }
    Ok(())
}
