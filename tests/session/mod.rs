//! Sessions: turns, waits, crashes.

mod authority;
mod crash;
mod descriptors;
mod past;
mod settle;
mod turns;
mod upstream;
mod waits;
