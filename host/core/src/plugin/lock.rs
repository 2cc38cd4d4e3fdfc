//! `remit.lock`: what a person approved.
