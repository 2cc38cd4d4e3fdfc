//! All integration tests: one binary, so that it is linked once.

mod attack;
mod capability;
mod cli;
mod house;
mod kinds;
