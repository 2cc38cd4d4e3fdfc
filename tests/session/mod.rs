//! Sessions: turns, waits, crashes.

mod approvals;
mod audit;
mod authority;
mod called;
mod crash;
mod descriptors;
mod halts;
mod migrate;
mod models;
mod models_crash;
mod outputs;
mod past;
mod plain;
mod queue;
mod settle;
mod turns;
mod upstream;
mod waits;
mod workspace;
