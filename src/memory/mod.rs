//! The memory budget: a pool with four thresholds, and the reservations through which operators hold memory.

mod limits;
mod pool;
mod reservation;

pub use limits::default_budget;
pub use pool::{MemoryPool, Pressure, Spare, Thresholds};
pub use reservation::MemoryReservation;
