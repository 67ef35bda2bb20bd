//! Bad input and faults: a clear error, the right exit code, nothing half-made, and the next run is fine.

mod archives;
mod builds;
mod containers;
mod disks;
mod downloads;
mod images;
mod locks;
mod machines;
mod recipes;
