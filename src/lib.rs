//! Highwater: an out-of-core dataframe query engine. It reads directories of CSV and Parquet files as one partitioned
//! frame, optimizes a query over it, and runs it as partition tasks on every core inside a memory budget, spilling to
//! disk what does not fit.
//!
//! # The life of a query
//!
//! 1. [`cli`] or [`dataframe`] receives SQL text or a chain of method calls.
//! 2. [`sql`] parses, and turns the syntax into expressions by name; [`plan`] binds them to a
//!    [`LogicalPlan`](plan::LogicalPlan), with the place in the text for every error. [`dataframe`] builds the same plan.
//! 3. [`optimizer`] rewrites the plan by one ordered list of rules, and verifies it after each.
//! 4. [`physical`] lowers it to a graph of stages. A stage is a source, a chain of streaming operators and one sink.
//! 5. [`exec`] runs the stages in order. A task is one stage on one partition of its source; each worker takes the next
//!    task when it is free.
//! 6. Sinks ([`operators`]) hold memory only through a [`MemoryReservation`](memory::MemoryReservation), and go to
//!    [`spill`] under pressure.
//! 7. Batches stream out to the caller, in the order of the partitions.
//!
//! [`session::Session`] owns the settings, the memory pool, the threads and the catalog, and is the only place that wires
//! these phases.
//!
//! ```
//! use highwater::prelude::*;
//!
//! let session = Session::new(Config::default())?;
//! let weather = session.read_csv("data/weather/*.csv", CsvOptions::default())?;
//! let daily = weather.resample("1d").on("time_hour").by(["origin"]).mean(&["temp"])?;
//! assert_eq!(daily.columns(), ["time_hour", "origin", "temp"]);
//! assert_eq!(daily.head(5)?.num_rows(), 5);
//!
//! let same = session.sql(
//!     "SELECT time_bucket(INTERVAL '1 day', time_hour) AS time_hour, origin, avg(temp) AS temp
//!      FROM 'data/weather/*.csv' GROUP BY ALL ORDER BY ALL LIMIT 5",
//! )?;
//! assert_eq!(same.compute()?, daily.head(5)?);
//! # Ok::<(), highwater::error::Error>(())
//! ```

// In the order in which data flows.
pub mod cli;
pub mod session;

pub mod dataframe;
pub mod sql;

pub mod plan;

pub mod optimizer;

pub mod physical;

pub mod exec;
pub mod operators;

pub mod generate;
pub mod io;

pub mod context;
pub mod rejects;
pub mod spill;

pub mod memory;

pub mod eval;
pub mod functions;

pub mod batch;
pub mod expr;

pub mod config;
pub mod error;
pub mod explain;
pub mod metrics;
pub mod panics;
pub mod types;

/// What a program that uses the engine needs: `use highwater::prelude::*`.
pub mod prelude {
    pub use crate::config::Config;
    pub use crate::dataframe::{Batches, DataFrame, Expanding, Fill, GroupBy, Keep, Resample, Rolling};
    pub use crate::error::{Error, Result};
    pub use crate::expr::{Expr, IntoExpr, SortKey, col, count_all, function, interval, lit, when};
    pub use crate::io::csv::CsvOptions;
    pub use crate::io::options::{OptionValue, Options};
    pub use crate::session::Session;
    pub use crate::types::DataType;
    pub use crate::types::grid::Side;
    pub use crate::types::origin::Origin;
    pub use crate::types::rule::Rule;
}
