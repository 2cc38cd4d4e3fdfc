//! The attacks of `docs/threats.md`, each beside the legitimate action that still works.

mod encodings;
mod flow;
mod inputs;
mod log;
mod mixed;
mod neighbours;
mod network;
mod resources;
mod secrets;
mod shown;
mod sockets;
