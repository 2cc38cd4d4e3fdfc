mod address;
mod bound;
mod credential;
mod destination;
mod server;
mod setup;
mod slow;
mod wire;
