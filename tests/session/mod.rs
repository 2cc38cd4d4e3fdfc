//! Sessions: turns, waits, crashes.

mod crash;
mod past;
mod turns;
mod waits;
