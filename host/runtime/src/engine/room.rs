//! Where the instance of a call is.

use wasmtime::Store;

use super::Failed;
use crate::{capability::CallState, isolation::Apart};

/// Where the instance of a call is, and its rights.
pub(crate) enum Room {
    /// In this process.
    Here(Box<Store<CallState>>),
    /// In a process of its own.
    Apart(Box<Apart>),
}

impl Room {
    /// The most that memories and tables held at once, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        match self {
            Self::Here(store) => store.data().limiter.peak_bytes() as u64,
            Self::Apart(apart) => apart.peak_bytes,
        }
    }

    /// CPU time that was spent elsewhere, in microseconds.
    pub fn elsewhere_us(&self) -> u64 {
        match self {
            Self::Here(_) => 0,
            Self::Apart(apart) => apart.cpu_us,
        }
    }

    /// The failure, said to be the memory limit when that is what ended it.
    pub fn explain(&self, failed: Failed) -> Failed {
        match self {
            Self::Here(store) => failed.explain(&store.data().limiter),
            Self::Apart(_) => failed,
        }
    }
}
